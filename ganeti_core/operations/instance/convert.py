"""Another disk template for an instance: new disks, filled from the old ones, take their place.

Where one of the two can lie around the other, nothing is copied (`convert_in_place`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.config.reservations import Resources
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, Want
from ganeti_core.model import new_uuid
from ganeti_core.model.params import filled_ipolicy, filled_ndparams
from ganeti_core.operations.disk_copy import copy_disks
from ganeti_core.operations.disk_work import close_calls, make_disks
from ganeti_core.operations.disks import check_options, check_template, has_capability, plan_disk
from ganeti_core.operations.instance.adoption import OPTION
from ganeti_core.operations.instance.convert_in_place import (
    around,
    besides,
    unwrap_calls,
    within,
    wrap_disks,
)
from ganeti_core.operations.instance.hardware import options_beside
from ganeti_core.operations.instance.mirroring import mirror_onto_new, mirrored_on
from ganeti_core.operations.instance.running import open_on
from ganeti_core.operations.instance.stopped import stopped_on
from ganeti_core.operations.instance.syncing import wait_for_sync
from ganeti_core.operations.instance_policy import check_move_policy
from ganeti_core.operations.placement.choose import choose_nodes, default_allocator
from ganeti_core.operations.placement.disk_space import check_space
from ganeti_core.operations.placement.document import SECONDARY, Request
from ganeti_core.operations.placement.nodes import check_target, kept, still_usable
from ganeti_core.operations.placement.retry import retry_for_resources
from ganeti_core.operations.specs import disk_spec_of
from ganeti_core.plugin_api.data import DiskRequest
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, EXCLUSIVE_STORAGE, NO_DISKS
from ganeti_core.specs.storages import space_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.opcodes.instance import InstanceSetParams
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec


@dataclass(frozen=True)
class Conversion:
    """What takes the place of an instance's disks.

    :param nodes: its primary node, then those of the copies
    :param running: the guest runs meanwhile
    """

    template: str
    disks: tuple[Disk, ...]
    nodes: tuple[Node, ...]
    how: Literal["copied", "wrapped", "unwrapped"] = "copied"
    """The data: onto new devices; or they stay, in a child of the new disk, or of the old one."""
    running: bool = False


def partner_locks(op: InstanceSetParams, snapshot: Snapshot) -> list[Want]:
    """The lock of the node that will hold copies, where it is named."""
    if not op.disk_template or not op.remote_node:
        return []
    return kept([snapshot.node(op.remote_node).uuid])


def check_conversion_asked(op: InstanceSetParams) -> None:
    """:raises OpPrereqError: something is given that has no meaning without a new disk template"""
    if op.disk_template:
        return
    beside = {"remote_node": op.remote_node, "iallocator": op.iallocator,
              "ext_params": op.ext_params, **options_beside(op)}
    if given := [name for name, value in beside.items() if value]:
        raise OpPrereqError(f"The parameter '{given[0]}' is for a change of the disk template only",
                            ECODE_INVAL)


def plan_conversion(
    op: InstanceSetParams, ctx: OpContext, instance: Instance
) -> Conversion | None:
    """Check a change of the disk template and plan its disks; None where there is none.

    :raises OpPrereqError: it cannot be done
    """
    if not op.disk_template:
        return None
    if op.disks:
        raise OpPrereqError("Disk template conversion and other disk changes not supported at the "
                            "same time", ECODE_INVAL)
    options = _options(op)
    _check_templates(ctx, instance, op.disk_template, options)
    running, reason = instance.admin_state == "up", "cannot change disk template"
    if running and (op.nics or op.instance_communication is not None):
        raise OpPrereqError("Disk template conversion of a running instance and changes of its "
                            "network cards not supported at the same time", ECODE_INVAL)
    primary = (mirrored_on if running else stopped_on)(ctx, instance, reason)
    if primary.offline:
        raise OpPrereqError(f"Instance primary node '{primary.name}' is offline", ECODE_STATE)
    _check_policy(op, ctx, primary)
    partners = _partners(op, ctx, instance, primary)
    return retry_for_resources(
        ctx, lambda: _planned(op, ctx, instance, (primary, *partners), running=running))


def _options(op: InstanceSetParams) -> dict[str, Any]:
    """What is asked of each new disk beyond what the old one has."""
    return {**op.ext_params, **options_beside(op)}


def _check_templates(
    ctx: OpContext, instance: Instance, new: str, options: dict[str, Any]
) -> None:
    """:raises OpPrereqError: the old template cannot be left, or the new one not be had"""
    old = instance.disk_template
    if has_capability(ctx, old, NO_DISKS) or not instance.disks:
        raise OpPrereqError(f"Conversion from the '{old}' disk template is not supported: the "
                            "instance has no disks", ECODE_INVAL)
    check_template(ctx, new)
    if has_capability(ctx, new, NO_DISKS):
        raise OpPrereqError(f"Conversion to the '{new}' disk template is not supported: remove "
                            "the disks instead", ECODE_INVAL)
    if new == old and not options:
        # With other options, such as another provider, the data go somewhere else.
        raise OpPrereqError(f"Instance already has disk template {old}", ECODE_INVAL)
    if OPTION in options:
        raise OpPrereqError("Disk adoption is only possible for new instances", ECODE_INVAL)
    check_options(ctx, new, options)


def _check_policy(op: InstanceSetParams, ctx: OpContext, primary: Node) -> None:
    allowed = filled_ipolicy(
        ctx.snapshot.cluster, ctx.snapshot.groups[primary.group])["disk-templates"]
    if op.disk_template in allowed:
        return
    text = (f"Disk template '{op.disk_template}' is not allowed (allowed templates: "
            f"{', '.join(allowed)})")
    if not op.ignore_ipolicy:
        raise OpPrereqError(text, ECODE_STATE)
    ctx.warn(text)


def _partners(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, primary: Node
) -> tuple[Node, ...]:
    """The nodes beside the primary one that the new template needs: none, or one."""
    needed = ctx.host.describe(DISK_TEMPLATES, op.disk_template or "").nodes
    if needed == 1:
        if op.remote_node:
            ctx.warn("Changing the disk template to a non-mirrored one, the secondary node will be "
                     "ignored")
        return ()
    if op.remote_node and op.iallocator:
        raise OpPrereqError("Do not specify both, iallocator and node", ECODE_INVAL)
    partner = (ctx.snapshot.node(op.remote_node) if op.remote_node
               else _chosen(op, ctx, instance))
    if partner.uuid == primary.uuid:
        raise OpPrereqError(f"Given new secondary node {partner.name} is the same as the primary "
                            "node of the instance", ECODE_STATE)
    check_target(partner)
    check_move_policy(ctx, replace(instance, disk_template=op.disk_template or ""), partner,
                      ignore=op.ignore_ipolicy)
    if primary.group != partner.group:
        ctx.warn("The primary and secondary nodes are in two different node groups; the disk "
                 "parameters from the first disk's node group will be used")
    return (partner,)


def _chosen(op: InstanceSetParams, ctx: OpContext, instance: Instance) -> Node:
    allocator = default_allocator(ctx, op.iallocator)
    disks = ctx.snapshot.disks_of(instance)
    asked = [DiskRequest(disk.uuid, index, disk.size, instance.name, options=_options(op))
             for index, disk in enumerate(disks)]
    with ctx.services.reservations.turn():
        (name,) = choose_nodes(ctx, allocator, Request({
            "type": SECONDARY, "name": instance.name, "required_nodes": 1,
            "disk_template": op.disk_template,  # the protocol of Ganeti lacks it
            "disk_space_total": sum(disk.size for disk in disks)}, asked))
    ctx.info(f"Selected new secondary for instance '{instance.name}' via iallocator {allocator}: "
             f"{name}")
    chosen = ctx.current.node(name)
    ctx.lock_more(Want(Level.NODE, chosen.uuid, exclusive=False))
    (partner,) = still_usable(ctx, [chosen])
    return partner


def _planned(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, nodes: tuple[Node, ...], *,
    running: bool,
) -> Conversion:
    template, options = op.disk_template or "", _options(op)
    exclusive = has_capability(ctx, template, EXCLUSIVE_STORAGE)
    if not exclusive:
        _check_not_exclusive(ctx, instance, template, nodes)
    disks = tuple(plan_disk(ctx, template, DiskRequest(
        new_uuid(), index, disk.size, instance.name, disk.mode, disk.name,
        disk.spindles if exclusive else None, options), nodes, instance.uuid)
        for index, disk in enumerate(ctx.snapshot.disks_of(instance)))
    copied = Conversion(template, disks, nodes, running=running)
    made = copied if options or running else _in_place(ctx, instance, copied)
    _set_space_aside(ctx, instance, made)
    return made


def _in_place(
    ctx: OpContext, instance: Instance, copied: Conversion
) -> Conversion:
    """The conversion without copying, where the templates can do that."""
    old = ctx.snapshot.disks_of(instance)
    if (disks := around(ctx, instance, copied.disks, old)) is not None:
        return replace(copied, disks=disks, how="wrapped")
    if (disks := within(ctx, instance, copied.disks, old)) is not None:
        return replace(copied, disks=disks, how="unwrapped")
    return copied


def _set_space_aside(ctx: OpContext, instance: Instance, made: Conversion) -> None:
    """:raises OpPrereqError: a node has no room for what is to be made there"""
    if made.how == "unwrapped":
        return
    specs = [disk_spec_of(ctx, disk, index, instance.name) for index, disk in enumerate(made.disks)]
    old = ctx.snapshot.disks_of(instance)
    needed = {node.uuid: space_needed(ctx.on_master, specs) for node in made.nodes}
    if made.how == "wrapped":
        needed[made.nodes[0].uuid] = space_needed(
            ctx.on_master, [child for spec in specs for child in besides(spec, old).children])
    ctx.services.reservations.hold_resources(instance.name, {
        uuid: Resources(disk=found.storages) for uuid, found in needed.items()}, ctx.owner)
    for node in made.nodes:
        check_space(ctx, node, needed[node.uuid])


def _check_not_exclusive(
    ctx: OpContext, instance: Instance, template: str, nodes: Sequence[Node]
) -> None:
    cluster, groups = ctx.snapshot.cluster, ctx.snapshot.groups
    for node in nodes:
        if filled_ndparams(cluster, groups.get(node.group), node)["exclusive_storage"]:
            raise OpPrereqError(
                f"Cannot convert disk template from {instance.disk_template} to {template} when "
                f"exclusive storage is enabled (node {node.name})", ECODE_STATE)


def fill_new_disks(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, plan: Conversion,
    new: list[DiskSpec],
) -> list[Owed]:
    """Make the new disks and copy the old ones onto them, unless these become part of them.

    :param instance: with its old disks
    :returns: what is to be done after the commit, but for removing the old disks
    """
    primary, template = plan.nodes[0], plan.template
    ctx.feedback(f"Converting disk template from '{instance.disk_template}' to '{template}'")
    if plan.how == "wrapped":
        return wrap_disks(ctx, instance, plan.nodes, new, wait=op.wait_for_sync)
    if plan.how == "unwrapped":
        return unwrap_calls(ctx, instance, [
            ctx.current.nodes[uuid] for uuid in (primary.uuid, *instance.secondary_nodes)])
    if plan.running:
        return _filled_meanwhile(op, ctx, instance, plan, new)
    old = open_on(ctx, instance, primary, undo=not instance.disks_active).disks
    ctx.feedback(f"Creating new empty disks of type '{template}'...")
    opened = make_disks(ctx, plan.nodes, instance.uuid, new, opened=True)
    ctx.feedback(f"Populating the new empty disks of type '{template}'...")
    after = copy_disks(ctx, instance.uuid, (primary, primary),
                       list(zip(old, opened, strict=True)))
    if op.wait_for_sync:
        wait_for_sync(ctx, instance, new)
    ctx.feedback(f"Removing old block devices of type '{instance.disk_template}'...")
    return [*after, *close_calls(ctx, plan.nodes, instance.uuid, new)]


def _filled_meanwhile(
    op: InstanceSetParams, ctx: OpContext, instance: Instance, plan: Conversion,
    new: list[DiskSpec],
) -> list[Owed]:
    ctx.feedback(f"Creating new empty disks of type '{plan.template}'...")
    mirroring, after = mirror_onto_new(ctx, instance, plan.nodes, new)
    mirroring.wait()
    if op.wait_for_sync:
        wait_for_sync(ctx, instance, new)
        mirroring.wait()
    ctx.feedback(f"Removing old block devices of type '{instance.disk_template}'...")
    return [*after, *mirroring.owed()]
