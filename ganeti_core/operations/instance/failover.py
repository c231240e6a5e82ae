"""``OP_INSTANCE_FAILOVER``: stop an instance where it is, start it on another node.

The pivot is the commit that gives it its new primary node. Only one guest may ever write to its
disks, so it is stopped on the source first; a source that cannot be asked must be known to be dead
(marked offline, or `ignore_consistency`), and then owes the stop before it takes new work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import GanetiError, OpExecError, OpPrereqError, RpcError
from ganeti_core.opcodes.instance import InstanceFailover
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disks import moved_disks, open_disks
from ganeti_core.operations.instance.running import (
    close_on,
    lock_instance,
    running_on,
    start_call,
    stop_call,
    stop_restartable,
)
from ganeti_core.operations.instance.scripts import instance_scripts, moving
from ganeti_core.operations.instance.target import check_target, choose_target
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of, spec_of, with_disks

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.rpc.calls import Call


@dataclass(frozen=True)
class FailoverPlan:
    """From where to where; `starts`: the administrator wants it to run."""

    instance: Instance
    source: Node
    target: Node
    starts: bool


class Failover(Operation[InstanceFailover, FailoverPlan]):
    """Move an instance without its memory."""

    opcode = InstanceFailover

    def locks(self, op: InstanceFailover, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceFailover, ctx: OpContext) -> FailoverPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        source = ctx.snapshot.nodes[instance.primary_node]
        target = choose_target(ctx, instance, op.target_node, op.iallocator)
        starts = instance.admin_state == "up"
        check_target(ctx, instance, target, starts=starts)
        return FailoverPlan(instance, source, target, starts)

    def resume(self, op: InstanceFailover, ctx: OpContext) -> None:
        instance = ctx.current.instance(op.instance_name)
        node = ctx.current.nodes[instance.primary_node]
        if instance.admin_state == "up" and running_on(ctx, instance, node) is None:
            _start_on(ctx, instance, node)

    def scripts(self, op: InstanceFailover, ctx: OpContext, plan: FailoverPlan) -> Scripts:
        own = {**moving(ctx, plan.instance, plan.target), **texts(
            ignore_consistency=op.ignore_consistency, shutdown_timeout=op.shutdown_timeout,
            failover_cleanup=op.cleanup)}
        return instance_scripts(ctx, "instance-failover", plan.instance, own,
                                nodes=([plan.target], [plan.target, plan.source]))

    def run(self, op: InstanceFailover, ctx: OpContext, plan: FailoverPlan) -> None:
        ctx.feedback(f"Failover instance {plan.instance.name}")
        ctx.feedback("* checking disk consistency between source and target")
        ctx.feedback("* shutting down instance on source node")
        owed = _stop_on_source(op, ctx, plan)
        move_and_start(ctx, plan, owed)
        ctx.services.events.tell(
            "instance_moved", name=plan.instance.name, uuid=plan.instance.uuid,
            source=plan.source.name, target=plan.target.name, how="failover")


def _stop_on_source(
    op: InstanceFailover, ctx: OpContext, plan: FailoverPlan
) -> list[tuple[Node, Call, str]]:
    """Stop the guest; answers what a source that cannot be asked still owes."""
    instance, source = plan.instance, plan.source
    owed = [(source, stop_call(ctx, instance),
             f"stop {instance.name}, which failed over to {plan.target.name}"),
            *close_on(ctx, instance, source)]
    if source.offline:
        return owed
    try:
        stop_restartable(ctx, instance, source, float(op.shutdown_timeout))
    except (RpcError, OpPrereqError) as exc:
        if not op.ignore_consistency:
            raise OpExecError(
                f"Could not shutdown instance {instance.name} on node {source.name}: {exc}. If "
                "that node is really down, mark it offline (gnt-node modify --offline=yes) or "
                "use --ignore-consistency") from exc
        ctx.warn(f"Could not shutdown instance {instance.name} on node {source.name}, proceeding "
                 f"anyway; please make sure node {source.name} is down; error details: {exc}")
        return owed
    return close_on(ctx, instance, source)


def move_and_start(
    ctx: OpContext, plan: FailoverPlan, owed: list[tuple[Node, Call, str]]
) -> None:
    """The pivot and what follows: new primary node, then open the disks and start there."""
    instance, target = plan.instance, plan.target
    moved = replace(
        instance, primary_node=target.uuid,
        secondary_nodes=(plan.source.uuid,) if instance.secondary_nodes else ())
    ctx.feedback("* deactivating the instance's disks on source node")
    ctx.commit([Put(moved), *moved_disks(ctx, moved)], forward=owed)
    if not plan.starts:
        return
    ctx.feedback(f"* activating the instance's disks on target node {target.name}")
    try:
        ctx.feedback(f"* starting the instance on the target node {target.name}")
        _start_on(ctx, moved, target)
    except GanetiError as exc:
        raise OpExecError(
            f"Instance {instance.name} is on node {target.name} now, but could not be started "
            f"there: {exc}") from exc


def _start_on(ctx: OpContext, instance: Instance, node: Node) -> None:
    disks = open_disks(ctx, node, instance.uuid, disks_of(ctx, instance))
    ctx.call(node, start_call(ctx, with_disks(spec_of(ctx, instance), disks)))


OPERATIONS = (Failover(),)
