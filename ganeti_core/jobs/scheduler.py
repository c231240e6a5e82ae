"""Which queued jobs may start now: a pure function of jobs, limits and dependencies.

The engine keeps queued jobs ordered by (priority, id) and asks here whenever something ended,
arrived or changed; nothing here waits, looks at a clock or changes a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganeti_core.jobs.job import FINAL, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

@dataclass(frozen=True)
class Limits:
    """How many jobs may run at once."""

    running: int = 20


@dataclass(frozen=True)
class Decision:
    """What is to happen: jobs to start, jobs that wait for another job's end (its id), and jobs
    that can never start, with the reason."""

    start: tuple[Job, ...]
    blocked: tuple[tuple[Job, int], ...] = ()
    failed: tuple[tuple[Job, str], ...] = ()


def dependencies(job: Job) -> list[tuple[int, list[str]]]:
    """The job's dependencies as (job id, accepted final states)."""
    found: list[tuple[int, list[str]]] = []
    for state in job.ops:
        depends = state.op.depends if state.op else (state.input or {}).get("depends")
        found.extend((int(job_id), list(accepted)) for job_id, accepted in depends or ())
    return found


def choose(
    queued: Iterable[Job], running: int, limits: Limits,
    obstacle_of: Callable[[Job], str | int | None],
) -> Decision:
    """Choose the jobs to start.

    :param queued: in order of urgency
    :param running: number of jobs that run now
    :param obstacle_of: answers None (may start), the id of the job that must end first, or the
        reason why it can never start
    """
    start: list[Job] = []
    blocked: list[tuple[Job, int]] = []
    failed: list[tuple[Job, str]] = []
    for job in queued:
        if running + len(start) >= limits.running:
            break
        obstacle = obstacle_of(job)
        if obstacle is None:
            start.append(job)
        elif isinstance(obstacle, int):
            blocked.append((job, obstacle))
        else:
            failed.append((job, obstacle))
    return Decision(tuple(start), tuple(blocked), tuple(failed))


def dependency_obstacle(
    depends: Iterable[tuple[int, list[str]]], status_of: Callable[[int], str | None]
) -> str | int | None:
    """Tell what stands in the way of a job with these dependencies.

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
            wanted = ", ".join(accepted)
            return (f"Dependency job {job_id} finished with status '{status}', "
                    f"not one of '{wanted}' as required")
    return None
