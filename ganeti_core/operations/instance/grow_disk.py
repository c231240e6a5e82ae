"""``OP_INSTANCE_GROW_DISK``: make a disk larger.

A disk cannot shrink, so there is no undo. A node that says *no* fails the operation and nothing is
changed. A node whose answer is lost may have grown the disk, or grow it yet: from there the only
way is forward, so the new size is committed and the growing is owed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.store import Put
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    GanetiError,
    NodeUnreachable,
    OpExecError,
    OpPrereqError,
    OutcomeUnknown,
)
from ganeti_core.opcodes.instance import InstanceGrowDisk
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disks import check_space
from ganeti_core.operations.instance.policy import (
    check_policy_change,
    shape_of,
    with_disk_size,
)
from ganeti_core.operations.instance.running import lock_instance, primary_of, running_on
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, GROWABLE

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.rpc.calls import Call


@dataclass(frozen=True)
class GrowPlan:
    """Which disk becomes how large (MiB), and the nodes that hold it."""

    instance: Instance
    index: int
    disk: Disk
    size: int
    nodes: tuple[Node, ...]
    runs: bool


class Grow(Operation[InstanceGrowDisk, GrowPlan]):
    """Grow one disk on every node that holds it."""

    opcode = InstanceGrowDisk

    def locks(self, op: InstanceGrowDisk, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceGrowDisk, ctx: OpContext) -> GrowPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        node = primary_of(ctx, instance)
        index = _index(op.disk, len(instance.disks))
        disk = ctx.snapshot.disks_of(instance)[index]
        if GROWABLE not in ctx.host.describe(DISK_TEMPLATES, disk.template).capabilities:
            raise OpPrereqError("Instance's disk layout does not support growing", ECODE_INVAL)
        size = op.amount if op.absolute else disk.size + op.amount
        if size < disk.size:
            raise OpPrereqError(
                f"Requested size ({size} MiB) is smaller than current disk size "
                f"({disk.size} MiB)", ECODE_STATE)
        if not op.ignore_ipolicy:
            check_policy_change(
                ctx, instance, with_disk_size(shape_of(ctx, instance), index, size))
        nodes = (node, *(ctx.snapshot.nodes[uuid] for uuid in instance.secondary_nodes))
        for holder in nodes:
            if holder.offline:
                raise OpPrereqError(f"Node '{holder.name}' is offline", ECODE_STATE)
            check_space(ctx, holder, disk.template, size - disk.size)
        runs = running_on(ctx, instance, node) is not None
        return GrowPlan(instance, index, disk, size, nodes, runs)

    def scripts(self, op: InstanceGrowDisk, ctx: OpContext, plan: GrowPlan) -> Scripts:
        own = texts(disk=plan.index, amount=op.amount, absolute=op.absolute)
        return instance_scripts(ctx, "disk-grow", plan.instance, own)

    def run(self, op: InstanceGrowDisk, ctx: OpContext, plan: GrowPlan) -> None:
        instance = plan.instance
        ctx.feedback(f"Growing disk {plan.index} of instance '{instance.name}' by "
                     f"{plan.size - plan.disk.size}M to {plan.size}M")
        owed = _grow(ctx, plan)
        ctx.commit([Put(replace(plan.disk, size=plan.size))], forward=owed)
        if not owed and op.wait_for_sync:
            ctx.info(f"Waiting for instance {instance.name} to sync disks")
            ctx.info(f"Instance {instance.name}'s disks are in sync")
        if plan.runs:
            ctx.info(f"The running guest of {instance.name} sees the new size when it starts next")


def _index(asked: Any, count: int) -> int:
    try:
        index = int(asked)
    except (TypeError, ValueError) as exc:
        raise OpPrereqError(f"Invalid disk index: {exc}", ECODE_INVAL) from exc
    if not 0 <= index < count:
        # Letter by letter the peer's text.
        raise OpPrereqError(
            f"Invalid disk index: {index} (instace has disks 0 to {count - 1}", ECODE_INVAL)
    return index


def _grow(ctx: OpContext, plan: GrowPlan) -> list[tuple[Node, Call, str]]:
    """Grow everywhere; answers what silent nodes still owe.

    :raises OpExecError: a node refused
    """
    spec = disks_of(ctx, plan.instance)[plan.index]
    call = ctx.hook_call(DISK_TEMPLATES, plan.disk.template, "grow", subject=plan.instance.uuid,
                         disk=spec, size=plan.size)
    note = f"grow disk {plan.index} of {plan.instance.name} to {plan.size} MiB"
    owed: list[tuple[Node, Call, str]] = []
    for node in plan.nodes:
        try:
            ctx.call(node, call)
        except NodeUnreachable as exc:
            if node is plan.nodes[0]:
                raise OpExecError(f"Could not {note} on node {node.name}: {exc}") from exc
            owed.append((node, call, note))
        except OutcomeUnknown:
            owed.append((node, call, note))
        except GanetiError as exc:
            raise OpExecError(f"Could not {note} on node {node.name}: "
                              f"{exc.args[0] if exc.args else exc}") from exc
    return owed


OPERATIONS = (Grow(),)
