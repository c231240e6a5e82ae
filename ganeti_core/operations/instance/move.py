"""``OP_INSTANCE_MOVE``: copy an instance's disks to another node, and run it there.

The guest is stopped, so that its disks stand still. New disks are made on the target and filled;
the pivot is the commit that gives the instance its new node. Until then everything can be taken
back, and the guest starts where it was; after it the old disks are removed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.reservations import Resources
from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceMove
from ganeti_core.operations.backup.export import check_compression
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.disk_copy import copy_disks
from ganeti_core.operations.disk_work import close_calls, make_disks, remove_calls
from ganeti_core.operations.disks import is_shared, with_partner
from ganeti_core.operations.driver_needs import disk_needs, guest_needs
from ganeti_core.operations.instance.failover import start_moved
from ganeti_core.operations.instance.lasting_state import carry_state
from ganeti_core.operations.instance.running import (
    open_on,
    primary_of,
    running_on,
    stop_restartable,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance_policy import check_move_policy
from ganeti_core.operations.networking import check_links
from ganeti_core.operations.placement.disk_space import check_space
from ganeti_core.operations.placement.memory import check_memory
from ganeti_core.operations.placement.nodes import check_target, kept
from ganeti_core.operations.placement.retry import retry_for_resources
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disk_spec_of, disks_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES
from ganeti_core.specs.storages import space_needed

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.plugin_api.data import DiskSpec


@dataclass(frozen=True)
class MovePlan:
    """From where to where, and the disks as they will be there.

    :param starts: the administrator wants it to run
    """

    instance: Instance
    source: Node
    target: Node
    disks: tuple[Disk, ...]
    starts: bool


class Move(Operation[InstanceMove, MovePlan]):
    """Move an instance whose disks are on one node only."""

    opcode = InstanceMove

    def locks(self, op: InstanceMove, snapshot: Snapshot) -> LockRequest:
        instance = snapshot.instance(op.instance_name)
        return request(op, Want(Level.INSTANCE, instance.name), *kept(
            [instance.primary_node, snapshot.node(op.target_node).uuid]))

    def plan(self, op: InstanceMove, ctx: OpContext) -> MovePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        check_compression(ctx, op.compress)
        _check_copyable(ctx, instance)
        source, target = primary_of(ctx, instance), ctx.snapshot.node(op.target_node)
        if target.uuid == source.uuid:
            raise OpPrereqError(
                f"Instance {instance.name} is already on the node {target.name}", ECODE_STATE)
        check_target(target)
        check_move_policy(ctx, instance, target, ignore=op.ignore_ipolicy)
        starts = instance.admin_state == "up"
        disks = tuple(with_partner(ctx, disk, source, target)
                      for disk in ctx.snapshot.disks_of(instance))
        plan = MovePlan(instance, source, target, disks, starts)
        retry_for_resources(ctx, lambda: _reserve(ctx, plan))
        if starts:
            check_links(ctx, instance, instance.nics, target)
        return plan

    def scripts(self, op: InstanceMove, ctx: OpContext, plan: MovePlan) -> Scripts:
        nodes = (plan.source, plan.target)
        return instance_scripts(
            ctx, "instance-move", plan.instance, texts(
                target_node=plan.target.name, shutdown_timeout=op.shutdown_timeout),
            nodes=(nodes, nodes))

    def needs(self, op: InstanceMove, ctx: OpContext, plan: MovePlan) -> list[Need]:
        return [*disk_needs(plan.disks, [plan.target], plan.source),
                *(guest_needs(ctx, plan.instance, plan.target) if plan.starts else ())]

    def run(self, op: InstanceMove, ctx: OpContext, plan: MovePlan) -> None:
        instance, source, target = plan.instance, plan.source, plan.target
        _stop(op, ctx, plan)
        old = open_on(ctx, instance, source, undo=not instance.disks_active).disks
        new = _specs(ctx, plan)
        if new:
            ctx.feedback(f"Creating the disks on node {target.name}")
        opened = make_disks(ctx, [target], instance.uuid, new, opened=True)
        after = copy_disks(ctx, instance.uuid, (source, target),
                           list(zip(old, opened, strict=True)), op.compress)
        after = [*after, *carry_state(ctx, instance, source, target)]
        moved = replace(instance, primary_node=target.uuid)
        if plan.disks:
            ctx.feedback(f"Removing the disks on the original node {source.name}")
        ctx.commit([Put(moved), *map(Put, plan.disks)],
                   forward=[*after, *_leave(ctx, plan, new)])
        if plan.starts:
            ctx.feedback(f"Starting instance {instance.name} on node {target.name}")
            start_moved(ctx, moved, target)
        ctx.services.events.tell("instance_moved", name=instance.name, uuid=instance.uuid,
                                 source=source.name, target=target.name, how="move")

    def resume(self, op: InstanceMove, ctx: OpContext) -> None:
        instance = ctx.current.instance(op.instance_name)
        node = ctx.current.nodes[instance.primary_node]
        if instance.admin_state == "up" and running_on(ctx, instance, node) is None:
            start_moved(ctx, instance, node)


def _check_copyable(ctx: OpContext, instance: Instance) -> None:
    for index, disk in enumerate(ctx.snapshot.disks_of(instance)):
        description = ctx.host.describe(DISK_TEMPLATES, disk.template)
        if description.nodes != 1 or is_shared(ctx, disk.template):
            raise OpPrereqError(
                f"Instance disk {index} has disk type {disk.template} and is not suitable for "
                "copying: use gnt-instance migrate or failover", ECODE_STATE)


def _reserve(ctx: OpContext, plan: MovePlan) -> None:
    """Set aside what the instance takes on the target, and check that it is there."""
    instance, target = plan.instance, plan.target
    memory = filled_beparams(ctx.snapshot.cluster, instance)["maxmem"] if plan.starts else 0
    needed = space_needed(ctx.on_master, _specs(ctx, plan))
    ctx.services.reservations.hold_resources(
        instance.name, {target.uuid: Resources(memory, needed.storages)}, ctx.owner)
    if memory:
        check_memory(ctx, instance, target, memory, "moving")
    check_space(ctx, target, needed)


def _specs(ctx: OpContext, plan: MovePlan) -> list[DiskSpec]:
    return [disk_spec_of(ctx, disk, index, plan.instance.name)
            for index, disk in enumerate(plan.disks)]


def _stop(op: InstanceMove, ctx: OpContext, plan: MovePlan) -> None:
    instance, source = plan.instance, plan.source
    ctx.feedback(f"Shutting down instance {instance.name} on source node {source.name}")
    try:
        stop_restartable(ctx, instance, source, float(op.shutdown_timeout))
    except GanetiError as exc:
        text = (f"Could not shutdown instance {instance.name} on node {source.name}: "
                f"{exc.message}")
        if not op.ignore_consistency:
            raise OpExecError(text) from exc
        ctx.warn(f"{text}; proceeding anyway, as was asked for: please make sure that it does not "
                 "write to its disks")


def _leave(ctx: OpContext, plan: MovePlan, new: list[DiskSpec]) -> list[Owed]:
    """What follows the commit: no disks on the source, and none open where nobody uses them."""
    instance = plan.instance
    gone = remove_calls(ctx, [plan.source], instance.uuid, disks_of(ctx, instance))
    if plan.starts or instance.disks_active:
        return gone
    return [*gone, *close_calls(ctx, [plan.target], instance.uuid, new)]


OPERATIONS = (Move(),)
