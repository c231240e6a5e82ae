"""Disks of a new instance that are made of what is on its node already, with its data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, ECODE_NOTUNIQUE, OpPrereqError
from ganeti_core.operations.detached_disks import detached_disks, shown
from ganeti_core.operations.disks import has_capability, is_shared
from ganeti_core.operations.specs import disk_spec_of, disks_of
from ganeti_core.plugin_api.disk import ADOPTED_ONLY, ADOPTION, DISK_TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ganeti_core.model import Disk, Node
    from ganeti_core.opcodes.instance import InstanceCreate
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest, DiskSpec

OPTION = "adopt"
"""Of a disk: what it is made of."""


def check_adoption(
    op: InstanceCreate, ctx: OpContext, template: str, requests: Sequence[DiskRequest]
) -> bool:
    """Return whether the disks are to be adopted.

    :raises OpPrereqError: only some of them, none where the template makes no others, or that does
        not go with the rest of what is asked (`ECODE_INVAL`)
    """
    adopting = [OPTION in asked.options for asked in requests]
    if not any(adopting):
        if requests and has_capability(ctx, template, ADOPTED_ONLY):
            raise OpPrereqError(
                f"The disk template '{template}' makes no disks: name for each what it is to adopt"
                f" (--disk 0:{OPTION}=...)", ECODE_INVAL)
        return False
    if not all(adopting):
        raise OpPrereqError("Either all disks are adopted or none is", ECODE_INVAL)
    if not has_capability(ctx, template, ADOPTION):
        raise OpPrereqError(
            f"Disk adoption is not supported for the '{template}' disk template", ECODE_INVAL)
    if not op.pnode:
        raise OpPrereqError("Disk adoption not allowed with an iallocator script", ECODE_INVAL)
    if op.mode == "import":
        raise OpPrereqError("Disk adoption not allowed for instance import", ECODE_INVAL)
    if op.forthcoming:
        raise OpPrereqError("Disk adoption not allowed for forthcoming instances", ECODE_INVAL)
    return True


def is_adopting(disk: Disk | DiskSpec) -> bool:
    """Whether a disk that is not made yet is to be made of what is there."""
    return OPTION in disk.params


def as_found(ctx: OpContext, disks: Sequence[Disk], name: str, node: Node) -> tuple[Disk, ...]:
    """Return the disks with the sizes of what they adopt.

    :param name: of the instance
    :raises OpPrereqError: something is not there, is used, or belongs to an instance
    """
    specs = [disk_spec_of(ctx, disk, index, name) for index, disk in enumerate(disks)]
    _check_free(ctx, specs, node)
    return tuple(replace(disk, size=ctx.hook(
        node, DISK_TEMPLATES, disk.template, "adoptable", disk=spec.on(node.uuid)))
        for disk, spec in zip(disks, specs, strict=True))


def settled(disk: Disk) -> Disk:
    """Return an adopted disk as it is kept: that it was something else once is over."""
    return replace(disk, params={
        name: value for name, value in disk.params.items() if name != OPTION})


def _check_free(ctx: OpContext, specs: Sequence[DiskSpec], node: Node) -> None:
    """See that nothing is adopted twice, or taken from another instance.

    :raises OpPrereqError: it would be (`ECODE_INVAL`, `ECODE_NOTUNIQUE`)
    """
    asked = [(spec.template, ctx.on_master.call(
        DISK_TEMPLATES, spec.template, "adopts", disk=spec)) for spec in specs]
    if len(set(asked)) < len(asked):
        raise OpPrereqError("Duplicate volume names given for adoption", ECODE_INVAL)
    # Before instances are looked at: what another job adopts belongs to one as soon as it ends.
    for template, adopted in asked:
        _set_aside(ctx, template, adopted, node)
    for user, disk in _near(ctx, node):
        for part in disk.tree():
            if part.template not in dict(asked):
                continue
            owned = (part.template, ctx.on_master.call(
                DISK_TEMPLATES, part.template, "identity", disk=part))
            if owned in asked:
                raise OpPrereqError(f"LV named {owned[1]} used by {user}", ECODE_NOTUNIQUE)


def _near(ctx: OpContext, node: Node) -> Iterator[tuple[str, DiskSpec]]:
    """Yield the disks that a node may see, each after whose it is, for people."""
    snapshot = ctx.current
    for instance in snapshot.instances.values():
        nodes = instance.primary_node, *instance.secondary_nodes
        if node.uuid in nodes or is_shared(ctx, instance.disk_template):
            for spec in disks_of(ctx, instance):
                yield f"another instance ({instance.name})", spec
    for disk in detached_disks(snapshot):
        if node.uuid in disk.nodes or is_shared(ctx, disk.template):
            yield f"the detached disk {shown(disk)}", disk_spec_of(ctx, disk, 0, "")


def _set_aside(ctx: OpContext, template: str, adopted: str, node: Node) -> None:
    """:raises OpPrereqError: another job adopts the same (`ECODE_NOTUNIQUE`)"""
    where = "" if is_shared(ctx, template) else node.uuid
    try:
        ctx.services.reservations.reserve(f"adopted:{template}:{where}", adopted, ctx.owner)
    except OpPrereqError as exc:
        raise OpPrereqError(
            f"LV named {adopted} is being adopted by another job", ECODE_NOTUNIQUE) from exc
