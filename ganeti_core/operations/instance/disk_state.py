"""``OP_INSTANCE_ACTIVATE_DISKS`` and ``_DEACTIVATE_DISKS``: open and close an instance's disks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.config.store import Put
from ganeti_core.errors import ECODE_STATE, GanetiError, OpExecError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.opcodes.instance import InstanceActivateDisks, InstanceDeactivateDisks
from ganeti_core.operations.base import Operation
from ganeti_core.operations.debt import Debt
from ganeti_core.operations.driver_needs import disk_needs
from ganeti_core.operations.instance.running import (
    close_on,
    disk_nodes,
    lock_instance,
    open_on,
    primary_of,
)
from ganeti_core.operations.instance.stopped import check_not_running
from ganeti_core.operations.instance.syncing import wait_for_sync

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.model import Instance, Node
    from ganeti_core.operations.context import OpContext
    from ganeti_core.operations.disk_work import Owed
    from ganeti_core.operations.node_drivers import Need

_REASON = "cannot shutdown disks"


@dataclass(frozen=True)
class DisksPlan:
    """Whose disks, and on which node."""

    instance: Instance
    node: Node


class Activate(Operation[InstanceActivateDisks, DisksPlan]):
    """Open the disks on the primary node; return (node, ``disk/N``, path) each."""

    opcode = InstanceActivateDisks

    def locks(self, op: InstanceActivateDisks, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceActivateDisks, ctx: OpContext) -> DisksPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        return DisksPlan(instance, primary_of(ctx, instance))

    def needs(self, op: InstanceActivateDisks, ctx: OpContext, plan: DisksPlan) -> list[Need]:
        return disk_needs(ctx.current.disks_of(plan.instance),
                          disk_nodes(ctx, plan.instance, plan.node))

    def run(
        self, op: InstanceActivateDisks, ctx: OpContext, plan: DisksPlan
    ) -> list[tuple[str, str, str]]:
        # Disks that were open already are in use: a failure must not close them.
        try:
            spec = open_on(ctx, plan.instance, plan.node, undo=not plan.instance.disks_active)
        except GanetiError as exc:
            raise OpExecError(f"Cannot activate block devices: "
                              f"{exc.message}") from exc
        if op.wait_for_sync:
            wait_for_sync(ctx, plan.instance)
        result = [(plan.node.name, f"disk/{disk.index}", disk.path) for disk in spec.disks]
        ctx.commit([Put(replace(plan.instance, disks_active=True))], result)
        return result


class Deactivate(Operation[InstanceDeactivateDisks, DisksPlan]):
    """Close the disks of an instance that does not run; with `force`, those that nobody uses."""

    opcode = InstanceDeactivateDisks

    def locks(self, op: InstanceDeactivateDisks, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: InstanceDeactivateDisks, ctx: OpContext) -> DisksPlan:
        instance = ctx.snapshot.instance(op.instance_name)
        node = primary_of(ctx, instance, offline_ok=op.force)
        if not op.force:
            if instance.admin_state == "up":
                raise OpPrereqError(
                    f"Instance '{instance.name}' is marked to be up, {_REASON}", ECODE_STATE)
            check_not_running(ctx, instance, node, _REASON)
        return DisksPlan(instance, node)

    def run(self, op: InstanceDeactivateDisks, ctx: OpContext, plan: DisksPlan) -> None:
        owed = close_on(ctx, plan.instance, plan.node)
        if op.force:
            owed, are_used = _close_unused(ctx, owed)
            if are_used:
                ctx.commit([])
                return
        ctx.commit([Put(replace(plan.instance, disks_active=False))], forward=owed)


def _close_unused(ctx: OpContext, calls: list[Owed]) -> tuple[list[Owed], bool]:
    """Close disks that somebody may use: what is in use stays open, and nothing is owed for it.

    The node where an instance runs comes first, and where it does not let go of a disk, no other
    node is asked to: what the guest writes would not reach its copy there any more.

    :returns: the calls for nodes that do not answer, and whether a disk stays open
    """
    owed: list[Owed] = []
    nodes = {node.uuid: node for node, _, _ in calls}
    silent = {uuid for uuid, node in nodes.items() if node.offline or _is_silent(ctx, node)}
    for node, call, note in calls:
        try:
            if node.uuid not in silent:
                ctx.call(node, call)
                continue
        except GanetiError as exc:
            if Debt.of(exc).kind == "refused":
                ctx.warn(f"Could not {note} on node {node.name}, it stays open: {exc}")
                return [], True
            ctx.check_cancelled()
            silent.add(node.uuid)
        owed.append((node, call, note))
    return owed, False


def _is_silent(ctx: OpContext, node: Node) -> bool:
    """Whether a node does not answer to which something is owed: it takes no call before that."""
    left = ctx.services.pay_debts(node.uuid, frozenset())
    return any(one.debt is None or one.debt.kind == "silent" for one in left)


OPERATIONS = (Activate(), Deactivate())
