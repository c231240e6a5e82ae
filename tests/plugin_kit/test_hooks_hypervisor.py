"""Each hook of a hypervisor does on a node what its contract says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from on_a_node import OnANode

from ganeti_core.errors import NotSupported
from ganeti_core.plugin_api import (
    Description,
    DiskSpec,
    HookContext,
    HypervisorError,
    InstanceSpec,
    NicSpec,
    NodeRef,
    OpPrereqError,
    hookimpl,
)
from ganeti_core.plugin_api.data import (
    MigrationOffer,
    MigrationTarget,
    MirrorStatus,
    PluggedDevice,
)
from ganeti_core.plugin_api.hypervisor import (
    BALLOON,
    DISK_MIRROR,
    DISK_RESIZE,
    HOTPLUG,
    HYPERVISORS,
    LIVE_MIGRATION,
    QUIET,
    USAGE,
)
from ganeti_core.plugin_api.usage import DiskUsage, GuestUsage
from ganeti_plugins.hv_fake import FakeHypervisor

INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="mine",
    beparams={"maxmem": 256, "minmem": 128, "vcpus": 2})
NOBODY = replace(INSTANCE, name="nobody")
NODE = NodeRef("u-2", "node2.example.com", "127.0.0.2")
NIC = NicSpec("n-1", 0, "aa:00:00:00:00:01")
DISK = DiskSpec("d-1", 0, "file", 8)

CAPABILITIES = frozenset({
    LIVE_MIGRATION, HOTPLUG, BALLOON, QUIET, DISK_MIRROR, DISK_RESIZE, USAGE})


class Driver(FakeHypervisor):
    """Takes network cards into running guests, too."""

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "For tests", capabilities=CAPABILITIES)

    @hookimpl
    def rename(self, ctx: HookContext, instance: InstanceSpec, to: InstanceSpec) -> None:
        if (ctx.keep / instance.name).exists():
            (ctx.keep / instance.name).rename(ctx.keep / to.name)

    @hookimpl
    def lasting_state(self, ctx: HookContext, instance: InstanceSpec) -> str:
        path = ctx.keep / f"{instance.name}.state"
        return path.read_text() if path.exists() else ""

    @hookimpl
    def set_lasting_state(self, ctx: HookContext, instance: InstanceSpec, state: str) -> None:
        ctx.keep.mkdir(parents=True, exist_ok=True)
        (ctx.keep / f"{instance.name}.state").write_text(state)

    @hookimpl
    def plug_disk(
        self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec
    ) -> PluggedDevice:
        return self._plug(ctx, instance, disk)

    @hookimpl
    def unplug_disk(self, ctx: HookContext, instance: InstanceSpec, disk: DiskSpec) -> None:
        (ctx.state / disk.uuid).unlink(missing_ok=True)

    @hookimpl
    def plug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        return self._plug(ctx, instance, nic)

    @hookimpl
    def unplug_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> None:
        (ctx.state / nic.uuid).unlink(missing_ok=True)

    @hookimpl
    def modify_nic(self, ctx: HookContext, instance: InstanceSpec, nic: NicSpec) -> PluggedDevice:
        if not (ctx.state / nic.uuid).exists():
            raise HypervisorError(f"{instance.name} has no such card")
        return PluggedDevice("toy", nic.mac)

    @hookimpl
    def usage(self, ctx: HookContext) -> list[GuestUsage]:
        return [GuestUsage(one.name, one.uuid, one.cpu_time, float(one.memory),
                           (DiskUsage(0, 1, 512, 2, 1024),)) for one in self.running(ctx)]

    def _plug(
        self, ctx: HookContext, instance: InstanceSpec, device: DiskSpec | NicSpec
    ) -> PluggedDevice:
        if self.info(ctx, instance) is None:
            raise HypervisorError(f"{instance.name} does not run: cannot take {device}")
        (ctx.state / device.uuid).touch()
        return PluggedDevice("toy", "1")


@pytest.fixture
def node(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path / "node1", HYPERVISORS, Driver())


@pytest.fixture
def other(tmp_path: Path) -> OnANode:
    return OnANode.with_driver(tmp_path / "node2", HYPERVISORS, Driver())


@pytest.fixture
def started(node: OnANode) -> OnANode:
    node.call("start", instance=INSTANCE, paused=False)
    return node


def names(node: OnANode) -> list[str]:
    return [guest.name for guest in node.call("running")]


def test_hook_hypervisor_describe(node: OnANode) -> None:
    assert node.call("describe").capabilities == CAPABILITIES


def test_hook_hypervisor_validate(node: OnANode) -> None:
    node.call("validate", params={"migration_mode": "live"})
    with pytest.raises(OpPrereqError, match="migration_mode"):
        node.call("validate", params={"migration_mode": "sideways"})


def test_hook_hypervisor_verify(node: OnANode) -> None:
    assert node.call("verify") == []


def test_hook_hypervisor_host_facts(node: OnANode) -> None:
    assert node.call("host_facts").memory_total > 0


def test_hook_hypervisor_running(started: OnANode) -> None:
    assert names(started) == [INSTANCE.name]


def test_hook_hypervisor_info(started: OnANode) -> None:
    assert started.call("info", instance=INSTANCE).memory == 256
    assert started.call("info", instance=NOBODY) is None


def test_hook_hypervisor_start(node: OnANode) -> None:
    node.call("start", instance=INSTANCE, paused=True)
    assert node.call("info", instance=INSTANCE).state == "paused"


def test_hook_hypervisor_stop(started: OnANode) -> None:
    for _ in range(2):
        started.call("stop", instance=INSTANCE, force=True, timeout=0.0)
    assert names(started) == []


def test_hook_hypervisor_reboot(started: OnANode) -> None:
    started.call("reboot", instance=INSTANCE)
    assert names(started) == [INSTANCE.name]


def test_hook_hypervisor_console(started: OnANode) -> None:
    assert started.call("console", instance=INSTANCE, node=NODE).message


def test_hook_hypervisor_lasting_state(node: OnANode) -> None:
    assert node.call("lasting_state", instance=INSTANCE) == ""


def test_hook_hypervisor_set_lasting_state(node: OnANode) -> None:
    for state in ("boot entries", ""):
        node.call("set_lasting_state", instance=INSTANCE, state=state)
        assert node.call("lasting_state", instance=INSTANCE) == state


def held(node: OnANode) -> list[bool]:
    state = node.world.local.paths.plugin_state / "hypervisors/mine"
    return [json.loads(path.read_text()).get("is_quiet", False) for path in state.iterdir()]


def test_hook_hypervisor_quiet(started: OnANode) -> None:
    for _ in range(2):
        started.call("quiet", instance=INSTANCE)
    assert held(started) == [True]
    with pytest.raises(HypervisorError):
        started.call("quiet", instance=NOBODY)


def test_hook_hypervisor_resume_writes(started: OnANode) -> None:
    started.call("quiet", instance=INSTANCE)
    for _ in range(2):
        started.call("resume_writes", instance=INSTANCE)
    assert held(started) == [False]
    started.call("resume_writes", instance=NOBODY)


def test_hook_hypervisor_usage(started: OnANode) -> None:
    (found,) = started.call("usage")
    assert (found.name, found.disks) == (INSTANCE.name, (DiskUsage(0, 1, 512, 2, 1024),))


@pytest.fixture
def pair(started: OnANode, tmp_path: Path) -> dict[str, DiskSpec]:
    """What the guest has, and what it is to have."""
    found = {name: replace(DISK, uuid=f"d-{name}", path=str(tmp_path / name))
             for name in ("disk", "onto")}
    for name, disk in found.items():
        Path(disk.path).write_bytes(name.encode())
    return found


def test_hook_hypervisor_mirror_disk(started: OnANode, pair: dict[str, DiskSpec]) -> None:
    for _ in range(2):
        started.call("mirror_disk", instance=INSTANCE, **pair)
    assert Path(pair["onto"].path).read_bytes() == b"disk"
    with pytest.raises(HypervisorError):
        started.call("mirror_disk", instance=NOBODY, **pair)


def test_hook_hypervisor_mirror_status(started: OnANode, pair: dict[str, DiskSpec]) -> None:
    assert started.call("mirror_status", instance=INSTANCE, **pair) == MirrorStatus("none")
    started.call("mirror_disk", instance=INSTANCE, **pair)
    assert started.call("mirror_status", instance=INSTANCE, **pair) == MirrorStatus("synced")


def test_hook_hypervisor_switch_disk(started: OnANode, pair: dict[str, DiskSpec]) -> None:
    started.call("mirror_disk", instance=INSTANCE, **pair)
    for _ in range(2):
        started.call("switch_disk", instance=INSTANCE, **pair)
    assert started.call("mirror_status", instance=INSTANCE, **pair) == MirrorStatus("switched")


def test_hook_hypervisor_end_mirror(started: OnANode, pair: dict[str, DiskSpec]) -> None:
    started.call("mirror_disk", instance=INSTANCE, **pair)
    for _ in range(2):
        started.call("end_mirror", instance=INSTANCE, **pair)
    assert started.call("mirror_status", instance=INSTANCE, **pair) == MirrorStatus("none")
    started.call("switch_disk", instance=INSTANCE, **pair)
    with pytest.raises(HypervisorError, match="where it was copied to"):
        started.call("end_mirror", instance=INSTANCE, **pair)


def test_hook_hypervisor_power_cycle(started: OnANode) -> None:
    assert "reset" in started.call("power_cycle")
    assert names(started) == []


def test_hook_hypervisor_recover(started: OnANode) -> None:
    assert started.call("recover") == []
    assert names(started) == [INSTANCE.name]


def test_hook_hypervisor_migration_offer(started: OnANode) -> None:
    assert started.call("migration_offer", instance=INSTANCE) == MigrationOffer(
        details={"memory": INSTANCE.memory})


def test_hook_hypervisor_migration_prepare(other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE, offer=MigrationOffer())
    assert (target.address, names(other)) == (NODE.address, [])


def test_hook_hypervisor_migrate_out(started: OnANode, other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE, offer=MigrationOffer())
    started.call("migrate_out", instance=INSTANCE, target=target, live=True)
    assert names(started) == []


def test_hook_hypervisor_migration_status(started: OnANode) -> None:
    status = started.call("migration_status", instance=INSTANCE)
    assert (status.state, status.guest) == ("none", "runs")
    assert started.call("migration_status", instance=NOBODY).guest == "none"


def test_hook_hypervisor_migration_switch(started: OnANode, other: OnANode) -> None:
    """This driver lacks it: the core asks only those that say that they can."""
    assert not started.call("migration_status", instance=INSTANCE).can_switch
    with pytest.raises(NotSupported, match="does not offer migration_switch"):
        started.call("migration_switch", instance=INSTANCE)


def test_hook_hypervisor_migration_reopen(started: OnANode) -> None:
    """As before: it makes no halves of guests."""
    assert not started.call("migration_status", instance=INSTANCE).cut
    with pytest.raises(NotSupported, match="does not offer migration_reopen"):
        started.call("migration_reopen", instance=INSTANCE, node=NODE)


def test_hook_hypervisor_migration_resume(started: OnANode) -> None:
    with pytest.raises(NotSupported, match="does not offer migration_resume"):
        started.call("migration_resume", instance=INSTANCE,
                     target=MigrationTarget("127.0.0.1", 1))


def test_hook_hypervisor_migration_abort(started: OnANode, other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE, offer=MigrationOffer())
    started.call("migrate_out", instance=INSTANCE, target=target, live=True)
    started.call("migration_abort", instance=INSTANCE)
    # Too late: the transfer takes no time. The guest stands still until one end is finished.
    assert started.call("migration_status", instance=INSTANCE).guest == "sent"
    assert other.call("migration_status", instance=INSTANCE).guest == "receiving"
    assert names(started) == []
    started.call("migration_finish", instance=INSTANCE, source=True, success=False)
    assert names(started) == [INSTANCE.name]


def test_hook_hypervisor_migration_finish(started: OnANode, other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE, offer=MigrationOffer())
    started.call("migrate_out", instance=INSTANCE, target=target, live=True)
    other.call("migration_finish", instance=INSTANCE, source=False, success=True)
    started.call("migration_finish", instance=INSTANCE, source=True, success=True)
    assert (names(started), names(other)) == ([], [INSTANCE.name])


def plugged(node: OnANode) -> list[str]:
    state = node.world.local.paths.plugin_state / "hypervisors/mine"
    return [path.name for path in state.iterdir() if path.name in (NIC.uuid, DISK.uuid)]


def test_hook_hypervisor_plug_disk(started: OnANode) -> None:
    assert started.call("plug_disk", instance=INSTANCE, disk=DISK) == PluggedDevice("toy", "1")
    assert plugged(started) == [DISK.uuid]


def test_hook_hypervisor_unplug_disk(started: OnANode) -> None:
    started.call("plug_disk", instance=INSTANCE, disk=DISK)
    for _ in range(2):
        started.call("unplug_disk", instance=INSTANCE, disk=DISK)
    assert plugged(started) == []


def test_hook_hypervisor_plug_nic(node: OnANode) -> None:
    with pytest.raises(HypervisorError, match="does not run"):
        node.call("plug_nic", instance=INSTANCE, nic=NIC)
    node.call("start", instance=INSTANCE, paused=False)
    assert node.call("plug_nic", instance=INSTANCE, nic=NIC).model == "toy"


def test_hook_hypervisor_unplug_nic(started: OnANode) -> None:
    started.call("plug_nic", instance=INSTANCE, nic=NIC)
    for _ in range(2):
        started.call("unplug_nic", instance=INSTANCE, nic=NIC)
    assert plugged(started) == []


def test_hook_hypervisor_modify_nic(started: OnANode) -> None:
    with pytest.raises(HypervisorError, match="no such card"):
        started.call("modify_nic", instance=INSTANCE, nic=NIC)
    started.call("plug_nic", instance=INSTANCE, nic=NIC)
    other = replace(NIC, mac="aa:00:00:00:00:02")
    assert started.call("modify_nic", instance=INSTANCE, nic=other).address == other.mac


def test_hook_hypervisor_resize_disk(node: OnANode) -> None:
    with pytest.raises(HypervisorError, match="does not run"):
        node.call("resize_disk", instance=INSTANCE, disk=DISK)
    node.call("start", instance=INSTANCE, paused=False)
    for _ in range(2):
        node.call("resize_disk", instance=INSTANCE, disk=replace(DISK, size=9))
    (guest,) = node.world.local.paths.plugin_state.rglob(f"{INSTANCE.name}.guest")
    assert json.loads(guest.read_text())["grown"] == {DISK.uuid: 9}


def test_hook_hypervisor_set_memory(started: OnANode) -> None:
    for _ in range(2):
        started.call("set_memory", instance=INSTANCE, memory=128)
    assert started.call("info", instance=INSTANCE).memory == 128


def test_hook_hypervisor_rename(node: OnANode) -> None:
    node.call("rename", instance=INSTANCE, to=NOBODY)
    keep = node.world.local.paths.data / "plugins/hypervisors/mine"
    (keep / INSTANCE.name).touch()
    for _ in range(2):
        node.call("rename", instance=INSTANCE, to=NOBODY)
    assert [path.name for path in keep.iterdir()] == [NOBODY.name]
