"""A guest keeps its machine when it moves, or the move is refused before anything has moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from kvm_moves import Trip
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec
from ganeti_plugins.hv_kvm import KvmHypervisor, guests

pytestmark = pytest.mark.needs_qemu


@pytest.fixture
def trip(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec
) -> Trip:
    kvm.start(ctx, guest_instance, False)
    return Trip(kvm, ctx, other_ctx, guest_instance)


def refused(trip: Trip, match: str, **details: object) -> None:
    """What another node offers is refused by the target; the guest notices nothing."""
    offer = trip.offer()
    with pytest.raises(HypervisorError, match=match):
        trip.prepare(replace(offer, details={**offer.details, **details}))
    assert list(trip.target.state.iterdir()) == []
    assert trip.runs_on() == [trip.source.node]
    assert trip.status().state == "none"


def test_the_machine_type_is_recorded_in_its_version(trip: Trip) -> None:
    runtime = guests.guest(trip.source, trip.instance.name).load()
    assert runtime is not None
    assert runtime.machine.startswith("pc-i440fx-")
    offer = trip.offer()
    assert offer.details["machine"] == runtime.machine
    assert offer.version.count(".") == 2


def test_a_receiver_gets_the_machine_type_of_the_source(trip: Trip) -> None:
    """Not the newest of its own QEMU."""
    offer = trip.offer()
    trip.prepare(replace(offer, details={**offer.details, "machine": "pc-i440fx-5.2"}))
    runtime = guests.guest(trip.target, trip.instance.name).load()
    assert runtime is not None
    assert runtime.machine == "pc-i440fx-5.2"


def test_a_machine_type_that_the_target_lacks_is_refused(trip: Trip) -> None:
    refused(trip, "machine_version='pc-i440fx-99.0'.*no such machine type",
            machine="pc-i440fx-99.0")


def test_processors_that_lack_features_are_refused(trip: Trip) -> None:
    features = trip.offer().details["features"]
    register = next(name for name, bits in features.items() if bits)
    more = {**features, register: features[register] | 1 << 40}
    refused(trip, f"lack features that the guest has .CPUID {register} bits 0x10000000000",
            features=more)


def test_another_accelerator_is_refused(trip: Trip) -> None:
    refused(trip, "runs with kvm and would run with tcg on node2", accelerator="kvm")


def test_other_devices_are_refused(trip: Trip) -> None:
    refused(trip, "other devices", slots={"somebody": 4})


@pytest.mark.parametrize(("change", "names"), [
    ({"cpu_type": "max"}, "cpu_type"), ({"vga": "std"}, "vga"), ({"acpi": False}, "acpi"),
    ({"cpu_cores": 1}, "cpu_cores"), ({"kernel_path": "/boot/other"}, "kernel_path"),
    ({"machine_version": "q35"}, "machine_version"),
    ({"vnc_bind_address": "127.0.0.1"}, "vnc_bind_address"),
    ({"disk_cache": "writethrough"}, "disk_cache"),
])
def test_a_guest_that_runs_otherwise_than_configured_is_not_offered(
    trip: Trip, change: dict[str, object], names: str
) -> None:
    with pytest.raises(HypervisorError, match=f"runs with another {names} .*restart it first"):
        trip.with_params(**change).offer()


def test_what_the_guest_does_not_see_may_have_changed(trip: Trip) -> None:
    trip.with_params(cpu_mask="0", disk_cache="none", migration_bandwidth=7).offer()


def test_a_guest_moves_with_its_disk_where_it_was_plugged_in(trip: Trip, tmp_path: Path) -> None:
    """Its slot is another than a start would give it; the memory that it was ordered to have goes
    with it, too."""
    path = tmp_path / "disk1.raw"
    path.write_bytes(bytes(1 << 20))
    more = DiskSpec("d15c1111-0000-4000-8000-000000000002", 1, "file", 1, path=str(path))
    trip.kvm.plug_disk(trip.source, trip.instance, replace(more, index=7))
    trip.kvm.set_memory(trip.source, trip.instance, 12)
    trip = replace(trip, instance=replace(trip.instance, disks=(*trip.instance.disks, more)))
    trip.send()
    assert trip.wait().state == "completed"
    trip.finish(success=True)
    with Serial(trip.target, trip.instance.name) as serial:
        serial.wait_for(COUNTS)
    info = trip.kvm.info(trip.target, trip.instance)
    assert info is not None
    assert (trip.runs_on(), info.memory) == ([trip.target.node], 12)
