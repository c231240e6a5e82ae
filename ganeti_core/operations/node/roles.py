"""What a node may not stop being while the cluster needs it so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_STATE, OpPrereqError

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node


def check_vm_capable(snapshot: Snapshot, node: Node) -> None:
    """:raises OpPrereqError: instances are on the node, so it must be able to have them"""
    names = sorted(instance.name for instance in snapshot.instances.values()
                   if node.uuid in (instance.primary_node, *instance.secondary_nodes))
    if names:
        raise OpPrereqError(
            f"Node {node.name} hosts instances ({', '.join(names)}), cannot unset the vm_capable "
            "flag: gnt-node evacuate moves them", ECODE_STATE)
