"""Guests that stand still, each for its reason, under real QEMUs: how they are listed, and what
helps them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from kvm_moves import Trip
from kvm_serial import COUNTS, Serial

from ganeti_core.plugin_api import HookContext, HypervisorError, InstanceSpec
from ganeti_plugins.hv_kvm import KvmHypervisor
from ganeti_plugins.hv_kvm.qmp import Qmp
from ganeti_plugins.hv_kvm.run_states import RUN_STATES, meaning

pytestmark = pytest.mark.needs_qemu

PANIC = "-device pvpanic -action panic=pause"
NO_SPACE = 28


def control(ctx: HookContext, instance: InstanceSpec) -> Qmp:
    return Qmp.connect(ctx.state / instance.name / "control")


def shown(kvm: KvmHypervisor, ctx: HookContext) -> list[str]:
    return [guest.state for guest in kvm.running(ctx)]


def on_full_disk(instance: InstanceSpec, disk_file: Path, *, once: bool) -> InstanceSpec:
    """The same with a disk on which writes fail for want of space: the first one, or all."""
    node = {"driver": "blkdebug", "image": {"driver": "file", "filename": str(disk_file)},
            "inject-error": [{"event": "write_aio", "iotype": "write", "errno": NO_SPACE,
                              "once": once}]}
    disk = replace(instance.disks[0], uris={"kvm": f"json:{json.dumps(node)}"})
    return replace(instance, disks=(disk,))


def await_shown(kvm: KvmHypervisor, ctx: HookContext, instance: InstanceSpec, state: str) -> None:
    with control(ctx, instance) as qmp:
        if shown(kvm, ctx) != [state]:
            qmp.wait_event("STOP", 60.0)
    assert shown(kvm, ctx) == [state]


def test_every_state_that_qemu_has_was_decided(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec
) -> None:
    kvm.start(ctx, guest_instance, True)
    assert shown(kvm, ctx) == ["paused"]
    with control(ctx, guest_instance) as qmp:
        schema = {item["name"]: item for item in qmp.execute("query-qmp-schema")}
    answer = schema[schema["query-status"]["ret-type"]]
    (status,) = [one["type"] for one in answer["members"] if one["name"] == "status"]
    assert set(schema[status]["values"]) <= set(RUN_STATES)
    assert meaning("of-a-newer-qemu").shown == "paused"
    assert meaning("").shown == "running"  # it hangs, and holds its disks


@pytest.mark.parametrize("behaviour", ["reboot", "exit"])
def test_a_guest_that_has_panicked_is_over_until_it_is_reset(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, behaviour: str
) -> None:
    instance = replace(guest_instance, hvparams={
        **guest_instance.hvparams, "kvm_extra": PANIC, "reboot_behavior": behaviour})
    kvm.start(ctx, instance, False)
    with Serial(ctx, instance.name) as serial:
        serial.wait_for(COUNTS)
        with control(ctx, instance) as qmp:
            qmp.execute("human-monitor-command", {"command-line": "o /b 0x505 1"})
        (guest,) = kvm.running(ctx)
        assert (guest.state, guest.reason) == ("crashed", "its system has panicked")
        assert guest.is_over
        kvm.start(ctx, instance, False)
        assert shown(kvm, ctx) == ["crashed"]
        kvm.reboot(ctx, instance)
        serial.wait_for("TINY READY", fresh=True)
    assert shown(kvm, ctx) == ["running"]
    with control(ctx, instance) as qmp:
        qmp.execute("human-monitor-command", {"command-line": "o /b 0x505 1"})
    kvm.stop(ctx, instance, False, 600.0)  # it is not asked, nor waited for
    assert shown(kvm, ctx) == []


def test_a_guest_on_a_full_disk_goes_on_where_it_stopped(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, disk_file: Path
) -> None:
    instance = on_full_disk(guest_instance, disk_file, once=True)
    kvm.start(ctx, instance, False)
    await_shown(kvm, ctx, instance, "stuck")
    with Serial(ctx, instance.name) as serial:
        kvm.start(ctx, instance, False)
        serial.wait_for(COUNTS)
    assert "TINY READY" not in serial.said
    assert shown(kvm, ctx) == ["running"]


def test_a_guest_on_a_disk_that_stays_full_is_not_ended_by_a_start_and_can_go_elsewhere(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec,
    disk_file: Path,
) -> None:
    full = on_full_disk(guest_instance, disk_file, once=False)
    kvm.start(ctx, full, False)
    await_shown(kvm, ctx, full, "stuck")
    with pytest.raises(HypervisorError, match="is full or does not work"):
        kvm.start(ctx, full, False)
    assert shown(kvm, ctx) == ["stuck"]
    trip = Trip(kvm, ctx, other_ctx, guest_instance)
    target = trip.prepare(kvm.migration_offer(ctx, full))
    kvm.migrate_out(ctx, full, target, True)
    assert trip.wait().state == "completed"
    trip.finish(success=True)
    with Serial(other_ctx, full.name) as serial:
        serial.wait_for(COUNTS)
    assert "TINY READY" not in serial.said
    assert trip.runs_on() == [other_ctx.node]
