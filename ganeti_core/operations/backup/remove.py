"""``OP_BACKUP_REMOVE`` and ``OP_BACKUP_PREPARE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.errors import ECODE_INVAL, GanetiError, OpPrereqError
from ganeti_core.opcodes.backup import BackupPrepare, BackupRemove
from ganeti_core.opcodes.unavailable import MARK
from ganeti_core.operations.backup.nodes import export_call, export_lock, stored_on, subject_of
from ganeti_core.operations.base import Operation, request
from ganeti_core.operations.instance.running import lock_instance, primary_of

if TYPE_CHECKING:
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.locking import LockRequest
    from ganeti_core.operations.context import OpContext

MISSING = ("Export not found. If trying to remove an export belonging to a deleted instance please "
           "use its Fully Qualified Domain Name.")


def check_mode(mode: str) -> None:
    """:raises OpPrereqError: it is an export to another cluster (`ECODE_INVAL`)"""
    if mode != "local":
        raise OpPrereqError(f"The export mode '{mode}', to another cluster, is {MARK}",
                            ECODE_INVAL)


class Prepare(Operation[BackupPrepare, None]):
    """Say what an export needs to know before it begins: nothing, within the cluster."""

    opcode = BackupPrepare

    def locks(self, op: BackupPrepare, snapshot: Snapshot) -> LockRequest:
        return lock_instance(op, snapshot, op.instance_name)

    def plan(self, op: BackupPrepare, ctx: OpContext) -> None:
        check_mode(op.mode)
        primary_of(ctx, ctx.snapshot.instance(op.instance_name))

    def run(self, op: BackupPrepare, ctx: OpContext, plan: None) -> None:
        pass


class Remove(Operation[BackupRemove, str]):
    """Remove all exports of an instance, which need not exist any more."""

    opcode = BackupRemove
    of_forthcoming = True

    def locks(self, op: BackupRemove, snapshot: Snapshot) -> LockRequest:
        return request(op, export_lock(_name(snapshot, op), exclusive=True))

    def plan(self, op: BackupRemove, ctx: OpContext) -> str:
        return _name(ctx.snapshot, op)

    def run(self, op: BackupRemove, ctx: OpContext, plan: str) -> None:
        nodes = ctx.current.nodes
        forward = []
        for node in nodes.values():
            if node.offline:
                ctx.warn(f"Failed to query node {node.name} (continuing): it is marked offline")
        for uuid, names in stored_on(ctx, nodes.values()).items():
            if isinstance(names, GanetiError):
                ctx.warn(f"Failed to query node {nodes[uuid].name} (continuing): {names.message}")
            elif plan in names:
                forward.append((nodes[uuid], export_call("remove", subject_of(plan), name=plan),
                                f"remove the export of {plan}"))
        if not forward and not _is_known(ctx.snapshot, op):
            ctx.feedback(MISSING)
        ctx.commit([], forward=forward)


def _is_known(snapshot: Snapshot, op: BackupRemove) -> bool:
    return snapshot.find("instance", op.instance_name) is not None


def _name(snapshot: Snapshot, op: BackupRemove) -> str:
    """The full name of the instance; what was given, if there is none."""
    found = snapshot.find("instance", op.instance_name)
    return op.instance_name if found is None else str(found.name)


OPERATIONS = (Prepare(), Remove())
