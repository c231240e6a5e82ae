"""``OP_INSTANCE_RENAME``: give a stopped instance another name.

Disks that are identified by its name, such as files in a folder of that name, follow; the way back
is recorded before each step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_EXISTS, ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model.names import host_name
from ganeti_core.opcodes.instance import InstanceRename
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.communication import renamed_instance
from ganeti_core.operations.disk_work import close_calls, open_disks
from ganeti_core.operations.driver_needs import disk_needs
from ganeti_core.operations.host_names import new_instance_name
from ganeti_core.operations.instance.running import disk_nodes
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.stopped import stopped_on
from ganeti_core.operations.node_drivers import Need
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of, installing, spec_of, with_disks
from ganeti_core.operations.ssconf import distribute
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.plugin_api.os import OS_DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.plugin_api.data import DiskSpec


@dataclass(frozen=True)
class RenamePlan:
    """The instance under its new name, its old name, its node."""

    instance: Instance
    old_name: str
    node: Node
    disks: tuple[tuple[Disk, DiskSpec, DiskSpec], ...]
    """Each disk, as it is identified and as it will be."""


class Rename(Operation[InstanceRename, RenamePlan]):
    """Rename; then the installed system is told, if its OS definition can."""

    opcode = InstanceRename
    of_forthcoming = True

    def locks(self, op: InstanceRename, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.INSTANCE, snapshot.instance(op.instance_name).name),
                       Want(Level.INSTANCE, host_name(op.new_name)))

    def plan(self, op: InstanceRename, ctx: OpContext) -> RenamePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        node = (ctx.snapshot.nodes[instance.primary_node] if instance.forthcoming
                else stopped_on(ctx, instance, "cannot rename"))
        name = _new_name(op, ctx, instance)
        disks = tuple((disk, spec, _renamed(ctx, spec, name)) for disk, spec in zip(
            ctx.snapshot.disks_of(instance), disks_of(ctx, instance), strict=True))
        plan = RenamePlan(renamed_instance(instance, name), instance.name, node, disks)
        for _, old, new in disks:
            if old.logical_id != new.logical_id and not instance.forthcoming:
                _check_free(ctx, plan, new)
        return plan

    def scripts(self, op: InstanceRename, ctx: OpContext, plan: RenamePlan) -> Scripts:
        own = texts(instance_new_name=plan.instance.name)
        return instance_scripts(ctx, "instance-rename", plan.instance, own)

    def needs(self, op: InstanceRename, ctx: OpContext, plan: RenamePlan) -> list[Need]:
        instance = plan.instance
        if instance.forthcoming:
            return []
        return [Need(plan.node, HYPERVISORS, instance.hypervisor), *disk_needs(
            ctx.current.disks_of(instance), disk_nodes(ctx, instance, plan.node))]

    def run(self, op: InstanceRename, ctx: OpContext, plan: RenamePlan) -> str:
        instance = plan.instance
        moved = [(disk, old, new) for disk, old, new in plan.disks
                 if old.logical_id != new.logical_id]
        forward = [] if instance.forthcoming else self._on_nodes(ctx, plan, moved)
        ctx.commit(
            [Put(instance), *(Put(replace(disk, logical_id=new.logical_id))
                              for disk, _, new in moved)], instance.name, forward=forward)
        distribute(ctx)
        return instance.name

    def _on_nodes(
        self, ctx: OpContext, plan: RenamePlan, moved: Sequence[tuple[Disk, DiskSpec, DiskSpec]]
    ) -> list[Owed]:
        """Let disks, guest and system follow; return what is to be done after the commit."""
        instance = plan.instance
        for _, old, new in moved:
            _move(ctx, plan, old, new)
        _rename_guest(ctx, plan)
        nodes = disk_nodes(ctx, instance, plan.node)
        specs = [new for _, _, new in plan.disks]
        if not instance.os:
            return []
        _tell_system(ctx, plan, nodes, specs)
        if instance.disks_active:
            return []
        return close_calls(ctx, nodes, instance.uuid, specs)


def _renamed(ctx: OpContext, disk: DiskSpec, name: str) -> DiskSpec:
    renamed: DiskSpec = ctx.on_master.call(
        DISK_TEMPLATES, disk.template, "renamed", disk=disk, instance_name=name)
    return renamed


def _check_free(ctx: OpContext, plan: RenamePlan, new: DiskSpec) -> None:
    """:raises OpPrereqError: something is in the place of a disk already (`ECODE_EXISTS`)"""
    for node in disk_nodes(ctx, plan.instance, plan.node):
        if ctx.hook(node, DISK_TEMPLATES, new.template, "status", disk=new.on(node.uuid)).exists:
            raise OpPrereqError(
                f"Disk {new.index} of {plan.old_name} cannot follow to {new.logical_id[-1]}: on "
                f"node {node.name} there is such a disk already", ECODE_EXISTS)


def _move(ctx: OpContext, plan: RenamePlan, old: DiskSpec, new: DiskSpec) -> None:
    """Let a disk be identified by the new name, on every node that holds it."""
    for node in disk_nodes(ctx, plan.instance, plan.node):
        there, back = (ctx.hook_call(
            DISK_TEMPLATES, old.template, "rename", subject=plan.instance.uuid,
            disk=disk.on(node.uuid), to=to.on(node.uuid)) for disk, to in ((old, new), (new, old)))
        ctx.act(node, there, back, f"rename disk {old.index} of {plan.old_name} back")


def _rename_guest(ctx: OpContext, plan: RenamePlan) -> None:
    """Let what the hypervisor keeps of the instance follow."""
    hypervisor = plan.instance.hypervisor
    if "rename" not in ctx.host.offers(HYPERVISORS, hypervisor):
        return
    old = spec_of(ctx, ctx.snapshot.instances[plan.instance.uuid])
    new = replace(old, name=plan.instance.name)
    there, back = (ctx.hook_call(HYPERVISORS, hypervisor, "rename", subject=old.uuid,
                                 instance=one, to=other) for one, other in ((old, new), (new, old)))
    ctx.act(plan.node, there, back, f"rename what the hypervisor keeps of {plan.old_name} back")


def _new_name(op: InstanceRename, ctx: OpContext, instance: Instance) -> str:
    if op.ip_check and not op.name_check:
        raise OpPrereqError("IP address check requires a name check", ECODE_INVAL)
    return new_instance_name(ctx, op.new_name, name_check=op.name_check, ip_check=op.ip_check,
                             current=instance.name)


def _tell_system(
    ctx: OpContext, plan: RenamePlan, nodes: Sequence[Node], disks: Sequence[DiskSpec]
) -> None:
    """Run the definition's rename; its failure stops nothing, the administrator is told."""
    instance = plan.instance
    name, _, variant = instance.os.partition("+")
    try:
        opened = open_disks(ctx, nodes, instance.uuid, disks, undo=not instance.disks_active)
        spec = with_disks(spec_of(ctx, instance), opened)
        ctx.hook(plan.node, OS_DEFINITIONS, name, "rename", subject=instance.uuid,
                 instance=installing(ctx, spec, instance, {}), variant=variant,
                 old_name=plan.old_name)
    except GanetiError as exc:
        ctx.warn(f"Could not run OS rename script for instance {instance.name} on node "
                 f"{plan.node.name} (but the instance has been renamed in Ganeti): "
                 f"{exc.message}")


OPERATIONS = (Rename(),)
