"""Another disk template without copying on the primary node: what lies there stays where it is.

The old device becomes a child of the new disk, or the new disk is a child of the old one. Whether
one can be is for the template that has children to say (`plugin_api.disk.WrapSpec`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.operations.disk_work import carry_out, close_calls, owed_calls, plan_verb
from ganeti_core.operations.disks import has_capability
from ganeti_core.operations.instance.syncing import wait_for_sync
from ganeti_core.operations.left_behind import ask_copies
from ganeti_core.operations.specs import disk_spec_of, disks_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, WRAPS
from ganeti_core.query.live import DiskQuestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec


def around(
    ctx: OpContext, instance: Instance, new: Sequence[Disk], old: Sequence[Disk]
) -> tuple[Disk, ...] | None:
    """Return the new disks with the old ones as children; None where they cannot be."""
    made = []
    for index, (disk, device) in enumerate(zip(new, old, strict=True)):
        at = _place(ctx, instance, index, disk, device)
        if at is None:
            return None
        child = replace(device, nodes=disk.nodes, instance="", name=None)
        made.append(replace(disk, children=(
            *disk.children[:at], child, *disk.children[at + 1:])))
    return tuple(made)


def within(
    ctx: OpContext, instance: Instance, new: Sequence[Disk], old: Sequence[Disk]
) -> tuple[Disk, ...] | None:
    """Return children of the old disks in the place of the new ones; None where none can be."""
    made = []
    for index, (disk, device) in enumerate(zip(new, old, strict=True)):
        at = _place(ctx, instance, index, device, disk)
        if at is None:
            return None
        made.append(replace(
            device.children[at], nodes=disk.nodes, instance=instance.uuid, name=disk.name,
            mode=disk.mode))
    return tuple(made)


def _place(
    ctx: OpContext, instance: Instance, index: int, disk: Disk, device: Disk
) -> int | None:
    """Which of the disk's children the device could be."""
    if not has_capability(ctx, disk.template, WRAPS):
        return None
    spec, part = (disk_spec_of(ctx, one, index, instance.name) for one in (disk, device))
    at: int | None = ctx.on_master.call(
        DISK_TEMPLATES, disk.template, "around", disk=spec, device=part)
    return at if at is not None and 0 <= at < len(disk.children) else None


def besides(disk: DiskSpec, old: Sequence[Disk]) -> DiskSpec:
    """The new disk without what is there already: what has to be made of it on its first node."""
    there = {one.uuid for one in old}
    return replace(disk, children=tuple(
        child for child in disk.children if child.uuid not in there))


def wrap_disks(
    ctx: OpContext, instance: Instance, nodes: Sequence[Node], new: Sequence[DiskSpec], *,
    wait: bool,
) -> list[Owed]:
    """Make the new disks around the old ones and begin to fill the other nodes' copies.

    :param nodes: the primary node, then those of the copies
    :param wait: for them to be filled
    :returns: what is to be done after the commit
    """
    ctx.feedback(f"The data on node {nodes[0].name} stay where they are")
    steps = plan_verb(ctx, "wrap", new, nodes) + plan_verb(ctx, "open", new, nodes)
    carry_out(ctx, instance.uuid, steps)
    if wait:
        wait_for_sync(ctx, instance, list(new))
    return close_calls(ctx, nodes, instance.uuid, new)


def unwrap_calls(ctx: OpContext, instance: Instance, nodes: Sequence[Node]) -> list[Owed]:
    """The calls that take the old disks away from around the new ones, after the commit.

    :param nodes: those of the old disks, the primary one first
    :raises OpPrereqError: the data on the primary node are not the newest (`ECODE_STATE`)
    """
    old = disks_of(ctx, instance)
    states = ask_copies(ctx, [DiskQuestion(nodes[0], disk) for disk in old], old)
    for disk in old:
        status = states[nodes[0].uuid, disk.uuid]
        problem = (str(status) if isinstance(status, GanetiError)
                   else "it is missing" if not status.exists
                   else "" if status.local == "ok"
                   else status.reason or f"its data are {status.local}")
        if problem:
            raise OpPrereqError(
                f"Disk {disk.index} of instance {instance.name} cannot be kept as it is on its "
                f"primary node {nodes[0].name}: {problem}; run gnt-instance activate-disks "
                f"--wait-for-sync {instance.name} first", ECODE_STATE)
    return owed_calls(ctx, instance.uuid, plan_verb(ctx, "unwrap", old, nodes))
