"""``OP_NODE_REMOVE``: a node that holds nothing leaves the cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Delete, Put
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.opcodes.node import NodeRemove
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.cluster.candidates import promoted
from ganeti_core.operations.detached_disks import lost_with, shown
from ganeti_core.operations.node.hosts_file import hosts_file_calls
from ganeti_core.operations.scripts import Scripts, run_farewell, texts
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
        lost_with(ctx, node)
        if not node.offline and (owed := ctx.services.pay_debts(node.uuid, frozenset())):
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
        for debt in ctx.services.all_debts():
            if debt.node == plan.uuid:
                ctx.warn(f"given up with the node, and may still be there: {debt.note} "
                         f"({debt.why})")
        lost = lost_with(ctx, plan)
        for disk in lost:
            ctx.warn(f"given up with the node: the disk {shown(disk)}, which is no instance's")
        ctx.feedback(f"Stopping the node daemon and removing configs from node {plan.name}")
        successors = _successors(ctx, plan)
        ctx.commit([Delete(plan), *(Delete(disk) for disk in lost),
                    *(Put(node) for node in successors)],
                   forward=hosts_file_calls(ctx, plan, there=False))
        run_farewell(ctx, op, self.scripts(op, ctx, plan), plan)
        cleaned = self._clean(ctx, plan)
        distribute(ctx, successors)
        if not cleaned:
            ctx.warn(
                f"The files of the cluster are still on {plan.name}. Its certificate is refused "
                "from now on; but if it ever was a master candidate it has the authority's key and "
                "can make others: run gnt-cluster renew-crypto --new-cluster-certificate, unless "
                "its disks are destroyed")
        ctx.services.nodes.drop(plan.uuid)
        ctx.services.events.tell("node_removed", name=plan.name, uuid=plan.uuid)
        for node in successors:
            ctx.services.events.tell("node_role_changed", name=node.name, uuid=node.uuid,
                                     role=node.role(ctx.current.cluster.master_node).value)

    def _clean(self, ctx: OpContext, node: Node) -> bool:
        """Have the node forget the cluster; whether it has."""
        if node.offline:
            return False
        try:
            ctx.services.nodes.call(Peer.of(node), service_call("node.leave"))
        except GanetiError as exc:
            ctx.warn(f"Errors encountered on the remote node while leaving the cluster: {exc}")
            return False
        return True


def _successors(ctx: OpContext, node: Node) -> list[Node]:
    """The nodes that become master candidates in the place of one that is removed."""
    if not node.master_candidate:
        return []
    found = promoted(ctx.snapshot, ctx.snapshot.cluster.candidate_pool_size,
                     [replace(node, master_candidate=False)])
    if found:
        ctx.info("Promoted nodes to master candidate role: "
                 f"{', '.join(one.name for one in found)}")
    return found


OPERATIONS = (Remove(),)
