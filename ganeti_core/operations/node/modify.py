"""``OP_NODE_SET_PARAMS``: change a node's role and parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, ECODE_STATE, OpPrereqError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model.cluster import NDPARAMS_DEFAULTS
from ganeti_core.opcodes.node import NodeSetParams
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.ssconf import candidates_of, distribute

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


class Modify(Operation[NodeSetParams, ModifyPlan]):
    """Change a node."""

    opcode = NodeSetParams

    def locks(self, op: NodeSetParams, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.NODE, snapshot.node(op.node_name).uuid))

    def plan(self, op: NodeSetParams, ctx: OpContext) -> ModifyPlan:
        node = ctx.snapshot.node(op.node_name)
        asked = {name: getattr(op, name) for name in _FLAGS if getattr(op, name) is not None}
        if not asked and op.secondary_ip is None and not op.ndparams:
            raise OpPrereqError("Please pass at least one modification", ECODE_INVAL)
        if sum(bool(asked.get(name)) for name in ("master_candidate", "offline", "drained")) > 1:
            raise OpPrereqError(
                "Can't set the node into more than one state at the same time", ECODE_INVAL)
        _check_master(ctx, node, asked)
        changed = _with_ndparams(_with_flags(node, asked), op)
        _check_candidates(op, ctx, node, changed)
        differences = tuple(
            (name, getattr(changed, name)) for name in (*_FLAGS, "secondary_ip")
            if getattr(changed, name) != getattr(node, name))
        return ModifyPlan(changed, (*differences, *(op.ndparams or {}).items()))

    def run(self, op: NodeSetParams, ctx: OpContext, plan: ModifyPlan) -> list[tuple[str, Any]]:
        result = list(plan.changes)
        ctx.commit([Put(plan.node)], result)
        if op.offline is False:
            ctx.info("Transitioning node from offline to online; if it was rebuilt, use "
                     "gnt-node add --readd instead")
        distribute(ctx)
        role = plan.node.role(ctx.current.cluster.master_node).value
        ctx.services.events.tell(
            "node_role_changed", name=plan.node.name, uuid=plan.node.uuid, role=role)
        return result


def _check_master(ctx: OpContext, node: Node, asked: dict[str, Any]) -> None:
    if node.uuid != ctx.snapshot.cluster.master_node:
        return
    if asked.get("offline") or asked.get("drained") or asked.get("master_candidate") is False:
        raise OpPrereqError("The master role can be changed only via master-failover", ECODE_INVAL)


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


def _with_ndparams(node: Node, op: NodeSetParams) -> Node:
    params = dict(node.ndparams)
    for name, value in (op.ndparams or {}).items():
        if name not in NDPARAMS_DEFAULTS:
            raise OpPrereqError(f"Unknown parameter '{name}'", ECODE_INVAL)
        if value == "default":
            params.pop(name, None)
        else:
            params[name] = value
    return replace(node, ndparams=params, secondary_ip=op.secondary_ip or node.secondary_ip)


def _check_candidates(op: NodeSetParams, ctx: OpContext, node: Node, changed: Node) -> None:
    """A cluster whose only candidate leaves has no copy of its configuration."""
    if not node.master_candidate or changed.master_candidate or op.force:
        return
    left = [n for n in candidates_of(ctx.snapshot) if n.uuid != node.uuid]
    capable = [n for n in ctx.snapshot.nodes.values() if n.master_capable and not n.offline
               and not n.drained and n.uuid != node.uuid]
    wanted = min(ctx.snapshot.cluster.candidate_pool_size, len(capable))
    if len(left) < wanted and not op.auto_promote:
        raise OpPrereqError(
            f"Not enough master candidates: would be {len(left)}, should be {wanted}; pass "
            "--auto-promote or --force", ECODE_STATE)


OPERATIONS = (Modify(),)
