"""What each verb does to a disk, as steps on its nodes. Pure."""

from __future__ import annotations

from dataclasses import replace

from ganeti_core.plugin_api import DiskSpec, NodeRef
from ganeti_core.plugin_api.data import JsonDict
from ganeti_core.plugin_api.disk_steps import ChildSteps, DiskStep, Verb


def steps(
    verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict,
    child_steps: ChildSteps,
) -> list[DiskStep]:
    """Plan a verb; its hooks see to the device below on their node themselves."""
    first = nodes[0]
    match verb:
        case "create":
            return [DiskStep(node.uuid, "create", _made(disk, node, nodes), undo="remove")
                    for node in reversed(nodes)]
        case "open":
            return [*(_opened(disk, node, required=False) for node in reversed(nodes[1:])),
                    _opened(disk, first)]
        case "share":
            return [DiskStep(node.uuid, "open", disk.on(node.uuid), {"exclusive": False},
                             undo) for node, undo in zip(nodes, ("", "demote"), strict=False)]
        case "promote":
            return [DiskStep(first.uuid, "promote", disk.on(first.uuid), dict(arguments), "demote")]
        case "grow":
            # The devices below grow with the disk, on each node after it has agreed; their own
            # steps, which find that done, are for the cluster to know their sizes.
            return [*(DiskStep(node.uuid, "grow", disk.on(node.uuid), dict(arguments))
                      for node in reversed(nodes)),
                    *child_steps("grow", disk.children[0], nodes, arguments)]
        case "demote" | "close" | "remove":
            return [DiskStep(node.uuid, verb, disk.on(node.uuid)) for node in nodes]
        case _:
            return []


def _opened(disk: DiskSpec, node: NodeRef, *, required: bool = True) -> DiskStep:
    return DiskStep(node.uuid, "open", disk.on(node.uuid), {"exclusive": True}, "close",
                    required=required)


def _made(disk: DiskSpec, node: NodeRef, nodes: tuple[NodeRef, ...]) -> DiskSpec:
    """The disk as the node that makes its copy sees it.

    Where both are made, the data of the primary node are those that count. Where only one is, it is
    filled from the other, whichever of them is the instance's primary node.
    """
    made = {one.uuid for one in nodes}
    others = tuple(one for one in disk.nodes if one.uuid not in made)
    if not others:
        return disk.on(node.uuid)
    return replace(disk, nodes=(*others, *(
        one for one in disk.nodes if one.uuid in made))).on(node.uuid)
