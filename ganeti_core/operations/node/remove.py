"""``OP_NODE_REMOVE``: a node that holds nothing leaves the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.config.store import Delete
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.opcodes.node import NodeRemove
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import distribute
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import Peer

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext


class Remove(Operation[NodeRemove, "Node"]):
    """Remove a node."""

    opcode = NodeRemove

    def locks(self, op: NodeRemove, snapshot: Snapshot) -> LockRequest:
        snapshot.node(op.node_name)
        return request(op, Want(Level.NODE, ALL))

    def plan(self, op: NodeRemove, ctx: OpContext) -> Node:
        node = ctx.snapshot.node(op.node_name)
        if node.uuid == ctx.snapshot.cluster.master_node:
            raise OpPrereqError(
                "Node is the master node, failover to another node is required", ECODE_INVAL)
        for instance in ctx.snapshot.instances.values():
            if node.uuid in (instance.primary_node, *instance.secondary_nodes):
                raise OpPrereqError(
                    f"Instance {instance.name} is still running on the node, please remove first",
                    ECODE_INVAL)
        owed = ctx.services.debts_of(node.uuid)
        if owed and not node.offline and ctx.services.pay_debts(node.uuid):
            raise OpPrereqError(
                f"Node {node.name} must first finish what an earlier job left there "
                f"({owed[0].note}); if it will never answer again, mark it offline first",
                ECODE_STATE)
        return node

    def scripts(self, op: NodeRemove, ctx: OpContext, plan: Node) -> Scripts:
        others = tuple(uuid for uuid in ctx.snapshot.nodes if uuid != plan.uuid)
        own = texts(op_target=plan.name, node_name=plan.name)
        return Scripts("node-remove", "NODE", own, before=others, after=others)

    def run(self, op: NodeRemove, ctx: OpContext, plan: Node) -> None:
        ctx.feedback(f"Stopping the node daemon and removing configs from node {plan.name}")
        ctx.commit([Delete(plan)])
        if not plan.offline:
            try:
                ctx.services.nodes.call(Peer.of(plan), service_call("node.leave"))
            except GanetiError as exc:
                ctx.warn(f"Errors encountered on the remote node while leaving the cluster: {exc}")
        distribute(ctx)
        ctx.services.nodes.drop(plan.uuid)
        ctx.services.events.tell("node_removed", name=plan.name, uuid=plan.uuid)


OPERATIONS = (Remove(),)
