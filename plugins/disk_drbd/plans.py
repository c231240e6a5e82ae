"""What each verb does to a disk, as steps on its nodes. Pure."""

from __future__ import annotations

from dataclasses import replace

from ganeti_core.plugin_api import DiskSpec, NodeRef
from ganeti_core.plugin_api.data import JsonDict
from ganeti_core.plugin_api.disk_steps import ChildSteps, DiskStep, Verb, plain_steps


def steps(
    verb: Verb, disk: DiskSpec, nodes: tuple[NodeRef, ...], arguments: JsonDict,
    child_steps: ChildSteps,
) -> list[DiskStep]:
    """Plan a verb; its hooks see to the two volumes of their node themselves."""
    match verb:
        case "create":
            return [DiskStep(node.uuid, "create", _made(disk, node, nodes), undo="remove")
                    for node in reversed(nodes)]
        case "open":
            return _open(disk, nodes)
        case "share":
            return _share(disk, nodes)
        case "promote":
            first = nodes[0].uuid
            return [DiskStep(first, "promote", disk.on(first), dict(arguments), "demote")]
        case "demote":
            return [DiskStep(node.uuid, "demote", disk.on(node.uuid)) for node in nodes]
        case "grow":
            # Both volumes first: the kernel makes the disk as large as the smaller of them.
            below = child_steps("grow", disk.children[0], nodes, arguments)
            return [*below, *(DiskStep(node.uuid, "grow", disk.on(node.uuid), dict(arguments))
                              for node in reversed(nodes))]
        case "wrap":
            return [*(DiskStep(node.uuid, "create", disk.on(node.uuid), undo="remove")
                      for node in nodes[1:]),
                    DiskStep(nodes[0].uuid, "wrap", disk.on(nodes[0].uuid), undo="unwrap")]
        case "unwrap":
            return [*(DiskStep(node.uuid, "remove", disk.on(node.uuid)) for node in nodes[1:]),
                    DiskStep(nodes[0].uuid, "unwrap", disk.on(nodes[0].uuid))]
        case "close" | "remove":
            return [DiskStep(node.uuid, verb, disk.on(node.uuid)) for node in nodes]
        case _:
            # A snapshot, whose hook has the data volume copied: refused where that has none.
            child_steps(verb, disk.children[0], nodes, arguments)
            return plain_steps(verb, disk, nodes, arguments, lambda *_: [])


def _made(disk: DiskSpec, node: NodeRef, nodes: tuple[NodeRef, ...]) -> DiskSpec:
    """The disk as the node that makes its copy sees it.

    Where both are made, the data of the primary node are those that count. Where only one is, it is
    filled from the other, and so is the secondary one whatever the instance's primary node is.
    """
    made = {one.uuid for one in nodes}
    others = tuple(one for one in disk.nodes if one.uuid not in made)
    if not others:
        return disk.on(node.uuid)
    return replace(disk, nodes=(*others, *(
        one for one in disk.nodes if one.uuid in made))).on(node.uuid)


def _open(disk: DiskSpec, nodes: tuple[NodeRef, ...]) -> list[DiskStep]:
    """The copies first, so that the one that writes meets them."""
    first, *copies = nodes
    return [*(DiskStep(node.uuid, "open", disk.on(node.uuid), {"exclusive": True}, "close",
                       required=False) for node in reversed(copies)),
            DiskStep(first.uuid, "open", disk.on(first.uuid), {"exclusive": True}, "close")]


def _share(disk: DiskSpec, nodes: tuple[NodeRef, ...]) -> list[DiskStep]:
    first, second = nodes[:2]
    return [DiskStep(first.uuid, "open", disk.on(first.uuid), {"exclusive": False},
                     "open", {"exclusive": True}),
            DiskStep(second.uuid, "open", disk.on(second.uuid), {"exclusive": False}, "demote")]
