"""Operations that become other jobs: what an allocator answered, made into opcodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_NORES,
    OpExecError,
    OpPrereqError,
    RequestError,
)
from ganeti_core.opcodes.instance import InstanceFailover, InstanceMigrate, InstanceReplaceDisks
from ganeti_core.opcodes.registry import parse
from ganeti_core.operations.placement import ask_allocator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import NodeGroup
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.context import OpContext

Jobs = list[list["OpCode"]]


def submitted(ctx: OpContext, op: OpCode, jobs: Sequence[Sequence[OpCode]]) -> dict[str, Any]:
    """Submit the jobs that an opcode becomes; its result when it is only that."""
    ids = ctx.submit_jobs(op, jobs) if jobs else []
    return {"jobs": [[True, job_id] for job_id in ids]}


def solved(
    ctx: OpContext, allocator: str, request: dict[str, Any], what: str, *,
    soft: bool = False,
) -> Jobs:
    """Ask an allocator for moves; answers the jobs that make them.

    :param what: of the message when it finds none: ``Can't compute WHAT using ...``
    :param soft: instances that cannot move are told of, and the others move
    :raises OpPrereqError: it found no solution (`ECODE_NORES`)
    :raises OpExecError: some instance cannot move, or the answer makes no sense
    """
    answer = ask_allocator(ctx, allocator, request)
    if not answer.get("success"):
        raise OpPrereqError(f"Can't compute {what} using iallocator '{allocator}': "
                            f"{answer.get('info', '')}", ECODE_NORES)
    match answer.get("result"):
        case [list(moved), list(failed), list(jobs)]:
            _tell(ctx, moved, failed, soft=soft)
            return _opcodes(allocator, jobs)
        case other:
            raise OpExecError(f"iallocator '{allocator}' gave a result of the wrong form: "
                              f"{str(other)[:200]}")


def _tell(ctx: OpContext, moved: Iterable[Any], failed: Iterable[Any], *, soft: bool) -> None:
    bad = ", ".join(f"{name} ({reason})" for name, reason in failed)
    if bad:
        ctx.warn(f"Unable to evacuate instances {bad}")
        if not soft:
            raise OpExecError(f"Unable to evacuate instances {bad}")
    good = ", ".join(f"{name} (to {', '.join(nodes)})" for name, _group, nodes in moved)
    if good:
        ctx.info(f"Instances to be moved: {good}")


def _opcodes(allocator: str, jobs: Iterable[Any]) -> Jobs:
    try:
        return [[parse(op) for op in job] for job in jobs]
    except (RequestError, TypeError) as exc:
        raise OpExecError(
            f"iallocator '{allocator}' answered with jobs that cannot be read: {exc}") from exc


def with_early_release(jobs: Jobs, early: bool) -> Jobs:  # the opcode's own flag
    """Replacements of disks let go of the old secondary early, if that was asked for."""
    return [[replace(op, early_release=early) if isinstance(op, InstanceReplaceDisks) else op
             for op in job] for job in jobs]


def as_failovers(jobs: Jobs) -> Jobs:
    """Migrations become failovers."""
    return [[InstanceFailover(
        instance_name=op.instance_name, target_node=op.target_node, iallocator=op.iallocator,
        ignore_ipolicy=op.ignore_ipolicy) if isinstance(op, InstanceMigrate) else op
        for op in job] for job in jobs]


def one_after_the_other(jobs: Jobs) -> Jobs:
    """Each job waits until the one before it has ended well."""
    def after(job: list[OpCode]) -> list[OpCode]:
        return [replace(job[0], depends=[*(job[0].depends or ()), [-1, ["success"]]]), *job[1:]]

    return [job if at == 0 else after(job) for at, job in enumerate(jobs) if job]


def target_groups(
    snapshot: Snapshot, asked: Sequence[str] | None, left: set[str], refusal: str
) -> list[str]:
    """The uuids of the groups to move to: those asked for, or all but those being left.

    :param left: uuids of the groups that are left
    :param refusal: what to say when one of those is asked for; ``{names}`` becomes their names
    :raises OpPrereqError: there is none, or one of those being left
    """
    groups: list[NodeGroup] = [snapshot.group(name) for name in asked or ()]
    wrong = [group.name for group in groups if group.uuid in left]
    if wrong:
        raise OpPrereqError(refusal.format(names=", ".join(wrong)), ECODE_INVAL)
    uuids = [group.uuid for group in groups] or [
        uuid for uuid in snapshot.groups if uuid not in left]
    if not uuids:
        raise OpPrereqError("There are no possible target groups", ECODE_INVAL)
    return list(dict.fromkeys(uuids))
