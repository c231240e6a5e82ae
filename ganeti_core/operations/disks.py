"""Plan disks and check what they need; `disk_work` makes and uses them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, ECODE_NOTUNIQUE, ECODE_STATE, OpPrereqError
from ganeti_core.model.names import parameter_names
from ganeti_core.model.params import filled_ndparams
from ganeti_core.operations.parameters import check_parameter_value
from ganeti_core.operations.pools import draw
from ganeti_core.plugin_api.disk import (
    ADOPTION,
    DISK_TEMPLATES,
    EXCLUSIVE_STORAGE,
    NO_DISKS,
    SHARED,
)
from ganeti_core.specs.disks import Layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.plugin_api.data import DiskRequest


def check_options(ctx: OpContext, template: str, options: Mapping[str, Any]) -> None:
    """Check what is asked of one disk beyond size, mode, name and spindles.

    :raises OpPrereqError: the template does not know it, or the value is wrong (`ECODE_INVAL`)
    """
    if "adopt" in options and not has_capability(ctx, template, ADOPTION):
        raise OpPrereqError(
            f"Disk adoption is not supported for the '{template}' disk template", ECODE_INVAL)
    parameter_names("a disk", options)
    for name, value in options.items():
        check_parameter_value(f"disk parameter '{name}'", value)
    ctx.host.check_parameters(DISK_TEMPLATES, template, options)


def check_spindles(ctx: OpContext, spindles: int | None, nodes: Sequence[Node]) -> None:
    """:raises OpPrereqError: they are given, and none of the nodes counts them (`ECODE_INVAL`)"""
    if spindles is not None and not _exclusive(ctx, nodes):
        raise OpPrereqError("Spindles in instance disks cannot be specified when exclusive "
                            "storage is not active", ECODE_INVAL)


def _check_exclusive(
    ctx: OpContext, template: str, spindles: int | None, nodes: Sequence[Node]
) -> None:
    """See that a disk can be on nodes where each has spindles for itself.

    :raises OpPrereqError: its template cannot give it any (`ECODE_STATE`), or none are asked for
        (`ECODE_INVAL`)
    """
    check_spindles(ctx, spindles, nodes)
    if spindles is not None or not _exclusive(ctx, nodes):
        return
    if not has_capability(ctx, template, EXCLUSIVE_STORAGE):
        raise OpPrereqError(
            f"Disk template {template} not supported with exclusive storage", ECODE_STATE)
    raise OpPrereqError("You must specify spindles in instance disks when exclusive storage is "
                        "active", ECODE_INVAL)


def _exclusive(ctx: OpContext, nodes: Sequence[Node]) -> bool:
    cluster, groups = ctx.snapshot.cluster, ctx.snapshot.groups
    return any(filled_ndparams(cluster, groups.get(node.group), node)["exclusive_storage"]
               for node in nodes)


def check_disk_names(names: Iterable[str | None]) -> None:
    """:raises OpPrereqError: two disks of an instance have one name (`ECODE_NOTUNIQUE`)"""
    counted = Counter(name for name in names if name)
    for name, count in counted.items():
        if count > 1:
            raise OpPrereqError(f"Duplicate disk names found: {name}", ECODE_NOTUNIQUE)


def plan_disk(
    ctx: OpContext, template: str, asked: DiskRequest, nodes: Sequence[Node], instance: str
) -> Disk:
    """Let the template plan a disk of the instance with this uuid, and draw what it needs.

    :raises OpPrereqError: the request's options make no sense to the template, or a pool is empty
    """
    def grant(below: str, request: DiskRequest) -> dict[str, Any]:
        check_options(ctx, below, request.options)
        _check_exclusive(ctx, below, request.spindles, nodes)
        return draw(ctx, ctx.host.describe(DISK_TEMPLATES, below).pools, nodes)

    layout = Layout(ctx.current, ctx.on_master, ctx.settings, nodes, grant)
    return replace(layout.plan(template, asked), instance=instance)


def with_partner(ctx: OpContext, disk: Disk, old: Node, new: Node) -> Disk:
    """The disk, and those that it lies on, with its copy on another node.

    What is unique on a node is drawn for the new one.
    """
    nodes = tuple(new.uuid if uuid == old.uuid else uuid for uuid in disk.nodes)
    granted = dict(disk.granted)
    if minors := granted.get("minor"):
        drawn = draw(ctx, {"minor"}, [new])["minor"] if new.uuid != old.uuid else minors
        granted["minor"] = {uuid: minors.get(uuid, drawn.get(uuid)) for uuid in nodes}
    stale = tuple(uuid for uuid in disk.stale if uuid != old.uuid)
    return replace(disk, nodes=nodes, granted=granted, stale=stale, children=tuple(
        with_partner(ctx, child, old, new) for child in disk.children))


def on_nodes(ctx: OpContext, disk: Disk, nodes: Sequence[Node]) -> Disk:
    """The disk, and those that it lies on, as they are when they are made anew on these nodes."""
    granted = dict(disk.granted)
    if "minor" in granted:
        granted |= draw(ctx, {"minor"}, nodes)
    return replace(disk, nodes=tuple(node.uuid for node in nodes), granted=granted,
                   children=tuple(on_nodes(ctx, child, nodes) for child in disk.children))


def sized_as(disk: Disk, planned: Disk) -> Disk:
    """The disk, and those that it lies on, with the sizes of one that was planned like it."""
    return replace(disk, size=planned.size, spindles=planned.spindles, children=tuple(
        sized_as(child, other)
        for child, other in zip(disk.children, planned.children, strict=True)))


def check_template(ctx: OpContext, template: str) -> None:
    """:raises OpPrereqError: unknown, or not enabled on this cluster (`ECODE_INVAL`)"""
    ctx.host.describe(DISK_TEMPLATES, template)
    enabled = ctx.snapshot.cluster.enabled_disk_templates
    if template not in enabled:
        raise OpPrereqError(
            f"Disk template '{template}' is not enabled in cluster. Enabled disk templates are: "
            f"{','.join(enabled)}", ECODE_INVAL)


def template_without_disks(ctx: OpContext) -> str:
    """The disk template of instances for which none was named, which have no disks then.

    :raises OpPrereqError: no driver is for instances without disks (`ECODE_INVAL`)
    """
    enabled = ctx.snapshot.cluster.enabled_disk_templates
    names = dict.fromkeys((*ctx.host.preferred(DISK_TEMPLATES), *ctx.host.names(DISK_TEMPLATES)))
    found = [name for name in names
             if NO_DISKS in ctx.host.describe(DISK_TEMPLATES, name).capabilities]
    if not found:
        raise OpPrereqError("No disk template was named, and there is none for instances without "
                            f"disks (there are: {', '.join(names) or 'none'})", ECODE_INVAL)
    return next((name for name in found if name in enabled), found[0])


def moved_disks(ctx: OpContext, moved: Instance) -> list[Put]:
    """The disks of an instance as they are after it has moved: held by its new nodes."""
    nodes = (moved.primary_node, *moved.secondary_nodes)
    return [Put(replace(disk, nodes=nodes)) for disk in ctx.current.disks_of(moved)
            if disk.nodes != nodes]


def is_shared(ctx: OpContext, template: str) -> bool:
    """Whether every node sees the disks of this template."""
    return has_capability(ctx, template, SHARED)


def has_capability(ctx: OpContext, template: str, capability: str) -> bool:
    """Whether a disk template promises something."""
    return capability in ctx.host.describe(DISK_TEMPLATES, template).capabilities
