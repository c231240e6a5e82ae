"""``OP_GROUP_ASSIGN_NODES``: move nodes to a group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_STATE, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.group import GroupAssignNodes
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.ssconf import distribute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class AssignPlan:
    """The nodes as they will be."""

    nodes: tuple[Node, ...]


class Assign(Operation[GroupAssignNodes, AssignPlan]):
    """Move nodes; instances whose nodes would end up in two groups stop it, unless forced."""

    opcode = GroupAssignNodes

    def locks(self, op: GroupAssignNodes, snapshot: Snapshot) -> LockRequest:
        nodes = [snapshot.node(name) for name in op.nodes]
        groups = {snapshot.group(op.group_name).uuid, *(node.group for node in nodes)}
        return request(op, *(Want(Level.GROUP, group) for group in groups),
                       *(Want(Level.NODE, node.uuid) for node in nodes))

    def plan(self, op: GroupAssignNodes, ctx: OpContext) -> AssignPlan:
        group = ctx.snapshot.group(op.group_name)
        nodes = [ctx.snapshot.node(name) for name in op.nodes]
        moving = {node.uuid: group.uuid for node in nodes if node.group != group.uuid}
        before, after = _split(ctx, {}), _split(ctx, moving)
        new = sorted(after - before)
        if new and not op.force:
            raise OpPrereqError(f"{len(new)} instances get split by this change and --force was "
                                f"not given: {', '.join(new)}", ECODE_STATE)
        if new:
            ctx.warn(f"This operation will split the following instances: {', '.join(new)}")
        if before & after:
            ctx.warn("In addition, these already-split instances continue to be split across "
                     f"groups: {', '.join(sorted(before & after))}")
        return AssignPlan(tuple(
            replace(node, group=group.uuid) for node in nodes if node.uuid in moving))

    def run(self, op: GroupAssignNodes, ctx: OpContext, plan: AssignPlan) -> None:
        ctx.commit([Put(node) for node in plan.nodes])
        distribute(ctx)


def _split(ctx: OpContext, moving: Mapping[str, str]) -> set[str]:
    """The names of instances whose nodes are in several groups, when `moving` has been done."""
    def groups(instance: Instance) -> set[str]:
        return {moving.get(uuid, ctx.snapshot.nodes[uuid].group)
                for uuid in (instance.primary_node, *instance.secondary_nodes)}

    return {instance.name for instance in ctx.snapshot.instances.values()
            if len(groups(instance)) > 1}


OPERATIONS = (Assign(),)
