"""``OP_INSTANCE_GROW_DISK``: make a disk larger.

A disk cannot shrink, so there is no undo. A node that says *no* fails the operation and nothing is
changed. A node whose answer is lost may have grown the disk, or grow it yet: from there the only
way is forward, so the new size is committed and the growing is owed.

A running guest is told after the commit. Where it cannot be, the disk has grown all the same, and
the guest sees that when it starts next.
"""

from __future__ import annotations

from dataclasses import replace
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
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.instance import InstanceGrowDisk
from ganeti_core.operations.base import Operation
from ganeti_core.operations.disk_work import (
    carry_out,
    close_calls,
    open_disks,
    owed_calls,
    plan_verb,
    wipe_disks,
)
from ganeti_core.operations.driver_needs import disk_needs
from ganeti_core.operations.instance.resizing import resize_for_guest
from ganeti_core.operations.instance.running import lock_instance, primary_of, running_on
from ganeti_core.operations.instance.scripts import instance_scripts
from ganeti_core.operations.instance.syncing import wait_for_sync
from ganeti_core.operations.instance_policy import check_policy_change, shape_of, with_disk_size
from ganeti_core.operations.placement.disk_space import reserve_space
from ganeti_core.operations.scripts import Scripts, texts
from ganeti_core.operations.specs import disks_of
from ganeti_core.plugin_api.disk import DISK_TEMPLATES, GROWABLE
from ganeti_core.specs.storages import space_to_grow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Disk, Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.operations.node_drivers import Need
    from ganeti_core.plugin_api.data import DiskSpec
    from ganeti_core.plugin_api.disk_steps import DiskStep


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
            raise OpPrereqError(f"Disks of the template {disk.template} cannot be grown",
                                ECODE_INVAL)
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
        steps = plan_verb(ctx, "grow", [disks_of(ctx, instance)[index]], nodes, size=size)
        reserve_space(ctx, instance.name, nodes, space_to_grow(ctx.on_master, (
            (step.disk, step.arguments["size"]) for step in steps
            if step.node == node.uuid and "size" in step.arguments)))
        runs = running_on(ctx, instance, node) is not None
        return GrowPlan(instance, index, disk, size, nodes, runs)

    def scripts(self, op: InstanceGrowDisk, ctx: OpContext, plan: GrowPlan) -> Scripts:
        own = texts(disk=plan.index, amount=op.amount, absolute=op.absolute)
        return instance_scripts(ctx, "disk-grow", plan.instance, own)

    def needs(self, op: InstanceGrowDisk, ctx: OpContext, plan: GrowPlan) -> list[Need]:
        return disk_needs([plan.disk], plan.nodes)

    def run(self, op: InstanceGrowDisk, ctx: OpContext, plan: GrowPlan) -> None:
        instance = plan.instance
        ctx.feedback(f"Growing disk {plan.index} of instance '{instance.name}' by "
                     f"{plan.size - plan.disk.size}M to {plan.size}M")
        spec = disks_of(ctx, instance)[plan.index]
        steps = plan_verb(ctx, "grow", [spec], plan.nodes, size=plan.size)
        owed = _grow(ctx, plan, steps)
        after = owed or _wipe_grown(ctx, plan, spec)
        sizes = {step.disk.uuid: step.arguments["size"] for step in steps}
        ctx.commit([Put(_sized(plan.disk, sizes))], forward=after)
        if plan.runs:
            _tell_guest(ctx, instance, plan.index, owed)
        if not owed and op.wait_for_sync and instance.disks_active:
            wait_for_sync(ctx, instance)

    def resume(self, op: InstanceGrowDisk, ctx: OpContext) -> None:
        instance = ctx.current.instance(op.instance_name)
        if running_on(ctx, instance, primary_of(ctx, instance)) is not None:
            resize_for_guest(ctx, instance, int(op.disk))


def _tell_guest(ctx: OpContext, instance: Instance, index: int, owed: Sequence[Owed]) -> None:
    if owed:
        ctx.warn(f"The running guest of {instance.name} sees the new size of disk {index} when it "
                 "starts next, since a node that did not answer grows it later")
    else:
        resize_for_guest(ctx, instance, index)


def _index(asked: Any, count: int) -> int:
    try:
        index = int(asked)
    except (TypeError, ValueError) as exc:
        raise OpPrereqError(f"Invalid disk index: {exc}", ECODE_INVAL) from exc
    if not 0 <= index < count:
        # Letter by letter Ganeti's text.
        raise OpPrereqError(
            f"Invalid disk index: {index} (instace has disks 0 to {count - 1}", ECODE_INVAL)
    return index


def _sized(disk: Disk, sizes: dict[str, int]) -> Disk:
    """The disk, and those that it lies on, as large as they have grown."""
    return replace(disk, size=sizes.get(disk.uuid, disk.size),
                   children=tuple(_sized(child, sizes) for child in disk.children))


def _wipe_grown(ctx: OpContext, plan: GrowPlan, disk: DiskSpec) -> list[Owed]:
    """Wipe what the disk has grown, where the cluster wants it; return what closes it again.

    Where that fails the disk is as large as before in the configuration, and the same again grows
    nothing but wipes.
    """
    if not ctx.current.cluster.prealloc_wipe_disks:
        return []
    instance, grown = plan.instance, replace(disk, size=plan.size)
    opened = open_disks(ctx, plan.nodes, instance.uuid, [grown], undo=not instance.disks_active)
    wipe_disks(ctx, plan.nodes[0], instance.uuid, opened, plan.disk.size)
    if instance.disks_active:
        return []
    return close_calls(ctx, plan.nodes, instance.uuid, [grown])


def _grow(ctx: OpContext, plan: GrowPlan, steps: Sequence[DiskStep]) -> list[Owed]:
    """Grow everywhere, copies first; return what silent nodes still owe.

    :raises OpExecError: a node refused, or none has grown it yet and the first is silent
    """
    for at, step in enumerate(steps):
        try:
            carry_out(ctx, plan.instance.uuid, [step])
        except GanetiError as exc:
            may_have_grown = at > 0 if isinstance(exc, NodeUnreachable) else (
                isinstance(exc, OutcomeUnknown))
            if may_have_grown:
                return owed_calls(ctx, plan.instance.uuid, steps[at:])
            raise OpExecError(
                f"Could not grow disk {plan.index} of {plan.instance.name} to {plan.size} MiB on "
                f"node {ctx.current.nodes[step.node].name}: "
                f"{exc.message}") from exc
    return []


OPERATIONS = (Grow(),)
