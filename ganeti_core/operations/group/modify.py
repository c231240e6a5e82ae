"""``OP_GROUP_SET_PARAMS``: change what a group's nodes and instances inherit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_INVAL, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model.params import filled_beparams, filled_ipolicy
from ganeti_core.opcodes.group import GroupSetParams
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.inherited import (
    changed_disk_state,
    changed_diskparams,
    changed_hv_state,
    changed_ipolicy,
    changed_ndparams,
    check_policy_templates,
)
from ganeti_core.operations.instance_policy import policy_problems
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import distribute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Instance, NodeGroup
    from ganeti_core.operations.context import OpContext

_NOTHING = "Please pass at least one modification"


@dataclass(frozen=True)
class GroupPlan:
    """The group as it will be, and what to tell of the changes."""

    group: NodeGroup
    told: tuple[tuple[str, Any], ...]


class Modify(Operation[GroupSetParams, GroupPlan]):
    """Change a group; return (what, new value) pairs of parameters."""

    opcode = GroupSetParams

    def locks(self, op: GroupSetParams, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.GROUP, snapshot.group(op.group_name).uuid))

    def plan(self, op: GroupSetParams, ctx: OpContext) -> GroupPlan:
        group = ctx.snapshot.group(op.group_name)
        if not any((op.alloc_policy, op.ndparams, op.diskparams, op.ipolicy, op.hv_state,
                    op.disk_state)):
            raise OpPrereqError(_NOTHING, ECODE_INVAL)
        after = replace(
            group, alloc_policy=op.alloc_policy or group.alloc_policy,
            ndparams=changed_ndparams(group.ndparams, op.ndparams or {}),
            hv_state_static=changed_hv_state(ctx.host, group.hv_state_static, op.hv_state),
            disk_state_static=changed_disk_state(
                ctx.host, group.disk_state_static, op.disk_state),
            diskparams=changed_diskparams(ctx.host, group.diskparams, op.diskparams or {}),
            ipolicy=changed_ipolicy(ctx.host, group.ipolicy, op.ipolicy or {}, of_group=True))
        if op.ipolicy:
            cluster = ctx.snapshot.cluster
            check_policy_templates(cluster, after, op.ipolicy)
            warn_of_violations(ctx, {group.uuid: filled_ipolicy(cluster, after)})
        told: list[tuple[str, Any]] = []
        if op.ndparams:
            told.append(("ndparams", str(after.ndparams)))
        if op.diskparams:
            told.append(("diskparams", str(after.diskparams)))
        return GroupPlan(after, tuple(told))

    def scripts(self, op: GroupSetParams, ctx: OpContext, plan: GroupPlan) -> Scripts:
        own = texts(group_name=plan.group.name, new_alloc_policy=op.alloc_policy)
        return Scripts("group-modify", "GROUP", own)

    def run(self, op: GroupSetParams, ctx: OpContext, plan: GroupPlan) -> list[tuple[str, Any]]:
        result = list(plan.told)
        ctx.commit([Put(plan.group)], result)
        if op.ndparams:
            distribute(ctx)
        return result


def warn_of_violations(ctx: OpContext, policies: Mapping[str, Mapping[str, Any]]) -> None:
    """Name the instances that a new policy leaves outside and the old one did not.

    :param policies: the filled policies that will hold, by the groups' uuids
    """
    cluster = ctx.snapshot.cluster
    names = []
    for instance in ctx.snapshot.instances.values():
        group = ctx.snapshot.groups[ctx.snapshot.nodes[instance.primary_node].group]
        policy = policies.get(group.uuid)
        if policy is not None and _violates(ctx, instance, policy) and not _violates(
                ctx, instance, filled_ipolicy(cluster, group)):
            names.append(instance.name)
    if names:
        ctx.warn("After the ipolicy change the following instances violate them: "
                 f"{', '.join(sorted(names))}")


def _violates(ctx: OpContext, instance: Instance, policy: Mapping[str, Any]) -> bool:
    sizes = [disk.size for disk in ctx.snapshot.disks_of(instance)]
    return bool(policy_problems(
        policy, filled_beparams(ctx.snapshot.cluster, instance), instance.disk_template,
        (sizes, len(instance.nics))))


OPERATIONS = (Modify(),)
