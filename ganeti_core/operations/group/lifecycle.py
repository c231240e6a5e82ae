"""``OP_GROUP_ADD``, ``_REMOVE`` and ``_RENAME``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Delete, Put
from ganeti_core.errors import ECODE_EXISTS, ECODE_STATE, OpPrereqError
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.model import NodeGroup, new_uuid
from ganeti_core.model.names import plain_name
from ganeti_core.opcodes.group import GroupAdd, GroupRemove, GroupRename
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.communication import network_jobs
from ganeti_core.operations.expand import submitted
from ganeti_core.operations.inherited import (
    changed_disk_state,
    changed_diskparams,
    changed_hv_state,
    changed_ipolicy,
    changed_ndparams,
    check_policy_templates,
)
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.ssconf import distribute

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.operations.context import OpContext


def _check_name(ctx: OpContext, name: str, taken: str) -> None:
    """:raises OpPrereqError: it cannot be a name, or another group has it; `taken` says so"""
    plain_name("group", name)
    uuid = ctx.snapshot.names.get("nodegroup", {}).get(name)
    if uuid is not None:
        raise OpPrereqError(taken.format(name=name, uuid=uuid), ECODE_EXISTS)
    ctx.services.reservations.reserve("name:nodegroup", name, ctx.owner)


class Add(Operation[GroupAdd, NodeGroup]):
    """Make an empty group."""

    opcode = GroupAdd

    def plan(self, op: GroupAdd, ctx: OpContext) -> NodeGroup:
        _check_name(ctx, op.group_name,
                    "Desired group name '{name}' already exists as a node group (UUID: {uuid})")
        group = NodeGroup(
            uuid=new_uuid(), name=op.group_name, alloc_policy=op.alloc_policy or "preferred",
            ndparams=changed_ndparams({}, op.ndparams or {}),
            hv_state_static=changed_hv_state(ctx.host, {}, op.hv_state),
            disk_state_static=changed_disk_state(ctx.host, {}, op.disk_state),
            diskparams=changed_diskparams(ctx.host, {}, op.diskparams or {}),
            ipolicy=changed_ipolicy(ctx.host, {}, op.ipolicy or {}, of_group=True))
        check_policy_templates(ctx.snapshot.cluster, group, op.ipolicy or {})
        return group

    def scripts(self, op: GroupAdd, ctx: OpContext, plan: NodeGroup) -> Scripts:
        return Scripts("group-add", "GROUP", texts(group_name=plan.name))

    def run(self, op: GroupAdd, ctx: OpContext, plan: NodeGroup) -> dict[str, Any] | None:
        ctx.commit([Put(plan)])
        distribute(ctx)
        # What is about the group needs it first: a crash in between leaves a group like any other.
        network = ctx.current.cluster.instance_communication_network
        jobs = network_jobs(ctx.current, network, [plan.name]) if network else []
        return submitted(ctx, op, jobs) if jobs else None


class Remove(Operation[GroupRemove, NodeGroup]):
    """Remove an empty group; the last one stays."""

    opcode = GroupRemove

    def locks(self, op: GroupRemove, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.GROUP, snapshot.group(op.group_name).uuid))

    def plan(self, op: GroupRemove, ctx: OpContext) -> NodeGroup:
        group = ctx.snapshot.group(op.group_name)
        members = sorted(node.uuid for node in ctx.snapshot.members_of(group.uuid))
        if members:
            raise OpPrereqError(f"Group '{group.name}' not empty, has the following nodes: "
                                f"{', '.join(members)}", ECODE_STATE)
        if len(ctx.snapshot.groups) == 1:
            raise OpPrereqError(f"Group '{group.name}' is the only group, cannot be removed",
                                ECODE_STATE)
        return group

    def scripts(self, op: GroupRemove, ctx: OpContext, plan: NodeGroup) -> Scripts:
        return Scripts("group-remove", "GROUP", texts(group_name=plan.name))

    def run(self, op: GroupRemove, ctx: OpContext, plan: NodeGroup) -> None:
        ctx.commit([Delete(plan)])
        distribute(ctx)


class Rename(Operation[GroupRename, NodeGroup]):
    """Rename a group."""

    opcode = GroupRename

    def locks(self, op: GroupRename, snapshot: Snapshot) -> LockRequest:
        return request(op, Want(Level.GROUP, snapshot.group(op.group_name).uuid))

    def plan(self, op: GroupRename, ctx: OpContext) -> NodeGroup:
        group = ctx.snapshot.group(op.group_name)
        _check_name(ctx, op.new_name,
                    "Desired new name '{name}' clashes with existing node group (UUID: {uuid})")
        return replace(group, name=op.new_name)

    def scripts(self, op: GroupRename, ctx: OpContext, plan: NodeGroup) -> Scripts:
        own = texts(old_name=op.group_name, new_name=plan.name)
        members = tuple(node.uuid for node in ctx.current.members_of(plan.uuid))
        return Scripts("group-rename", "GROUP", own, before=members, after=members)

    def run(self, op: GroupRename, ctx: OpContext, plan: NodeGroup) -> str:
        ctx.commit([Put(plan)], plan.name)
        distribute(ctx)
        return plan.name


OPERATIONS = (Add(), Remove(), Rename())
