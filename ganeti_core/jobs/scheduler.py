"""Which queued jobs may start now: a pure function of jobs, limits, dependencies and buckets.

The engine keeps queued jobs in order and asks here whenever something ended, arrived or changed;
nothing here waits, looks at a clock or changes a job. Rules were judged before (`filters.judge`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.jobs.job import FINAL, Job
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ganeti_core.jobs.filters import Bucket

@dataclass(frozen=True)
class Start:
    """The job may run."""

    job: Job


@dataclass(frozen=True)
class Block:
    """The job waits for the end of another."""

    job: Job
    by: int


@dataclass(frozen=True)
class Park:
    """The job waits for a free slot of a bucket."""

    job: Job
    bucket: Bucket


@dataclass(frozen=True)
class Fail:
    """The job can never run."""

    job: Job
    reason: str


Decision = Start | Block | Park | Fail


def dependencies(job: Job) -> list[tuple[int, list[str]]]:
    """The job's dependencies as (job id, accepted final states)."""
    found: list[tuple[int, list[str]]] = []
    for state in job.ops:
        depends = state.op.depends if state.op else (state.input or {}).get("depends")
        found.extend((int(job_id), list(accepted)) for job_id, accepted in depends or ())
    return found


def choose(
    queued: Iterable[Job], room: int, used: Mapping[str, int],
    buckets_of: Callable[[Job], Iterable[Bucket]], status_of: Callable[[int], str | None],
) -> list[Decision]:
    """Decide about queued jobs until as many may start as there is room for.

    :param queued: in order of urgency; read only as far as is decided about
    :param room: how many more may run
    :param used: slots of buckets that running jobs take
    :param status_of: a job's status; None when it does not exist (any more)
    """
    decisions: list[Decision] = []
    taken = dict(used)
    jobs = iter(queued)
    while room > 0 and (job := next(jobs, None)) is not None:
        decision = _decide(job, taken, tuple(buckets_of(job)), status_of)
        decisions.append(decision)
        if isinstance(decision, Start):
            room -= 1
            for bucket in buckets_of(job):
                taken[bucket.name] = taken.get(bucket.name, 0) + 1
    return decisions


def _decide(
    job: Job, taken: Mapping[str, int], buckets: tuple[Bucket, ...],
    status_of: Callable[[int], str | None],
) -> Decision:
    obstacle = dependency_obstacle(dependencies(job), status_of)
    if isinstance(obstacle, int):
        return Block(job, obstacle)
    if obstacle is not None:
        return Fail(job, obstacle)
    full = full_bucket(buckets, taken)
    return Start(job) if full is None else Park(job, full)


def full_bucket(buckets: Iterable[Bucket], taken: Mapping[str, int]) -> Bucket | None:
    """The first bucket without a free slot; None when all have one."""
    return next((b for b in buckets if taken.get(b.name, 0) >= b.limit), None)


def dependency_obstacle(
    depends: Iterable[tuple[int, list[str]]], status_of: Callable[[int], str | None]
) -> str | int | None:
    """Return what stands in the way of a job with these dependencies.

    :param status_of: a job's status; None when it does not exist (any more)
    :returns: None, the id of a job that has not ended, or why the job can never run
    """
    for job_id, accepted in depends:
        status = status_of(job_id)
        if status is None:
            return f"Dependency job {job_id} does not exist"
        if status not in FINAL:
            return job_id
        if accepted and status not in accepted:
            # A job of an earlier version may hold anything there: it must not stop the others.
            wanted = ", ".join(map(str, accepted))
            return (f"Dependency job {job_id} finished with status '{status}', "
                    f"not one of '{wanted}' as required")
    return None
