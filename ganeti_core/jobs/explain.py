"""Say what a job waits for: rules, dependencies, limits and locks, down to the job that blocks it.

Everything is looked up afresh, so the answer is true at the moment it is given.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.jobs.filters import in_words
from ganeti_core.jobs.job import CANCELED, FINAL, RUNNING, Job
from ganeti_core.jobs.scheduler import dependencies, dependency_obstacle, full_bucket
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.jobs.backlog import Backlog
    from ganeti_core.jobs.filters import Bucket
    from ganeti_core.jobs.runner import JobRunner
    from ganeti_core.locking import LockManager

MOST_JOBS = 20
"""How many jobs one explanation follows."""
MOST_NAMES = 10


@dataclass(frozen=True)
class Explanation:
    """One look at the engine; `slots` has the buckets of running jobs."""

    job: Callable[[int], Job]
    status_of: Callable[[int], str | None]
    backlog: Backlog
    runners: Mapping[int, JobRunner]
    slots: Mapping[int, tuple[Bucket, ...]]
    locks: LockManager
    snapshot: Snapshot
    _told: set[int] = field(default_factory=set)

    def of(self, job_id: int) -> list[str]:
        """:raises JobLost: there is no such job"""
        job = self.job(job_id)
        self._told.add(job_id)
        if job.status in FINAL:
            return [f"Job {job_id} is finished ({job.status})." + _why_canceled(job)]
        runner = self.runners.get(job_id)
        return self._queued(job) if runner is None else self._started(job, runner)

    def _follow(self, *job_ids: int) -> list[str]:
        """Go on with jobs that were not told about yet."""
        lines: list[str] = []
        for job_id in job_ids:
            if job_id not in self._told and len(self._told) < MOST_JOBS:
                lines += self.of(job_id)
        return lines

    def _queued(self, job: Job) -> list[str]:
        rule = self.backlog.paused_by(job.id)
        if rule is not None:
            return [self._paused(job, rule)]
        obstacle = dependency_obstacle(dependencies(job), self.status_of)
        if isinstance(obstacle, int):
            return [f"Job {job.id} waits for job {obstacle} to end.", *self._follow(obstacle)]
        if obstacle is not None:
            return [f"Job {job.id} is about to fail: {obstacle}."]
        used = Counter(bucket.name for buckets in self.slots.values() for bucket in buckets)
        full = full_bucket(self.backlog.buckets(job), used)
        if full is not None:
            return self._limited(job, full)
        limit = self.snapshot.cluster.max_running_jobs
        return [f"Job {job.id} is queued: {len(self.runners)} of at most {limit} jobs run"
                f" ({_names(self.runners)}).", *self._follow(*list(self.runners)[:1])]

    def _paused(self, job: Job, uuid: str) -> str:
        return f"Job {job.id} is paused by {in_words(uuid, self.snapshot.filters.get(uuid))}."

    def _limited(self, job: Job, bucket: Bucket) -> list[str]:
        users = [job_id for job_id, buckets in self.slots.items()
                 if any(one.name == bucket.name for one in buckets)]
        most = "1 job" if bucket.limit == 1 else f"{bucket.limit} jobs"
        return [f"Job {job.id} waits: {bucket.name} lets at most {most} run at a time, now"
                f" {_names(users)}.", *self._follow(*users[:1])]

    def _started(self, job: Job, runner: JobRunner) -> list[str]:
        ticket = runner.waiting_ticket
        if ticket is None:
            return [_running(job, runner.waiting.describe())]
        blockers = self.locks.blockers(ticket)
        lines = [f"Job {job.id} waits for the lock {self._readable(name)}, held or asked for"
                 f" earlier by {_owner(owner)}." for name, owner in blockers[:MOST_NAMES]]
        if len(blockers) > MOST_NAMES:
            lines.append(f"Job {job.id} waits for {len(blockers) - MOST_NAMES} more locks.")
        owners = dict.fromkeys(int(owner) for _, owner in blockers if owner.isdigit())
        return [*(lines or [f"Job {job.id} is being granted its locks."]), *self._follow(*owners)]

    def _readable(self, lock: str) -> str:
        """A lock's name; where it has an object's uuid, the object's name too."""
        uuid = lock.rpartition("/")[2]
        for kind in ("node", "instance", "nodegroup", "network"):
            if (found := self.snapshot.of_kind(kind).get(uuid)) is not None:
                return f"{lock} ({found.name})"
        return lock


def _owner(name: str) -> str:
    """Who has a lock; the master itself looks at copies of disks, for a moment."""
    return f"job {name}" if name.isdigit() else f"the master itself ({name})"


def _why_canceled(job: Job) -> str:
    texts = (op.result for op in job.ops if op.status == CANCELED and isinstance(op.result, str))
    text = next(texts, "")
    return f" {text}." if text else ""


def _running(job: Job, waits_for: str) -> str:
    state = next((op for op in job.ops if op.status == RUNNING), None)
    if state is None:
        return f"Job {job.id} has begun and waits for nothing."
    since = f" since {time.time() - state.exec[0]:.0f} s" if state.exec else ""
    return f"Job {job.id} runs {state.summary()}{since} and waits for {waits_for or 'nothing'}."


def _names(job_ids: Mapping[int, object] | list[int]) -> str:
    """``jobs 3, 4 and 5 more``."""
    shown = [str(job_id) for job_id in sorted(job_ids)]
    if not shown:
        return "none"
    rest = len(shown) - MOST_NAMES
    text = ", ".join(shown[:MOST_NAMES])
    word = "job" if len(shown) == 1 else "jobs"
    return f"{word} {text}" + (f" and {rest} more" if rest > 0 else "")
