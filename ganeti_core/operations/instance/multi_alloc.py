"""``OP_INSTANCE_MULTI_ALLOC``: create several instances, their nodes chosen together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_EXISTS,
    ECODE_INVAL,
    ECODE_NORES,
    OpExecError,
    OpPrereqError,
    RequestError,
)
from ganeti_core.opcodes.instance import InstanceCreate, InstanceMultiAlloc
from ganeti_core.operations.base import Operation
from ganeti_core.operations.expand import submitted
from ganeti_core.operations.instance.allocation import Wanted, allocation_item
from ganeti_core.operations.placement import ask_allocator, default_allocator

if TYPE_CHECKING:
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class MultiPlan:
    """The creations that can be tried, by name, and the names for which there is no room."""

    creations: dict[str, InstanceCreate]
    failed: tuple[str, ...]


class MultiAlloc(Operation[InstanceMultiAlloc, MultiPlan]):
    """Choose nodes for all, then create each in a job of its own."""

    opcode = InstanceMultiAlloc

    def plan(self, op: InstanceMultiAlloc, ctx: OpContext) -> MultiPlan:
        creations = _creations(op, ctx)
        placed = [name for name, creation in creations.items() if creation.pnode]
        if placed and op.iallocator is None and len(placed) == len(creations):
            return MultiPlan(creations, ())
        if placed:
            raise OpPrereqError("Mixing instances with and without a node is not possible: "
                                f"{', '.join(placed)}", ECODE_INVAL)
        allocator = default_allocator(ctx, op.iallocator)
        answer = ask_allocator(ctx, allocator, {
            "type": "multi-allocate",
            "instances": [_item(ctx, creation) for creation in creations.values()]})
        if not answer.get("success"):
            raise OpPrereqError(f"Can't compute nodes using iallocator '{allocator}': "
                                f"{answer.get('info', '')}", ECODE_NORES)
        return _placed(allocator, answer, creations)

    def run(self, op: InstanceMultiAlloc, ctx: OpContext, plan: MultiPlan) -> dict[str, Any]:
        jobs = submitted(ctx, op, [[creation] for creation in plan.creations.values()])
        return {**jobs, "allocatable": list(plan.creations), "failed": list(plan.failed)}


def _creations(op: InstanceMultiAlloc, ctx: OpContext) -> dict[str, InstanceCreate]:
    found: dict[str, InstanceCreate] = {}
    for entry in op.instances:
        try:
            creation = InstanceCreate.parse(entry)
        except (RequestError, TypeError, AttributeError) as exc:
            raise OpPrereqError(f"Invalid instance description: {exc}", ECODE_INVAL) from exc
        name = creation.instance_name
        if creation.iallocator:
            raise OpPrereqError(f"Instance {name}: name an iallocator for all instances, not for "
                                "one", ECODE_INVAL)
        if name in found:
            raise OpPrereqError(f"There are duplicate instance names: {name}", ECODE_INVAL)
        if ctx.snapshot.find("instance", name) is not None:
            raise OpPrereqError(f"Instance '{name}' is already in the cluster", ECODE_EXISTS)
        found[name] = creation
    if not found:
        raise OpPrereqError("No instances were given", ECODE_INVAL)
    return found


def _item(ctx: OpContext, creation: InstanceCreate) -> dict[str, Any]:
    item = allocation_item(ctx, Wanted(
        creation.instance_name, creation.disk_template or "diskless",
        creation.hypervisor or ctx.snapshot.cluster.enabled_hypervisors[0],
        creation.os_type or "", creation.beparams, creation.disks, creation.nics, creation.tags))
    group = ctx.snapshot.group(creation.group_name).name if creation.group_name else None
    return {**item, "group_name": group}


def _placed(
    allocator: str, answer: dict[str, Any], creations: dict[str, InstanceCreate]
) -> MultiPlan:
    match answer.get("result"):
        case [list(allocated), list(failed)]:
            chosen = {}
            for name, nodes in allocated:
                secondary = nodes[1] if len(nodes) > 1 else None
                chosen[name] = replace(creations[name], pnode=nodes[0], snode=secondary)
            return MultiPlan(chosen, tuple(map(str, failed)))
        case other:
            raise OpExecError(f"iallocator '{allocator}' gave a result of the wrong form: "
                              f"{str(other)[:200]}")


OPERATIONS = (MultiAlloc(),)
