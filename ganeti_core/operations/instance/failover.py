"""``OP_INSTANCE_FAILOVER``: stop an instance where it is, start it on another node.

The pivot is the commit that gives it its new primary node. Only one guest may ever write to its
disks, so it is stopped on the source first; a source that cannot be asked must be known to be dead
(marked offline, or `ignore_consistency`), and then owes the stop before it takes new work.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import GanetiError, OpExecError, OpPrereqError, RpcError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceFailover
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disk_work import open_disks, promote_disks
from ganeti_core.operations.disks import moved_disks
from ganeti_core.operations.driver_needs import disk_needs, guest_needs
from ganeti_core.operations.instance.copies import check_copies
from ganeti_core.operations.instance.lasting_state import carry_state
from ganeti_core.operations.instance.running import (
    disk_nodes,
    leave,
    lock_instance,
    running_on,
    start_call,
    stop_call,
    stop_restartable,
)
from ganeti_core.operations.instance.scripts import instance_scripts, moving
from ganeti_core.operations.instance.whereabouts import Whereabouts, find_out, follow_guest
from ganeti_core.operations.placement.move import Move, move_locks, take_target
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of, spec_of, with_disks

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.rpc.calls import Call


_HINT = ("; gnt-instance activate-disks --wait-for-sync lets the copy follow once both nodes "
         "answer, --ignore-consistency accepts that loss")


@dataclass(frozen=True)
class FailoverPlan:
    """From where to where; `starts`: the administrator wants it to run.

    :param cleanup: nothing moves; where its guest was found
    """

    instance: Instance
    source: Node
    target: Node
    starts: bool
    cleanup: Whereabouts | None = None


class Failover(Operation[InstanceFailover, FailoverPlan]):
    """Move an instance without its memory."""

    opcode = InstanceFailover
    of_forthcoming = True

    def locks(self, op: InstanceFailover, snapshot: Snapshot) -> LockRequest:
        if op.cleanup:
            return lock_instance(op, snapshot, op.instance_name)
        return move_locks(op, snapshot)

    def plan(self, op: InstanceFailover, ctx: OpContext) -> FailoverPlan:
        if op.cleanup:
            found = find_out(op, ctx)
            return FailoverPlan(found.instance, found.home, found.node or found.home,
                                starts=False, cleanup=found)
        instance = ctx.snapshot.instance(op.instance_name)
        source = ctx.snapshot.nodes[instance.primary_node]
        starts = instance.admin_state == "up"
        # It starts with as much as it may have.
        memory = filled_beparams(ctx.snapshot.cluster, instance)["maxmem"] if starts else 0
        target = take_target(op, ctx, Move(instance, memory, "failing over")).node
        if not instance.forthcoming:
            check_copies(ctx, instance, target, ignore=op.ignore_consistency,
                         stands_still=True, hint=_HINT)
        return FailoverPlan(instance, source, target, starts)

    def resume(self, op: InstanceFailover, ctx: OpContext) -> None:
        instance = ctx.current.instance(op.instance_name)
        node = ctx.current.nodes[instance.primary_node]
        if instance.admin_state == "up" and running_on(ctx, instance, node) is None:
            _start_on(ctx, instance, node, force=op.ignore_consistency)

    def scripts(self, op: InstanceFailover, ctx: OpContext, plan: FailoverPlan) -> Scripts:
        own = {**moving(ctx, plan.instance, plan.target), **texts(
            ignore_consistency=op.ignore_consistency, shutdown_timeout=op.shutdown_timeout,
            failover_cleanup=op.cleanup)}
        return instance_scripts(ctx, "instance-failover", plan.instance, own,
                                nodes=([plan.target], [plan.target, plan.source]))

    def needs(self, op: InstanceFailover, ctx: OpContext, plan: FailoverPlan) -> list[Need]:
        return [] if plan.cleanup is not None else failover_needs(ctx, plan)

    def run(self, op: InstanceFailover, ctx: OpContext, plan: FailoverPlan) -> None:
        if plan.cleanup is not None:
            follow_guest(ctx, plan.cleanup)
            return
        if plan.instance.forthcoming:
            ctx.feedback("Instance is forthcoming, just updating the configuration")
            moved = _moved(plan)
            ctx.commit([Put(moved), *moved_disks(ctx, moved)])
            return
        ctx.feedback(f"Failover instance {plan.instance.name}")
        ctx.feedback("* shutting down instance on source node")
        owed = _stop_on_source(op, ctx, plan)
        # Asked again, for until now it wrote; a guest that was stopped in vain starts again.
        ctx.feedback("* checking disk consistency between source and target")
        check_copies(ctx, plan.instance, plan.target, ignore=op.ignore_consistency,
                     stands_still=True, hint=_HINT)
        owed = [*owed, *carry_state(ctx, plan.instance, plan.source, plan.target)]
        move_and_start(ctx, plan, owed, force=op.ignore_consistency)
        ctx.services.events.tell(
            "instance_moved", name=plan.instance.name, uuid=plan.instance.uuid,
            source=plan.source.name, target=plan.target.name, how="failover")


def failover_needs(ctx: OpContext, plan: FailoverPlan) -> list[Need]:
    """Return what the target must have; the guest's state is not moved, its disks are."""
    disks = disk_needs(ctx.current.disks_of(plan.instance), [plan.target], plan.source)
    return [*disks, *(guest_needs(ctx, plan.instance, plan.target) if plan.starts else ())]


