"""The jobs that have not begun, each with what it waits for.

*Ready* jobs wait only for their turn, in the order of a virtual time, ``received + priority *
AGEING``: a higher priority overtakes, and a long wait counts as priority. The others wait for the
end of a job they depend on, for a free slot of a bucket, or for a rule that pauses them, and cost
nothing until that changes. Every change costs O(log n).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ganeti_core.jobs.filters import Bucket, Verdict
    from ganeti_core.jobs.job import Job

AGEING = 3600.0
"""Seconds of waiting that weigh as much as one step of priority."""

State = tuple[str, str]
_READY, _TAKEN, _BLOCKED, _PAUSED = ("ready", ""), ("taken", ""), ("blocked", ""), ("paused", "")
Order = tuple[float, int]


def order_of(job: Job) -> Order:
    """Where a job stands among others: lower is earlier."""
    return job.received[0] + job.received[1] / 1e6 + job.priority * AGEING, job.id


class Backlog:
    """Queued jobs. Lives in the event loop."""

    def __init__(self) -> None:
        self._state: dict[int, State] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._jobs: dict[int, Job] = {}
        self._dependents: dict[int, list[Job]] = {}
        # Heaps hold entries of jobs that went elsewhere meanwhile; they are skipped when met.
        self._ready: list[Order] = []
        self._parked: dict[str, list[Order]] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: int) -> bool:
        return job_id in self._jobs

    def jobs(self) -> list[Job]:
        return list(self._jobs.values())

    def buckets(self, job: Job) -> tuple[Bucket, ...]:
        """The buckets in which the job needs a free slot."""
        verdict = self._verdicts.get(job.id)
        return verdict.buckets if verdict is not None else ()

    def paused_by(self, job_id: int) -> str | None:
        """The uuid of the rule that holds a job; None when none does."""
        verdict = self._verdicts.get(job_id)
        return verdict.rule or None if verdict is not None else None

    def put(self, job: Job, verdict: Verdict) -> None:
        """Add a job, or judge it anew; one that a rule pauses is not ready."""
        self._jobs[job.id] = job
        if verdict.rule or verdict.buckets:
            self._verdicts[job.id] = verdict
        else:
            self._verdicts.pop(job.id, None)
        if verdict.rule:
            self._state[job.id] = _PAUSED
        else:
            self._make_ready(job)

    def _make_ready(self, job: Job) -> None:
        self._state[job.id] = _READY
        heapq.heappush(self._ready, order_of(job))

    def remove(self, job: Job) -> bool:
        """Take a job out; False when it is not here."""
        self._verdicts.pop(job.id, None)
        self._state.pop(job.id, None)
        return self._jobs.pop(job.id, None) is not None

    def reorder(self, job: Job) -> None:
        """The job's priority changed."""
        state = self._state[job.id]
        heap = self._ready if state == _READY else self._parked.get(state[1])
        if heap is not None:
            heapq.heappush(heap, order_of(job))

    def block(self, job: Job, by: int) -> None:
        """The job waits for the end of the job `by`."""
        self._state[job.id] = _BLOCKED
        self._dependents.setdefault(by, []).append(job)

    def park(self, job: Job, bucket: Bucket) -> None:
        """The job waits for a slot of a bucket."""
        self._state[job.id] = ("bucket", bucket.name)
        heapq.heappush(self._parked.setdefault(bucket.name, []), order_of(job))

    def unblock(self, by: int) -> None:
        """The job `by` has ended: who waited for it is ready."""
        for job in self._dependents.pop(by, ()):
            if self._state.get(job.id) == _BLOCKED:
                self._make_ready(job)

    def refill(self, used: Mapping[str, int]) -> bool:
        """Make as many jobs ready as buckets have slots free; return whether there were any."""
        moved = False
        for name, heap in list(self._parked.items()):
            state, count = ("bucket", name), used.get(name, 0)
            while (job := self._first(heap, state)) is not None and count < self._limit(job, name):
                heapq.heappop(heap)
                self._make_ready(job)
                count, moved = count + 1, True
            if not heap:
                del self._parked[name]
        return moved

    def _limit(self, job: Job, name: str) -> int:
        return next(bucket.limit for bucket in self.buckets(job) if bucket.name == name)

    def take(self) -> Iterator[Job]:
        """Take out ready jobs in order; whoever takes one removes it or gives it a state."""
        while (job := self._first(self._ready, _READY)) is not None:
            heapq.heappop(self._ready)
            self._state[job.id] = _TAKEN
            yield job

    def _first(self, heap: list[Order], state: State) -> Job | None:
        """The first job whose entry still holds; drops those before it."""
        while heap:
            job = self._jobs.get(heap[0][1])
            if job is not None and self._state[job.id] == state and order_of(job) == heap[0]:
                return job
            heapq.heappop(heap)
        return None
