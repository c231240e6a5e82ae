"""Listings and verifications that lock little look at one version of the configuration."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.locking import Level
from ganeti_core.model import Cluster, Disk, Instance, Node, NodeGroup
from ganeti_core.opcodes.group import GroupVerifyDisks
from ganeti_core.operations.cluster.verify_disks import VerifyGroup
from ganeti_core.operations.node.storage_units import _owners
from ganeti_core.plugins import PluginHost


def configuration(*instances: Instance) -> Snapshot:
    """Two groups with a node each, and these instances, with a disk each."""
    groups = {name: NodeGroup(uuid=name, name=name) for name in ("near", "far")}
    nodes = {f"{name}1": Node(uuid=f"{name}1", name=f"{name}1.example.com", group=name,
                              primary_ip="192.0.2.1") for name in groups}
    return Snapshot(objects={
        "cluster": {"c": Cluster(uuid="c", name="c.example.com", master_node="near1",
                                 master_ip="192.0.2.9")},
        "nodegroup": groups, "node": nodes,
        "instance": {one.uuid: one for one in instances},
        "disk": {uuid: Disk(uuid=uuid, template="file", size=1, nodes=(one.primary_node,))
                 for one in instances for uuid in one.disks},
    }, names={"nodegroup": {name: name for name in groups}})


def instance(name: str, node: str, **more: Any) -> Instance:
    return Instance(uuid=name, name=name, primary_node=node, hypervisor="fake",
                    disks=(f"disk-of-{name}",), **more)


def test_disks_of_a_group_wait_for_no_job_on_an_instance_of_another_one() -> None:
    snapshot = configuration(
        instance("web", "near1", disks_active=True), instance("off", "near1"),
        instance("away", "far1", disks_active=True))
    wants = VerifyGroup().locks(GroupVerifyDisks(group_name="near"), snapshot).wants
    assert [(want.name, want.exclusive) for want in wants if want.level is Level.INSTANCE] == [
        ("web", False)]


def test_an_instance_that_is_removed_meanwhile_still_owns_its_volumes() -> None:
    class Context:
        """Each look at the newest configuration finds one instance less."""

        host = PluginHost()
        on_master = SimpleNamespace(call=lambda *_, disk: disk.uuid)
        left = [configuration(), configuration(instance("web", "near1"))]

        @property
        def current(self) -> Snapshot:
            return self.left.pop() if len(self.left) > 1 else self.left[0]

    assert _owners(Context(), ("file",)) == {  # type: ignore[arg-type]
        ("near1", "file", "disk-of-web"): "web"}
