"""Operations that become other jobs: what an allocator answered, made into opcodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.reservations import Reservation, Resources
from ganeti_core.errors import (
    ECODE_INVAL,
    ECODE_STATE,
    OpExecError,
    OpPrereqError,
    RequestError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model.params import filled_beparams
from ganeti_core.opcodes.instance import InstanceFailover, InstanceMigrate, InstanceReplaceDisks
from ganeti_core.opcodes.registry import parse
from ganeti_core.operations.placement.choose import check_nodes, solution
from ganeti_core.operations.placement.document import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import NodeGroup
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.context import OpContext

Jobs = list[list["OpCode"]]


@dataclass(frozen=True)
class Moves:
    """What an allocator wants done: jobs, and the instances (name, why) that cannot move."""

    jobs: Jobs
    failed: tuple[tuple[str, str], ...] = ()


def submitted(
    ctx: OpContext, op: OpCode, jobs: Sequence[Sequence[OpCode]],
    failed: Iterable[tuple[str, str]] = (), *, pivot: bool = True,
) -> dict[str, Any]:
    """Submit the jobs that an opcode becomes; its result when it is only that.

    Memory on the targets is set aside for them, until they have moved.

    :param failed: instances for which there is no job, and why: in the place of jobs that could
        not be submitted
    :param pivot: what else it does comes before
    """
    stay = [[False, f"Instance {name} cannot be moved: {why}"] for name, why in failed]

    def result(ids: Sequence[int]) -> dict[str, Any]:
        return {"jobs": [*([True, job_id] for job_id in ids), *stay]}

    return result(ctx.submit_jobs(op, jobs, [_reservation(ctx, job) for job in jobs],
                                  result if pivot else None) if jobs else ())


def _reservation(ctx: OpContext, job: Iterable[OpCode]) -> Reservation | None:
    """The memory that the moved instance needs on its target, if it is known and runs."""
    for op in job:
        if isinstance(op, InstanceFailover | InstanceMigrate):
            instance = ctx.current.instance(op.instance_name)
            target = (ctx.current.node(op.target_node).uuid if op.target_node is not None
                      else next(iter(instance.secondary_nodes), None))
            if target is None or instance.admin_state != "up":
                return None
            memory = filled_beparams(ctx.current.cluster, instance)["maxmem"]
            return Reservation(instance.name, {target: Resources(memory=memory)})
    return None


@dataclass(frozen=True)
class Wish:
    """What an allocator is asked to move.

    :param what: of the message when it finds nothing: ``Can't compute WHAT using ...``
    :param partly: the others move although some cannot
    """

    request: dict[str, Any]
    what: str
    partly: bool = False
    ignore_soft_errors: bool = False


def solved(ctx: OpContext, allocator: str, wish: Wish) -> Moves:
    """Ask an allocator for moves. Call it in the reservations' turn, and submit the jobs there.

    :raises OpPrereqError: it found no solution (`ECODE_NORES`)
    :raises OpExecError: instances cannot move, or the answer makes no sense
    """
    extra = {"ignore-soft-errors": None} if wish.ignore_soft_errors else {}
    result = solution(ctx, allocator, Request(wish.request), wish.what, extra)
    match result:
        case [list(moved), list(failed), list(jobs)] if _are_moves(moved) and _are_pairs(failed):
            for _, _, nodes in moved:
                check_nodes(ctx, allocator, nodes)
            cannot = tuple((str(name), str(why)) for name, why in failed)
            _tell(ctx, moved, cannot, partly=wish.partly)
            return Moves(_opcodes(allocator, jobs), cannot)
    raise OpExecError(f"iallocator '{allocator}' gave a result of the wrong form, which must be "
                      f"[moved, failed, jobs]: {str(result)[:200]}")


def _are_moves(entries: Iterable[Any]) -> bool:
    return all(isinstance(entry, list) and len(entry) == 3 and isinstance(entry[2], list)
               for entry in entries)


def _are_pairs(entries: Iterable[Any]) -> bool:
    return all(isinstance(entry, list) and len(entry) == 2 for entry in entries)


def _tell(
    ctx: OpContext, moved: Sequence[Any], failed: Iterable[tuple[str, str]], *, partly: bool
) -> None:
    bad = ", ".join(f"{name} ({reason})" for name, reason in failed)
    if bad:
        ctx.warn(f"Unable to evacuate instances {bad}")
        if not (partly and moved):
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
    :raises OpPrereqError: there is none, or one of those being left, or none has a node to move to
    """
    groups: list[NodeGroup] = [snapshot.group(name) for name in asked or ()]
    wrong = [group.name for group in groups if group.uuid in left]
    if wrong:
        raise OpPrereqError(refusal.format(names=", ".join(wrong)), ECODE_INVAL)
    uuids = [group.uuid for group in groups] or [
        uuid for uuid in snapshot.groups if uuid not in left]
    if not uuids:
        raise OpPrereqError("There are no possible target groups", ECODE_INVAL)
    # An allocator has no word for a group without nodes.
    if not any(node.group in uuids and node.vm_capable and not node.offline
               for node in snapshot.nodes.values()):
        names = ", ".join(snapshot.groups[uuid].name for uuid in uuids)
        raise OpPrereqError(
            f"No node of the target group(s) {names} can take instances: none is there that is "
            "online and vm_capable", ECODE_STATE)
    return list(dict.fromkeys(uuids))
