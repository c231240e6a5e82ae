"""``OP_INSTANCE_REMOVE``: stop the guest, forget the instance, remove its disks.

The pivot is the commit that takes it out of the configuration: from then on its disks are owed to
be removed, by this job or, where a node is silent, by the debt that it leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.config.store import Delete
from ganeti_core.errors import ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.opcodes.instance import InstanceRemove
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disk_work import remove_calls
from ganeti_core.operations.instance.lasting_state import forget_state
from ganeti_core.operations.instance.running import (
    lock_instance,
    stop_call,
    stop_restartable,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.rpc.calls import Call


class Remove(Operation[InstanceRemove, "Instance"]):
    """Remove an instance and its disks."""

    opcode = InstanceRemove
    of_forthcoming = True

    def locks(self, op: InstanceRemove, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceRemove, ctx: OpContext) -> Instance:
        instance = ctx.snapshot.instance(op.instance_name)
        node = ctx.snapshot.nodes[instance.primary_node]
        if node.offline and not (op.ignore_failures or instance.forthcoming):
            raise OpPrereqError(
                f"Instance primary node '{node.name}' is offline; use --ignore-failures to remove "
                "the instance all the same: its disks are removed when the node is back",
                ECODE_STATE)
        return instance

    def scripts(self, op: InstanceRemove, ctx: OpContext, plan: Instance) -> Scripts:
        nodes = [ctx.snapshot.nodes[uuid] for uuid in (plan.primary_node, *plan.secondary_nodes)]
        return instance_scripts(
            ctx, "instance-remove", plan, texts(shutdown_timeout=op.shutdown_timeout),
            nodes=((), nodes), disks=ctx.snapshot.disks_of(plan))

    def run(self, op: InstanceRemove, ctx: OpContext, plan: Instance) -> None:
        changes = [Delete(plan), *(Delete(disk) for disk in ctx.snapshot.disks_of(plan))]
        if plan.forthcoming:
            ctx.commit(changes)
            return
        node = ctx.snapshot.nodes[plan.primary_node]
        forward: list[tuple[Node, Call, str]] = []
        stopped = False
        kill = (node, stop_call(ctx, plan), f"stop {plan.name}")
        if node.offline:
            forward.append(kill)
        else:
            ctx.feedback(f"* shutting down instance {plan.name}")
            try:
                stopped = stop_restartable(ctx, plan, node, float(op.shutdown_timeout))
            except GanetiError as exc:
                if not op.ignore_failures:
                    raise OpExecError(f"Could not shutdown instance {plan.name} on node "
                                      f"{node.name}: {exc}") from exc
                ctx.warn(f"can't shutdown instance: {exc}")
                forward.append(kill)
        ctx.feedback("* removing the instance and its disks")
        disks = disks_of(ctx, plan)
        where = [ctx.snapshot.nodes[uuid] for uuid in (plan.primary_node, *plan.secondary_nodes)]
        forward += remove_calls(ctx, where, plan.uuid, disks)
        forward += forget_state(ctx, plan, node)
        ctx.commit(changes, forward=forward)
        if stopped:
            ctx.services.events.tell(
                "instance_stopped", name=plan.name, uuid=plan.uuid, node=node.name)
        ctx.services.events.tell("instance_removed", name=plan.name, uuid=plan.uuid)


OPERATIONS = (Remove(),)
