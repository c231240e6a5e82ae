"""Each hook of a hypervisor does on a node what its contract says."""

from __future__ import annotations

from pathlib import Path

import pytest
from on_a_node import OnANode

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
from ganeti_core.plugin_api.hypervisor import HOTPLUG, HYPERVISORS, LIVE_MIGRATION
from ganeti_plugins.hv_fake import FakeHypervisor

INSTANCE = InstanceSpec(
    uuid="c0ffee00-0000-4000-8000-000000000001", name="inst1.example.com", hypervisor="mine",
    beparams={"maxmem": 256, "minmem": 128, "vcpus": 2})
NODE = NodeRef("u-2", "node2.example.com", "127.0.0.2")
NIC = NicSpec("n-1", 0, "aa:00:00:00:00:01")


class Driver(FakeHypervisor):
    """Takes network cards into running guests, too."""

    @hookimpl
    def describe(self) -> Description:
        return Description(0, "For tests", capabilities=frozenset({LIVE_MIGRATION, HOTPLUG}))

    @hookimpl
    def hotplug(
        self, ctx: HookContext, instance: InstanceSpec, action: str, disk: DiskSpec | None,
        nic: NicSpec | None,
    ) -> None:
        if self.info(ctx, instance.name) is None:
            raise HypervisorError(f"{instance.name} does not run: cannot {action} {nic or disk}")


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
    assert node.call("describe").capabilities == {LIVE_MIGRATION, HOTPLUG}


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
    assert started.call("info", name=INSTANCE.name).memory == 256
    assert started.call("info", name="nobody") is None


def test_hook_hypervisor_start(node: OnANode) -> None:
    node.call("start", instance=INSTANCE, paused=True)
    assert node.call("info", name=INSTANCE.name).state == "paused"


def test_hook_hypervisor_stop(started: OnANode) -> None:
    for _ in range(2):
        started.call("stop", name=INSTANCE.name, force=True, timeout=0.0)
    assert names(started) == []


def test_hook_hypervisor_reboot(started: OnANode) -> None:
    started.call("reboot", instance=INSTANCE)
    assert names(started) == [INSTANCE.name]


def test_hook_hypervisor_console(started: OnANode) -> None:
    assert started.call("console", instance=INSTANCE, node=NODE).message


def test_hook_hypervisor_recover(started: OnANode) -> None:
    assert started.call("recover") == []
    assert names(started) == [INSTANCE.name]


def test_hook_hypervisor_migration_prepare(other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE)
    assert (target.address, names(other)) == (NODE.address, [])


def test_hook_hypervisor_migrate_out(started: OnANode, other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE)
    started.call("migrate_out", instance=INSTANCE, target=target, live=True)
    assert names(started) == []


def test_hook_hypervisor_migration_status(started: OnANode) -> None:
    assert started.call("migration_status", name=INSTANCE.name).state == "none"


def test_hook_hypervisor_migration_abort(started: OnANode, other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE)
    started.call("migrate_out", instance=INSTANCE, target=target, live=True)
    started.call("migration_abort", name=INSTANCE.name)
    assert names(started) == [INSTANCE.name]


def test_hook_hypervisor_migration_finish(started: OnANode, other: OnANode) -> None:
    target = other.call("migration_prepare", instance=INSTANCE, node=NODE)
    started.call("migrate_out", instance=INSTANCE, target=target, live=True)
    other.call("migration_finish", instance=INSTANCE, source=False, success=True)
    started.call("migration_finish", instance=INSTANCE, source=True, success=True)
    assert (names(started), names(other)) == ([], [INSTANCE.name])


def test_hook_hypervisor_hotplug(node: OnANode) -> None:
    with pytest.raises(HypervisorError, match="does not run"):
        node.call("hotplug", instance=INSTANCE, action="add", disk=None, nic=NIC)
    node.call("start", instance=INSTANCE, paused=False)
    node.call("hotplug", instance=INSTANCE, action="add", disk=None, nic=NIC)
