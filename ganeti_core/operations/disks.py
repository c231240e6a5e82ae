"""Steps with disks that several operations share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, ECODE_NORES, OpPrereqError
from ganeti_core.model import Disk, fill
from ganeti_core.operations.specs import node_ref, with_paths
from ganeti_core.plugin_api.disk import DISK_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest, DiskSpec
    from ganeti_core.rpc.calls import Call


def open_disks(
    ctx: OpContext, node: Node, subject: str, disks: Sequence[DiskSpec], *, exclusive: bool = True
) -> list[DiskSpec]:
    """Open disks on a node; answers them with their paths.

    :raises GanetiError: one could not be opened
    """
    paths = [str(ctx.hook(node, DISK_TEMPLATES, disk.template, "open", subject=subject, disk=disk,
                          exclusive=exclusive))
             for disk in disks]
    return with_paths(disks, paths)


def close_calls(
    ctx: OpContext, node: Node, subject: str, disks: Sequence[DiskSpec]
) -> list[tuple[Node, Call, str]]:
    """The calls that close disks on a node, as forward or undo steps."""
    return [(node, ctx.hook_call(DISK_TEMPLATES, disk.template, "close", subject=subject,
                                 disk=disk),
             f"close disk {disk.index} of {disk.instance}") for disk in disks]


def remove_calls(
    ctx: OpContext, node: Node, subject: str, disks: Sequence[DiskSpec]
) -> list[tuple[Node, Call, str]]:
    """The calls that remove disks from a node, as forward or undo steps."""
    return [(node, ctx.hook_call(DISK_TEMPLATES, disk.template, "remove", subject=subject,
                                 disk=disk),
             f"remove disk {disk.index} of {disk.instance}") for disk in disks]


def check_space(ctx: OpContext, node: Node, template: str, needed: int) -> None:
    """See that a node has room for disks of a template, beside what running jobs have set aside.

    :param needed: MiB
    :raises OpPrereqError: it has not (`ECODE_NORES`)
    """
    spaces = ctx.hook(node, DISK_TEMPLATES, template, "space")
    if not spaces:
        return  # its storage cannot say
    held = ctx.services.reservations.held_on(node.uuid, ctx.owner).disk
    free = max(space.free for space in spaces) - held
    if free < needed:
        raise OpPrereqError(
            f"Not enough disk space on target node {node.name}: required {needed} MiB, "
            f"available {free} MiB", ECODE_NORES)


def plan_disk(
    ctx: OpContext, template: str, asked: DiskRequest, nodes: Sequence[Node], instance: str
) -> Disk:
    """Let the template plan a disk of the instance with this uuid.

    It sees its filled parameters; what its answer has beyond them is the disk's own.

    :raises OpPrereqError: the request's options make no sense to the template
    """
    group = ctx.snapshot.groups.get(nodes[0].group)
    filled = fill(
        ctx.host.defaults(DISK_TEMPLATES, template),
        ctx.snapshot.cluster.diskparams.get(template, {}),
        group.diskparams.get(template, {}) if group else {})
    planned = ctx.host.driver(DISK_TEMPLATES, template).layout(
        request=replace(asked, params=filled), nodes=tuple(node_ref(node) for node in nodes),
        granted={}, settings=ctx.settings).disk
    own = {name: value for name, value in planned.params.items()
           if name not in filled or filled[name] != value}
    return Disk(
        uuid=planned.uuid, template=planned.template, size=planned.size,
        logical_id=planned.logical_id, mode=planned.mode, name=planned.name, params=own,
        spindles=planned.spindles, nodes=tuple(node.uuid for node in nodes), instance=instance)


def check_template(ctx: OpContext, template: str) -> None:
    """:raises OpPrereqError: unknown, or not enabled on this cluster (`ECODE_INVAL`)"""
    ctx.host.describe(DISK_TEMPLATES, template)
    enabled = ctx.snapshot.cluster.enabled_disk_templates
    if template not in enabled:
        raise OpPrereqError(
            f"Disk template '{template}' is not enabled in cluster. Enabled disk templates are: "
            f"{','.join(enabled)}", ECODE_INVAL)


def moved_disks(ctx: OpContext, moved: Instance) -> list[Put]:
    """The disks of an instance as they are after it has moved: held by its new nodes."""
    nodes = (moved.primary_node, *moved.secondary_nodes)
    return [Put(replace(disk, nodes=nodes)) for disk in ctx.current.disks_of(moved)
            if disk.nodes != nodes]


def is_shared(ctx: OpContext, template: str) -> bool:
    """Whether every node sees the disks of this template."""
    return "shared" in ctx.host.describe(DISK_TEMPLATES, template).capabilities
