"""``OP_GROUP_EVACUATE`` and ``OP_INSTANCE_CHANGE_GROUP``: instances go to other node groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.group import GroupEvacuate
from ganeti_core.opcodes.instance import InstanceChangeGroup
from ganeti_core.operations.base import Operation
from ganeti_core.operations.expand import (
    Wish,
    as_failovers,
    one_after_the_other,
    solved,
    submitted,
    target_groups,
    with_early_release,
)
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.placement.choose import default_allocator
from ganeti_core.operations.scripts import Scripts, texts

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance
    from ganeti_core.operations.context import OpContext


@dataclass(frozen=True)
class LeavePlan:
    """Which instances go, to which groups (uuids), and who chooses their nodes."""

    instances: tuple[str, ...]
    groups: tuple[str, ...]
    allocator: str

    @property
    def request(self) -> dict[str, Any]:
        return {"type": "change-group", "instances": list(self.instances),
                "target_groups": list(self.groups)}


def _groups_of(snapshot: Snapshot, instance: Instance) -> set[str]:
    return {snapshot.nodes[uuid].group
            for uuid in (instance.primary_node, *instance.secondary_nodes)}


class ChangeGroup(Operation[InstanceChangeGroup, LeavePlan]):
    """One instance goes to another group."""

    opcode = InstanceChangeGroup

    def plan(self, op: InstanceChangeGroup, ctx: OpContext) -> LeavePlan:
        instance = ctx.snapshot.instance(op.instance_name)
        groups = target_groups(
            ctx.snapshot, op.target_groups, _groups_of(ctx.snapshot, instance),
            "Can't use group(s) {names} as targets, they are used by the instance "
            f"'{instance.name}'")
        return LeavePlan((instance.name,), tuple(groups), default_allocator(ctx, op.iallocator))

    def scripts(self, op: InstanceChangeGroup, ctx: OpContext, plan: LeavePlan) -> Scripts:
        own = texts(target_groups=plan.groups)
        instance = ctx.snapshot.instance(plan.instances[0])
        return instance_scripts(ctx, "instance-change-group", instance, own, nodes=((), ()))

    def run(self, op: InstanceChangeGroup, ctx: OpContext, plan: LeavePlan) -> dict[str, Any]:
        wish = Wish(
            plan.request, f"solution for changing group of instance '{plan.instances[0]}'")
        with ctx.services.reservations.turn():
            jobs = solved(ctx, plan.allocator, wish).jobs
            return submitted(ctx, op, with_early_release(jobs, op.early_release))


class Evacuate(Operation[GroupEvacuate, LeavePlan]):
    """All instances leave a group."""

    opcode = GroupEvacuate

    def plan(self, op: GroupEvacuate, ctx: OpContext) -> LeavePlan:
        group = ctx.snapshot.group(op.group_name)
        groups = target_groups(
            ctx.snapshot, op.target_groups, {group.uuid},
            "Can't evacuate to the group(s) {names}: that is what is to be evacuated")
        names = sorted(instance.name for instance in ctx.snapshot.instances.values()
                       if group.uuid in _groups_of(ctx.snapshot, instance))
        allocator = default_allocator(ctx, op.iallocator)
        return LeavePlan(tuple(names), tuple(groups), allocator)

    def scripts(self, op: GroupEvacuate, ctx: OpContext, plan: LeavePlan) -> Scripts:
        own = texts(group_name=op.group_name, target_groups=plan.groups)
        group = ctx.snapshot.group(op.group_name)
        members = tuple(node.uuid for node in ctx.snapshot.members_of(group.uuid))
        return Scripts("group-evacuate", "GROUP", own, before=members, after=members)

    def run(self, op: GroupEvacuate, ctx: OpContext, plan: LeavePlan) -> dict[str, Any]:
        if not plan.instances:
            return {"jobs": []}
        with ctx.services.reservations.turn():
            jobs = solved(ctx, plan.allocator, Wish(plan.request, "group evacuation")).jobs
            jobs = with_early_release(jobs, op.early_release)
            if op.force_failover:
                jobs = as_failovers(jobs)
            if op.sequential:
                jobs = one_after_the_other(jobs)
            return submitted(ctx, op, jobs)


OPERATIONS = (ChangeGroup(), Evacuate())
