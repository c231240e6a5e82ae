"""``OP_NODE_EVACUATE`` and ``OP_NODE_MIGRATE``: instances leave a node, each in a job of its own.

Nothing is locked: the jobs that come of it take their own locks and check again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.instance import InstanceMigrate, InstanceReplaceDisks
from ganeti_core.opcodes.node import NodeEvacuate, NodeMigrate
from ganeti_core.operations.base import Operation
from ganeti_core.operations.expand import Wish, solved, submitted, with_early_release
from ganeti_core.operations.placement.choose import default_allocator
from ganeti_core.operations.scripts import Scripts, texts

if TYPE_CHECKING:
    from ganeti_core.model import Node
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class EvacuatePlan:
    """Which instances leave, and how their places are found."""

    instances: tuple[str, ...]
    allocator: str = ""
    remote: Node | None = None


class Evacuate(Operation[NodeEvacuate, EvacuatePlan]):
    """Move instances away from a node, to where an allocator says."""

    opcode = NodeEvacuate

    def plan(self, op: NodeEvacuate, ctx: OpContext) -> EvacuatePlan:
        node = ctx.snapshot.node(op.node_name)
        names = _instances(op, ctx, node)
        if op.remote_node is None:
            return EvacuatePlan(names, default_allocator(ctx, op.iallocator) if names else "")
        if op.iallocator is not None:
            raise OpPrereqError("Give either an iallocator or a new secondary node, not both",
                                ECODE_INVAL)
        remote = ctx.snapshot.node(op.remote_node)
        if remote.uuid == node.uuid:
            raise OpPrereqError("Remote node cannot be the same as the evacuated node", ECODE_INVAL)
        if op.mode != "secondary-only":
            raise OpPrereqError("Without the use of an iallocator only secondary instances can be "
                                "evacuated", ECODE_INVAL)
        return EvacuatePlan(names, remote=remote)

    def run(self, op: NodeEvacuate, ctx: OpContext, plan: EvacuatePlan) -> dict[str, Any]:
        if not plan.instances:
            return {"jobs": []}
        if plan.remote is not None:
            return submitted(ctx, op, [
                [InstanceReplaceDisks(
                    instance_name=name, mode="replace_new_secondary",
                    remote_node=plan.remote.name, early_release=op.early_release)]
                for name in plan.instances])
        wish = Wish(
            {"type": "node-evacuate", "instances": list(plan.instances), "evac_mode": op.mode},
            "node evacuation", partly=True, ignore_soft_errors=bool(op.ignore_soft_errors))
        with ctx.services.reservations.turn():
            moves = solved(ctx, plan.allocator, wish)
            jobs = with_early_release(moves.jobs, op.early_release)
            return submitted(ctx, op, jobs, moves.failed)


def _instances(op: NodeEvacuate, ctx: OpContext, node: Node) -> tuple[str, ...]:
    names: set[str] = set()
    if op.mode != "secondary-only":
        names |= {instance.name for instance in ctx.snapshot.instances_on(node.uuid)}
    if op.mode != "primary-only":
        names |= {i.name for i in ctx.snapshot.instances_on(node.uuid, secondary=True)}
    return tuple(sorted(names))


class Migrate(Operation[NodeMigrate, tuple[str, ...]]):
    """Migrate all primary instances of a node."""

    opcode = NodeMigrate

    def plan(self, op: NodeMigrate, ctx: OpContext) -> tuple[str, ...]:
        node = ctx.snapshot.node(op.node_name)
        if op.target_node is not None:
            if op.iallocator is not None:
                raise OpPrereqError("Do not specify both, iallocator and target node", ECODE_INVAL)
            if ctx.snapshot.node(op.target_node).uuid == node.uuid:
                raise OpPrereqError("The target node is the one that is to be left", ECODE_INVAL)
        return tuple(sorted(i.name for i in ctx.snapshot.instances_on(node.uuid)))

    def scripts(self, op: NodeMigrate, ctx: OpContext, plan: tuple[str, ...]) -> Scripts:
        own = texts(node_name=ctx.snapshot.node(op.node_name).name,
                    allow_runtime_changes=op.allow_runtime_changes)
        return Scripts("node-migrate", "NODE", own)

    def run(self, op: NodeMigrate, ctx: OpContext, plan: tuple[str, ...]) -> dict[str, Any]:
        return submitted(ctx, op, [[InstanceMigrate(
            instance_name=name, mode=op.mode, live=op.live, iallocator=op.iallocator,
            target_node=op.target_node, allow_runtime_changes=op.allow_runtime_changes,
            ignore_ipolicy=op.ignore_ipolicy)] for name in plan])


OPERATIONS = (Evacuate(), Migrate())
