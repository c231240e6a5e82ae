"""Disks that belong to no instance: taken from one with their data, and given to one again.

Such a disk stays in the configuration, closed, with what it was granted and where it lies. Nothing
but another attachment reaches it: whoever no longer wants it attaches it, and removes it then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, ECODE_NOENT, ECODE_STATE, OpExecError, OpPrereqError
from ganeti_core.operations.disks import is_shared
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, NO_DISKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext


def detached_disks(snapshot: Snapshot) -> list[Disk]:
    """Return the disks that belong to no instance."""
    return [disk for disk in snapshot.disks.values() if not disk.instance]


def shown(disk: Disk) -> str:
    """Return how a disk is called where it has no place among others."""
    return f"'{disk.name}' ({disk.uuid})" if disk.name else disk.uuid


def attached(
    ctx: OpContext, instance: Instance, nodes: Sequence[Node], asked: Mapping[str, Any]
) -> Disk:
    """Return a detached disk as the instance will have it; no other job can have it meanwhile.

    :param nodes: of the instance, the primary node first
    :param asked: ``uuid`` or ``name`` of the disk, as Ganeti takes them
    :raises OpPrereqError: there is no such disk, or it does not fit the instance
    :raises OpExecError: it is to be used on another node first
    """
    disk = _found(ctx, asked)
    template = instance.disk_template
    if disk.template != template and not takes_any(ctx, instance):
        raise OpPrereqError(f"Instance has '{template}' template while disk has '{disk.template}'"
                            " template", ECODE_INVAL)
    own = tuple(node.uuid for node in nodes)
    if is_shared(ctx, disk.template):
        return replace(disk, instance=instance.uuid, nodes=own)
    if not set(own) <= set(disk.nodes):
        raise OpPrereqError(
            f"Disk nodes are {_names(ctx, disk.nodes)} while the instance's nodes are "
            f"{_names(ctx, own)}", ECODE_INVAL)
    first = ctx.snapshot.nodes[disk.nodes[0]]
    if first.uuid != own[0] and not first.offline:
        raise OpExecError(f"The disks' primary node is {first.name} whereas the instance's primary "
                          f"node is {_names(ctx, own[:1])}.")
    # A copy that misses something has a mark, and is refused when it is opened.
    return replace(disk, instance=instance.uuid, nodes=tuple(dict.fromkeys((*own, *disk.nodes))))


def takes_any(ctx: OpContext, instance: Instance) -> bool:
    """Whether an instance gets the template of the disks that it is given: it has none so far."""
    return not instance.disks or NO_DISKS in ctx.host.describe(
        DISK_TEMPLATES, instance.disk_template).capabilities


def set_aside(ctx: OpContext, disk: Disk) -> None:
    """Let no other job attach a disk until this one has ended: it may still have to close it.

    :raises OpPrereqError: another job detaches or attaches it (`ECODE_NOTUNIQUE`)
    """
    ctx.services.reservations.reserve("detached disk", disk.uuid, ctx.owner)


def lost_with(ctx: OpContext, node: Node) -> list[Disk]:
    """Return the detached disks that are lost with a node that is removed.

    :raises OpPrereqError: one can still be used, there or elsewhere (`ECODE_STATE`)
    """
    lost = [disk for disk in detached_disks(ctx.snapshot) if node.uuid in disk.nodes]
    for disk in lost:
        if not node.offline or len(disk.nodes) > 1 or is_shared(ctx, disk.template):
            raise OpPrereqError(
                f"The disk {shown(disk)} lies on the node and belongs to no instance: attach it"
                " to one (gnt-instance modify --disk attach:uuid=...), and move or remove it",
                ECODE_STATE)
    return lost


def _found(ctx: OpContext, asked: Mapping[str, Any]) -> Disk:
    if len(asked) != 1 or not asked.keys() <= {"name", "uuid"}:
        raise OpPrereqError("Only one argument is permitted in attach op, either name or uuid",
                            ECODE_INVAL)
    ((key, wanted),) = asked.items()
    found = [disk for disk in ctx.snapshot.disks.values() if getattr(disk, key) == wanted]
    free = [disk for disk in found if not disk.instance]
    if not found:
        called = "UUID" if key == "uuid" else "name"
        raise OpPrereqError(f"No disk was found with this {called}: {wanted}", ECODE_NOENT)
    if not free:
        owner = ctx.snapshot.instances[found[0].instance].name
        raise OpPrereqError(f"The disk {shown(found[0])} belongs to the instance {owner}: detach it"
                            " there first", ECODE_STATE)
    if len(free) > 1:
        raise OpPrereqError(f"Several detached disks are called '{wanted}': name one by its uuid "
                            f"({', '.join(disk.uuid for disk in free)})", ECODE_INVAL)
    set_aside(ctx, free[0])
    now = ctx.current.disks.get(free[0].uuid)
    if now is None or now.instance:
        raise OpPrereqError(f"The disk {shown(free[0])} has just been attached to another instance",
                            ECODE_STATE)
    return now


def _names(ctx: OpContext, nodes: Sequence[str]) -> str:
    return ", ".join(ctx.snapshot.nodes[uuid].name for uuid in nodes)
