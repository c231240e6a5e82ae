"""``OP_NODE_SET_PARAMS``: change a node's role and parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import ALL, Level, LockRequest, Want
from ganeti_core.opcodes.node import NodeSetParams
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.cluster.candidates import promoted
from ganeti_core.operations.inherited import changed_disk_state, changed_hv_state, changed_ndparams
from ganeti_core.operations.node.addresses import check_secondary
from ganeti_core.operations.node.power import power_program
from ganeti_core.operations.node.roles import check_vm_capable
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import candidates_of, distribute
from ganeti_core.rpc.calls import service_call

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext

_FLAGS = ("master_candidate", "offline", "drained", "master_capable", "vm_capable", "powered")


@dataclass(frozen=True)
class ModifyPlan:
    """The node as it will be, and what changes, as (name, new value)."""

    node: Node
    changes: tuple[tuple[str, Any], ...]
    promoted: tuple[Node, ...] = ()
    """Nodes that become master candidates in its place."""


class Modify(Operation[NodeSetParams, ModifyPlan]):
    """Change a node."""

    opcode = NodeSetParams

    def locks(self, op: NodeSetParams, snapshot: Snapshot) -> LockRequest:
        node = snapshot.node(op.node_name)
        # Whoever is promoted in its place must stand still too.
        return request(op, Want(Level.NODE, ALL if op.auto_promote else node.uuid))

    def plan(self, op: NodeSetParams, ctx: OpContext) -> ModifyPlan:
        node = ctx.snapshot.node(op.node_name)
        asked = {name: getattr(op, name) for name in _FLAGS if getattr(op, name) is not None}
        if not asked and op.secondary_ip is None and not (
                op.ndparams or op.hv_state or op.disk_state):
            raise OpPrereqError("Please pass at least one modification", ECODE_INVAL)
        if sum(bool(asked.get(name)) for name in ("master_candidate", "offline", "drained")) > 1:
            raise OpPrereqError(
                "Can't set the node into more than one state at the same time", ECODE_INVAL)
        if op.secondary_ip is not None:
            check_secondary(ctx, node, op.secondary_ip, force=op.force)
        _check_master(ctx, node, asked)
        _check_power(ctx, node, asked)
        for name in ("master_candidate", "drained", "offline"):
            if asked.get(name) is False and not getattr(node, name):
                ctx.info(f"Ignoring request to unset flag {name}, already unset")
        if asked.get("vm_capable") is False:
            check_vm_capable(ctx.snapshot, node)
        changed = _with_parameters(op, ctx, _with_flags(node, asked))
        changed = _self_promoted(op, ctx, node, changed)
        others = _check_candidates(op, ctx, node, changed)
        if node.offline and not changed.offline:
            _check_answers(op, ctx, node)
        told = [(name, str(getattr(changed, name))) for name in (*_FLAGS, "secondary_ip")
                if getattr(changed, name) != getattr(node, name)]
        if op.ndparams:
            told.append(("ndparams", str(changed.ndparams)))
        return ModifyPlan(changed, tuple(told), tuple(others))

    def scripts(self, op: NodeSetParams, ctx: OpContext, plan: ModifyPlan) -> Scripts:
        own = texts(op_target=plan.node.name, master_candidate=op.master_candidate,
                    offline=op.offline, drained=op.drained, master_capable=op.master_capable,
                    vm_capable=op.vm_capable)
        nodes = (plan.node.uuid,)
        return Scripts("node-modify", "NODE", own, before=nodes, after=nodes)

    def run(self, op: NodeSetParams, ctx: OpContext, plan: ModifyPlan) -> list[tuple[str, Any]]:
        result = list(plan.changes)
        if plan.promoted:
            ctx.info("Promoted nodes to master candidate role: "
                     f"{', '.join(node.name for node in plan.promoted)}")
        ctx.commit([Put(plan.node), *(Put(node) for node in plan.promoted)], result)
        if ("offline", "False") in plan.changes:
            ctx.info("Transitioning node from offline to online; if it was rebuilt, use "
                     "gnt-node add --readd instead")
        distribute(ctx, [plan.node, *plan.promoted])
        role = plan.node.role(ctx.current.cluster.master_node).value
        ctx.services.events.tell(
            "node_role_changed", name=plan.node.name, uuid=plan.node.uuid, role=role)
        return result


def _check_master(ctx: OpContext, node: Node, asked: dict[str, Any]) -> None:
    if node.uuid != ctx.snapshot.cluster.master_node:
        return
    if (asked.get("offline") or asked.get("drained") or asked.get("master_candidate") is False
            or asked.get("master_capable") is False):
        raise OpPrereqError("The master role can be changed only via master-failover", ECODE_INVAL)


def _check_power(ctx: OpContext, node: Node, asked: dict[str, Any]) -> None:
    """:raises OpPrereqError: it is off, or nobody knows whether it is"""
    if not power_program(ctx.snapshot, node):
        if "powered" in asked:
            raise OpPrereqError(f"Unable to change powered state for node {node.name} as it does "
                                "not support out-of-band handling", ECODE_STATE)
    elif asked.get("offline") is False and not asked.get("powered", node.powered):
        raise OpPrereqError(f"Node {node.name} needs to be turned on before its offline status "
                            "can be reset", ECODE_STATE)


def _check_answers(op: NodeSetParams, ctx: OpContext, node: Node) -> None:
    """See that a node is there whose mark as offline is taken away: jobs are to use it again.

    :raises OpPrereqError: it does not answer, and nobody says that it does not matter
    """
    try:
        ctx.call(node, service_call("node.ping"))
    except GanetiError as exc:
        text = (f"Node {node.name} is being de-offlined but fails to report its version:"
                f" {exc.message}")
        if not op.force:
            raise OpPrereqError(f"{text}; start its node daemon first, or pass --force",
                                ECODE_STATE) from exc
        ctx.warn(text)


def _with_flags(node: Node, asked: dict[str, Any]) -> Node:
    """Roles exclude each other: setting one clears the others."""
    changed = replace(node, **asked)
    if asked.get("offline"):
        return replace(changed, master_candidate=False, drained=False)
    if asked.get("drained"):
        return replace(changed, master_candidate=False, offline=False)
    if asked.get("master_candidate"):
        if not changed.master_capable:
            raise OpPrereqError(f"Node {node.name} is not master capable, cannot make it a master "
                                "candidate", ECODE_STATE)
        if node.offline and "offline" not in asked:
            raise OpPrereqError(f"Node {node.name} is offline and its state cannot be changed to "
                                "master candidate", ECODE_STATE)
        return replace(changed, drained=False)
    if asked.get("master_capable") is False:
        return replace(changed, master_candidate=False)
    return changed


def _with_parameters(op: NodeSetParams, ctx: OpContext, node: Node) -> Node:
    return replace(node, ndparams=changed_ndparams(node.ndparams, op.ndparams or {}),
                   hv_state_static=changed_hv_state(ctx.host, node.hv_state_static, op.hv_state),
                   disk_state_static=changed_disk_state(
                       ctx.host, node.disk_state_static, op.disk_state),
                   secondary_ip=op.secondary_ip or node.secondary_ip)


def _self_promoted(op: NodeSetParams, ctx: OpContext, node: Node, changed: Node) -> Node:
    """A node that becomes able to be a candidate is made one, if the pool has room."""
    was_able = node.master_capable and not node.offline and not node.drained
    is_able = changed.master_capable and not changed.offline and not changed.drained
    if was_able or not is_able or changed.master_candidate or op.master_candidate is not None:
        return changed
    others = [n for n in candidates_of(ctx.snapshot) if n.uuid != node.uuid]
    if len(others) >= ctx.snapshot.cluster.candidate_pool_size:
        return changed
    ctx.info("Auto-promoting node to master candidate")
    return replace(changed, master_candidate=True)


def _check_candidates(
    op: NodeSetParams, ctx: OpContext, node: Node, changed: Node
) -> list[Node]:
    """A cluster whose only candidate leaves has no copy of its configuration.

    Answers the nodes that are promoted in its place, if that was asked for.

    :raises OpPrereqError: the pool would not be full, and nobody is to be promoted (`ECODE_STATE`)
    """
    if not node.master_candidate or changed.master_candidate:
        return []
    if op.auto_promote:
        return promoted(ctx.snapshot, ctx.snapshot.cluster.candidate_pool_size, [changed])
    if op.force:
        return []
    left = [n for n in candidates_of(ctx.snapshot) if n.uuid != node.uuid]
    capable = [n for n in ctx.snapshot.nodes.values() if n.master_capable and not n.offline
               and not n.drained and n.uuid != node.uuid]
    wanted = min(ctx.snapshot.cluster.candidate_pool_size, len(capable))
    if len(left) < wanted:
        raise OpPrereqError(
            f"Not enough master candidates: would be {len(left)}, should be {wanted}; pass "
            "--auto-promote or --force", ECODE_STATE)
    return []


OPERATIONS = (Modify(),)