def _stop_on_source(
    op: InstanceFailover, ctx: OpContext, plan: FailoverPlan
) -> list[tuple[Node, Call, str]]:
    """Stop the guest; return what a source that cannot be asked still owes."""
    instance, source = plan.instance, plan.source
    owed = [(source, stop_call(ctx, instance),
             f"stop {instance.name}, which failed over to {plan.target.name}"),
            *leave(ctx, instance, source)]
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
    return leave(ctx, instance, source)


def _moved(plan: FailoverPlan) -> Instance:
    instance = plan.instance
    return replace(instance, primary_node=plan.target.uuid,
                   secondary_nodes=(plan.source.uuid,) if instance.secondary_nodes else ())


def move_and_start(
    ctx: OpContext, plan: FailoverPlan, owed: list[tuple[Node, Call, str]], *, force: bool
) -> None:
    """The pivot and what follows: new primary node, then open the disks and start there."""
    target, moved = plan.target, _moved(plan)
    ctx.feedback("* deactivating the instance's disks on source node")
    ctx.commit([Put(moved), *moved_disks(ctx, moved)], forward=owed)
    if not plan.starts:
        return
    ctx.feedback(f"* activating the instance's disks on target node {target.name}")
    ctx.feedback(f"* starting the instance on the target node {target.name}")
    start_moved(ctx, moved, target, force=force)


def start_moved(ctx: OpContext, moved: Instance, target: Node, *, force: bool = False) -> None:
    """Start a guest on the node that is its instance's by now.

    :param force: use the copy of its disks there even if it may be old
    :raises OpExecError: it did not start
    """
    try:
        _start_on(ctx, moved, target, force=force)
    except GanetiError as exc:
        raise OpExecError(
            f"Instance {moved.name} is on node {target.name} now, but could not be started "
            f"there: {exc}") from exc


def _start_on(ctx: OpContext, instance: Instance, node: Node, *, force: bool) -> None:
    """Start the guest where it has come; copies of its disks elsewhere follow, if they are there.

    :param force: use the copy here even if it may be old
    """
    disks, nodes = disks_of(ctx, instance), disk_nodes(ctx, instance, node)
    if instance.secondary_nodes and len(nodes) == 1:
        opened = promote_disks(ctx, node, instance.uuid, disks, force=force)
    else:
        opened = open_disks(ctx, nodes, instance.uuid, disks)
    ctx.call(node, start_call(ctx, with_disks(spec_of(ctx, instance), opened)))


OPERATIONS = (Failover(),)
