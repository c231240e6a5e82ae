"""``OP_INSTANCE_RENAME``: give a stopped instance another name.

Its disks stay where they are, under the path or volume name that they were made with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_EXISTS, ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.instance import InstanceRename
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.instance.running import close_on, open_on
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.stopped import stopped_on
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import installing
from ganeti_core.operations.ssconf import distribute
from ganeti_core.plugin_api.os import OS_DEFINITIONS
from ganeti_core.resolve import resolve

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class RenamePlan:
    """The instance under its new name, its old name, its node."""

    instance: Instance
    old_name: str
    node: Node


class Rename(Operation[InstanceRename, RenamePlan]):
    """Rename; then the installed system is told, if its OS definition can."""

    opcode = InstanceRename

    def locks(self, op: InstanceRename, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.INSTANCE, snapshot.instance(op.instance_name).name),
                       Want(Level.INSTANCE, op.new_name))

    def plan(self, op: InstanceRename, ctx: OpContext) -> RenamePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        node = stopped_on(ctx, instance, "cannot rename")
        name = _new_name(op, ctx, instance)
        return RenamePlan(replace(instance, name=name), instance.name, node)

    def scripts(self, op: InstanceRename, ctx: OpContext, plan: RenamePlan) -> Scripts:
        own = texts(instance_new_name=plan.instance.name)
        return instance_scripts(ctx, "instance-rename", plan.instance, own)

    def run(self, op: InstanceRename, ctx: OpContext, plan: RenamePlan) -> str:
        instance = plan.instance
        if instance.os:
            _tell_system(ctx, plan)
        ctx.commit([Put(instance)], instance.name,
                   forward=close_on(ctx, instance, plan.node) if instance.os else ())
        distribute(ctx)
        return instance.name


def _new_name(op: InstanceRename, ctx: OpContext, instance: Instance) -> str:
    name = op.new_name
    if "/" in name or name.startswith((".", "-")) or any(char.isspace() for char in name):
        raise OpPrereqError(f"Invalid instance name '{name}'", ECODE_INVAL)
    if op.ip_check and not op.name_check:
        raise OpPrereqError("IP address check requires a name check", ECODE_INVAL)
    if op.name_check:
        name = resolve(ctx.services.paths, name).name
    if name != instance.name and name in ctx.snapshot.names.get("instance", {}):
        raise OpPrereqError(f"Instance '{name}' is already in the cluster", ECODE_EXISTS)
    ctx.services.reservations.reserve("name:instance", name, ctx.owner)
    return name


def _tell_system(ctx: OpContext, plan: RenamePlan) -> None:
    """Run the definition's rename; its failure stops nothing, the administrator is told."""
    instance = plan.instance
    name, _, variant = instance.os.partition("+")
    try:
        spec = open_on(ctx, instance, plan.node)
        ctx.hook(plan.node, OS_DEFINITIONS, name, "rename", subject=instance.uuid,
                 instance=installing(spec, ctx.snapshot.cluster, instance, {}), variant=variant,
                 old_name=plan.old_name)
    except GanetiError as exc:
        ctx.warn(f"Could not run OS rename script for instance {instance.name} on node "
                 f"{plan.node.name} (but the instance has been renamed in Ganeti): "
                 f"{exc.args[0] if exc.args else exc}")


OPERATIONS = (Rename(),)
