"""Disks and NICs of a running guest, as QEMU sees them."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kvm_serial import Serial

from ganeti_core.plugin_api import DiskSpec, HookContext, HypervisorError, InstanceSpec, NicSpec
from ganeti_plugins.hv_kvm import KvmHypervisor, hotplug
from ganeti_plugins.hv_kvm.qmp import Qmp

pytestmark = pytest.mark.needs_qemu



@pytest.fixture
def more(tmp_path: Path) -> DiskSpec:
    path = tmp_path / "disk1.raw"
    path.write_bytes(bytes(1 << 20))
    return DiskSpec("d15c1111-0000-4000-8000-000000000002", 1, "file", 1, path=str(path))


@pytest.fixture
def nic() -> Iterator[NicSpec]:
    """A NIC on a bridge of its own, so that the machine's bridges are left alone."""
    bridge = f"gnt{os.getpid()}"
    if subprocess.run(["ip", "link", "add", bridge, "type", "bridge"],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("a bridge cannot be made here")
    yield NicSpec("41c00000-0000-4000-8000-000000000001", 0, "aa:00:00:11:22:33", link=bridge)
    subprocess.run(["ip", "link", "del", bridge], check=True)


def inside(ctx: HookContext, name: str) -> str:
    """What QEMU tells of the guest's block devices."""
    with Qmp.connect(ctx.state / name / "control") as qmp:
        return json.dumps(qmp.execute("query-named-block-nodes"))


def macs(ctx: HookContext, name: str) -> set[str]:
    """The addresses of the guest's network cards."""
    with Qmp.connect(ctx.state / name / "control") as qmp:
        return {card["main-mac"] for card in qmp.execute("query-rx-filter")}


def on_bridge(nic: NicSpec) -> list[str]:
    return [path.name for path in Path(f"/sys/class/net/{nic.link}/brif").iterdir()]


def test_a_disk_can_be_added_and_is_remembered(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    for _ in range(2):
        kvm.hotplug(ctx, guest_instance, "add", more, None)
    assert more.path in inside(ctx, guest_instance.name)
    assert more.uuid in (ctx.state / guest_instance.name / "runtime.json").read_text()


def test_a_disk_that_is_missing_changes_nothing(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    before = (ctx.state / guest_instance.name / "runtime.json").read_text()
    gone = replace(more, path="/no/such/disk")
    with pytest.raises(HypervisorError, match="/no/such/disk"):
        kvm.hotplug(ctx, guest_instance, "add", gone, None)
    assert (ctx.state / guest_instance.name / "runtime.json").read_text() == before
    kvm.hotplug(ctx, guest_instance, "add", more, None)


def test_a_guest_with_a_disk_plugged_in_migrates_with_it(
    kvm: KvmHypervisor, ctx: HookContext, other_ctx: HookContext, guest_instance: InstanceSpec,
    more: DiskSpec,
) -> None:
    from test_kvm_migration import TARGET, Pair

    kvm.start(ctx, guest_instance, False)
    kvm.hotplug(ctx, guest_instance, "add", more, None)
    bigger = replace(guest_instance, disks=(*guest_instance.disks, more))
    pair = Pair(kvm, ctx, other_ctx, bigger)
    target = kvm.migration_prepare(other_ctx, bigger, TARGET)
    kvm.migrate_out(ctx, bigger, target, True)
    assert pair.wait().state == "completed"
    kvm.migration_finish(other_ctx, bigger, False, True)
    kvm.migration_finish(ctx, bigger, True, True)
    with Serial(other_ctx, bigger.name) as serial:
        serial.wait_for("count")


def test_a_guest_whose_config_was_changed_is_not_sent(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec
) -> None:
    from test_kvm_migration import TARGET

    kvm.start(ctx, guest_instance, False)
    changed = replace(guest_instance, beparams={"maxmem": 32, "vcpus": 1},
                      disks=(*guest_instance.disks, more))
    target = kvm.migration_prepare(ctx=replace(ctx, state=ctx.root), instance=changed, node=TARGET)
    try:
        with pytest.raises(HypervisorError, match="memory size and order of devices"):
            kvm.migrate_out(ctx, changed, target, True)
    finally:
        kvm.stop(replace(ctx, state=ctx.root), changed.name, True, 0.0)


def test_a_guest_that_does_not_let_go_keeps_its_disk(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, more: DiskSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The boot sector knows nothing of hotplug."""
    monkeypatch.setattr(hotplug, "OBEY_LIMIT", 0.3)
    kvm.start(ctx, guest_instance, False)
    kvm.hotplug(ctx, guest_instance, "add", more, None)
    with pytest.raises(HypervisorError, match="did not let go"):
        kvm.hotplug(ctx, guest_instance, "remove", more, None)
    assert more.path in inside(ctx, guest_instance.name)


@pytest.mark.needs_root
def test_a_guest_with_a_nic_is_on_its_bridge_and_leaves_it(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    instance = replace(guest_instance, nics=(nic,))
    kvm.start(ctx, instance, False)
    assert len(on_bridge(nic)) == 1
    assert nic.mac in macs(ctx, instance.name)
    kvm.stop(ctx, instance.name, True, 0.0)
    assert on_bridge(nic) == []


@pytest.mark.needs_root
def test_a_failed_start_leaves_no_tap_device(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    bad = {**guest_instance.hvparams, "kvm_extra": "-no-such-option"}
    with pytest.raises(HypervisorError, match="no-such-option"):
        kvm.start(ctx, replace(guest_instance, nics=(nic,), hvparams=bad), False)
    assert on_bridge(nic) == []


@pytest.mark.needs_root
def test_a_nic_can_be_added(
    kvm: KvmHypervisor, ctx: HookContext, guest_instance: InstanceSpec, nic: NicSpec
) -> None:
    kvm.start(ctx, guest_instance, False)
    kvm.hotplug(ctx, guest_instance, "add", None, nic)
    assert len(on_bridge(nic)) == 1
    assert nic.mac in macs(ctx, guest_instance.name)
