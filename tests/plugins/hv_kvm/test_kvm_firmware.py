"""Guests that boot by UEFI have variables of their own, which go with them when they move."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kvm_moves import Trip
from kvm_serial import Serial

from ganeti_core.errors import HypervisorError, OpPrereqError
from ganeti_core.plugin_api import HookContext, InstanceSpec
from ganeti_plugins.hv_kvm import KvmHypervisor, firmware

pytestmark = pytest.mark.needs_qemu

SAID = "BdsDxe|UEFI|Shell>"
"""What the firmware says on the serial line."""


@pytest.fixture
def by_uefi(guest_instance: InstanceSpec) -> InstanceSpec:
    try:
        firmware.build()
    except OpPrereqError as exc:
        pytest.skip(str(exc))
    params = {**guest_instance.hvparams, "boot_type": "uefi", "machine_version": "q35"}
    return replace(guest_instance, hvparams=params,
                   beparams={"maxmem": 96, "minmem": 96, "vcpus": 1})


def test_variables_of_an_instance_go_with_it(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, by_uefi: InstanceSpec
) -> None:
    kvm.validate(ctx, by_uefi.hvparams)
    kvm.start(ctx, by_uefi, False)
    with Serial(ctx, by_uefi.name) as serial:
        serial.wait_for(SAID)
    here, there = (firmware.store(node, by_uefi.uuid) for node in (ctx, other_ctx))
    _, fresh = firmware.build()
    written = here.read_bytes()
    assert written != fresh.read_bytes()
    trip = Trip(kvm, ctx, other_ctx, by_uefi)
    trip.send()
    assert trip.wait().state == "completed"
    trip.finish(success=True)
    assert trip.runs_on() == [other_ctx.node]
    assert there.read_bytes() != fresh.read_bytes()
    assert not here.exists()


def test_variables_outlive_a_stop(
    kvm: KvmHypervisor, ctx: HookContext, by_uefi: InstanceSpec
) -> None:
    kvm.start(ctx, by_uefi, True)
    path = firmware.store(ctx, by_uefi.uuid)
    kvm.stop(ctx, by_uefi, True, 0.0)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    kvm.start(ctx, by_uefi, True)
    assert path.read_bytes().endswith(b"x")


def test_a_node_without_firmware_refuses(
    kvm: KvmHypervisor, ctx: HookContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "BUILDS", ())
    with pytest.raises(OpPrereqError, match="boot_type='uefi': this node has no UEFI firmware"):
        kvm.validate(ctx, {"boot_type": "uefi"})


def test_firmware_takes_no_kernel_of_the_node(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    """Nor misses Ganeti's default one."""
    params = {"kvm_flag": "disabled", "boot_type": "bios"}
    kvm.validate(ctx, params)
    kvm.start(ctx, replace(guest_instance, hvparams=params), False)
    with Serial(ctx, guest_instance.name) as serial:
        serial.wait_for("count")
    with pytest.raises(OpPrereqError, match="boot_type='direct_kernel': needs kernel_path"):
        kvm.validate(ctx, {"kernel_path": "", "boot_type": "direct_kernel"})


def test_variables_can_be_taken_to_another_node(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, by_uefi: InstanceSpec
) -> None:
    kvm.start(ctx, by_uefi, True)
    kvm.stop(ctx, by_uefi, True, 0.0)
    state = kvm.lasting_state(ctx, by_uefi)
    assert 0 < len(state) < 1 << 20
    kvm.set_lasting_state(other_ctx, by_uefi, state)
    here, there = (firmware.store(node, by_uefi.uuid) for node in (ctx, other_ctx))
    assert there.read_bytes() == here.read_bytes()
    with pytest.raises(HypervisorError, match="cannot be kept"):
        kvm.set_lasting_state(other_ctx, by_uefi, "damaged")
    assert kvm.lasting_state(other_ctx, by_uefi) == state
    kvm.set_lasting_state(other_ctx, by_uefi, "")
    assert not there.exists()
