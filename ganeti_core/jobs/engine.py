"""The job engine: accepts, schedules, cancels and archives jobs. Lives in the event loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, JobLost, JobQueueDrained, OpExecError
from ganeti_core.jobs.backlog import Backlog
from ganeti_core.jobs.debts import Debts
from ganeti_core.jobs.explain import Explanation
from ganeti_core.jobs.filters import REJECT, Bucket, Rule, compile_rules, in_words, judge
from ganeti_core.jobs.inbox import Inbox
from ganeti_core.jobs.job import (
    CANCELED,
    ERROR,
    FINAL,
    QUEUED,
    RUNNING,
    WAITING,
    Job,
    document,
    now,
)
from ganeti_core.jobs.queue import JobQueue
from ganeti_core.jobs.runner import Env, JobRunner
from ganeti_core.jobs.scheduler import Block, Decision, Fail, Park, choose
from ganeti_core.jobs.waiters import Waiters
from ganeti_core.model import Cluster, FilterRule
from ganeti_core.operations.saga import Entry
from ganeti_core.spans import Place, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ganeti_core.config.database import Write
    from ganeti_core.config.reservations import Reservation
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Change as ConfigChange
    from ganeti_core.config.store import Store
    from ganeti_core.jobs.waiters import Change
    from ganeti_core.locking import LockManager
    from ganeti_core.model import Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.context import Services
    from ganeti_core.rpc.calls import Call

log = logging.getLogger(__name__)

MOST_THREADS = 256
GRACE = 5.0
"""Seconds that running opcodes get to end when the master stops."""
UNDO_GRACE = 15.0
"""Seconds that those which did not get to undo what they had begun."""


class JobEngine:
    """Build it in the event loop's thread, then `recover` and `open`.

    Methods are for the loop unless they say otherwise. `call` makes a call at a node.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, store: Store, locks: LockManager,
        call: Callable[[Node, Call], Any],
    ) -> None:
        self._loop = loop
        self._inbox = Inbox(loop)
        self._store = store
        self._locks = locks
        self.queue = JobQueue(store.journal)
        self.waiters = Waiters()
        self.debts = Debts(store, call)
        self._backlog = Backlog()
        self._rules: tuple[Rule, ...] = ()
        self._filters: Mapping[str, FilterRule] = {}
        self._runners: dict[int, JobRunner] = {}
        self._slots: dict[int, tuple[Bucket, ...]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="operation")
        self._env: Env | None = None
        self._open = False
        self._watchers: list[Callable[[int], None]] = []
        self.on_end: Callable[[Job], None] = lambda _job: None
        """Called, in the loop, once for each job that ends."""

    def connect(self, services: Services) -> None:
        """Give the engine what its operations use."""
        self._services = services
        self._env = Env(
            self._loop, self._inbox, self.queue, self._locks, self._store, services, self._pool,
            self._changed)

    def watch(self, watcher: Callable[[int], None]) -> None:
        """Have `watcher` called with the id of every job that is accepted, changes or is archived.

        It is called in the loop: it must be quick.
        """
        self._watchers.append(watcher)

    def _changed(self, job: Job) -> None:
        self.waiters.wake(job)
        for watcher in self._watchers:
            watcher(job.id)

    async def recover(self) -> None:
        """Finish or undo what a dead master left running; queue what had not begun.

        Nothing else begins meanwhile, for the locks of what is undone died with that master; what
        follows in the same job waits its turn like the others, and may take as long as it likes.
        """
        self._read_rules()
        self._store.watch(self._on_commit)
        sagas = self._read_sagas()
        interrupted: list[Job] = []
        for job in list(self.queue.jobs.values()):
            # Undo without the row that says it runs: that one met a full disk.
            if job.id in sagas or any(op.status == RUNNING for op in job.ops):
                interrupted.append(job)
            elif not job.final:
                self._enqueue(job)
        for job in interrupted:
            self._occupy(job)
        await asyncio.gather(*(
            self._run(JobRunner(self._environment, job, sagas.get(job.id)), only_begun=True)
            for job in interrupted))
        for job in interrupted:
            if not job.final:
                self._enqueue(job)

    def _read_sagas(self) -> dict[int, dict[int, list[Entry]]]:
        """What opcodes must undo or finish, by job and opcode; what ended ones owe is a debt."""
        sagas: dict[int, dict[int, list[Entry]]] = {}
        owed: list[Entry] = []
        for row in self.queue.journal.rows("saga"):
            entry = Entry.from_row(row)
            job = self.queue.jobs.get(entry.job)
            if job is None or job.ops[entry.op].status in FINAL:
                owed.append(entry)
            else:
                sagas.setdefault(entry.job, {}).setdefault(entry.op, []).append(entry)
        self.debts.remember(owed)
        return sagas

    @property
    def _environment(self) -> Env:
        if self._env is None:
            raise RuntimeError("the engine is not connected to its services")
        return self._env

    def open(self) -> None:
        """Begin to schedule."""
        self._open = True
        self._kick()

    async def close(self) -> None:
        """Begin nothing more, wait for what acts, free the threads.

        Jobs that wait stay queued for the next master. What acts for longer is asked to stop.
        """
        self._open = False
        for runner in list(self._runners.values()):
            runner.leave()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE)
        for runner in list(self._runners.values()):
            runner.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=UNDO_GRACE)
        self._pool.shutdown(wait=False)

    # Submission

    async def submit(
        self, jobs: Sequence[Sequence[OpCode]], *, even_if_drained: bool = False,
        reservations: Sequence[Reservation | None] = (),
        note: Callable[[list[int]], Sequence[Write]] = lambda _ids: (),
    ) -> list[int]:
        """Accept jobs; their ids are answered once all are durable.

        :param reservations: memory and disk space to set aside for each, until it ends
        :param note: rows that become durable with the jobs, made of their ids
        :raises JobQueueDrained: the administrator closed the queue
        :raises StoreBroken: they could not be written; none was accepted
        """
        if self._store.snapshot.cluster.queue_drained and not even_if_drained:
            raise JobQueueDrained
        if not jobs:
            return []
        prepared, writes = self.queue.prepare(jobs)
        await self._commit([*writes, *note([job.id for job in prepared])])
        for job, reserved in itertools.zip_longest(prepared, reservations):
            self.queue.jobs[job.id] = job
            if reserved is not None:
                self._services.reservations.hold_resources(
                    reserved.instance, reserved.on_nodes, str(job.id))
            self._enqueue(job)
            self._changed(job)
        self._kick()
        return [job.id for job in prepared]

    def submit_from_thread(
        self, jobs: Sequence[Sequence[OpCode]], reservations: Sequence[Reservation | None] = (),
        note: Callable[[list[int]], Sequence[Write]] = lambda _ids: (),
    ) -> list[int]:
        """As `submit`, for operations that expand into jobs; from a worker thread."""
        future = asyncio.run_coroutine_threadsafe(
            self.submit(jobs, even_if_drained=True, reservations=reservations, note=note),
            self._loop)
        return future.result()

    async def _commit(self, writes: Sequence[Write]) -> None:
        await self._inbox.commit(self.queue.journal, writes)

    def _enqueue(self, job: Job) -> None:
        """Put a job where it waits; one that a rule rejects ends."""
        verdict = judge(self._rules, job)
        if verdict.action == REJECT:
            log.info("job %d is rejected by filter rule %s", job.id, verdict.rule)
            self._backlog.remove(job)
            rule = in_words(verdict.rule, self._filters.get(verdict.rule))
            self._spawn(self._fail(job, CANCELED, f"Job rejected by {rule}"))
        else:
            self._backlog.put(job, verdict)

    # Scheduling

    def _on_commit(self, _snapshot: Snapshot, changes: Sequence[ConfigChange]) -> None:
        if any(isinstance(change.value, FilterRule | Cluster) for change in changes):
            self._inbox.put(self._config_changed)

    def _config_changed(self) -> None:
        """Rules or limits may have changed: judge again who waits."""
        if self._store.snapshot.filters is not self._filters:
            self._read_rules()
            for job in self._backlog.jobs():
                self._enqueue(job)
            for runner in self._runners.values():
                self._occupy(runner.job)
        self._kick()

    def _read_rules(self) -> None:
        self._filters = self._store.snapshot.filters
        self._rules = compile_rules(self._filters.values())

    def _occupy(self, job: Job) -> None:
        """Count a running job in the buckets that the rules of now give it."""
        self._slots.pop(job.id, None)
        if buckets := judge(self._rules, job).buckets:
            self._slots[job.id] = buckets

    def _used(self) -> Counter[str]:
        """How many running jobs each bucket has."""
        return Counter(bucket.name for buckets in self._slots.values() for bucket in buckets)

    def _kick(self) -> None:
        if not self._open:
            return
        while self._backlog:
            room = self._store.snapshot.cluster.max_running_jobs - len(self._runners)
            used = self._used()
            refilled = self._backlog.refill(used)
            decisions = choose(self._backlog.take(), room, used, self._backlog.buckets,
                               self._status_of)
            for decision in decisions:
                self._carry_out(decision)
            if not refilled or not decisions:
                break

    def _carry_out(self, decision: Decision) -> None:
        job, buckets = decision.job, self._backlog.buckets(decision.job)
        match decision:
            case Block(_, by):
                self._backlog.block(job, by)
                return
            case Park(_, bucket):
                self._backlog.park(job, bucket)
                return
        self._backlog.remove(job)
        if isinstance(decision, Fail):
            self._spawn(self._fail(job, ERROR, OpExecError(decision.reason).to_wire()))
            return
        runner = JobRunner(self._environment, job)
        self._runners[job.id] = runner
        if buckets:
            self._slots[job.id] = buckets
        self._spawn(self._run(runner))

    def _status_of(self, job_id: int) -> str | None:
        job = self.queue.jobs.get(job_id) or self.queue.archived(job_id)
        return job.status if job is not None else None

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, runner: JobRunner, *, only_begun: bool = False) -> None:
        job = runner.job
        self._runners[job.id] = runner
        try:
            await runner.run(only_begun=only_begun)
        except GanetiError as exc:
            # The journal refused: the job is as the database says, and nothing more is accepted.
            log.error("job %d stopped: %s", job.id, exc)  # expected, said in full
        finally:
            self._runners.pop(job.id, None)
            self._slots.pop(job.id, None)
            self._ended(job)

    def _ended(self, job: Job) -> None:
        self._services.reservations.release(str(job.id))  # what a job that never began had
        self._changed(job)
        if job.final:
            self.on_end(job)
        self._backlog.unblock(job.id)
        if job.final and self._services.events.anybody:
            place = Place.of_job(self._store.snapshot.cluster.uuid, job.id)
            with within(place, self._services.spans):
                self._services.events.tell("job_finished", job_id=job.id, status=job.status,
                                           summary=tuple(job.summary()))
        self._kick()

    async def _fail(self, job: Job, status: str, result: Any) -> None:
        """End a job that never began; nobody sees it before it is durable."""
        end = now()
        rows = [self.queue.change_row(job, {
            "op": index, "status": status, "result": result, "end": end})
            for index in range(len(job.ops))]
        rows.append(self.queue.change_row(job, {"job": {"end": end}}))
        await self._inbox.commit_patiently(self.queue.journal, rows)
        for state in job.ops:
            state.status, state.result, state.end = status, result, end
        job.end = end
        self._ended(job)

    # Control

    async def cancel(self, job_id: int, *, kill: bool = False) -> tuple[bool, str]:
        """Cancel a job; return whether it stops for sure, and a sentence in Ganeti's words.

        `kill` leaves its thread behind, so that its undo begins at once.
        """
        job = self.queue.jobs.get(job_id)
        if job is None or job.final:
            return False, f"Job {job_id} not found in queue"
        runner = self._runners.get(job_id)
        if runner is None:
            if not self._backlog.remove(job):
                return False, f"Job {job_id} not found in queue"
            await self._fail(job, CANCELED, None)
            return True, f"Dequeued job {job_id}"
        if runner.cancel():
            return True, "Job successfully cancelled"
        if kill and await runner.kill():
            return True, f"Job {job_id} was killed; what it had begun is undone"
        return False, "Job no longer waiting, can't cancel (informed it anyway)"

    async def change_priority(self, job_id: int, priority: int) -> tuple[bool, str]:
        """Change the priority of a job's opcodes that have not begun."""
        job = self.queue.jobs.get(job_id)
        if job is None or job.final:
            return False, f"Job {job_id} not found in queue"
        await self._commit([
            self.queue.change_row(job, {"op": index, "priority": priority})
            for index, state in enumerate(job.ops) if state.status in (QUEUED, WAITING)])
        for state in job.ops:
            if state.status in (QUEUED, WAITING):
                state.priority = priority
        if job_id in self._backlog:
            self._backlog.reorder(job)
        elif (runner := self._runners.get(job_id)) is not None:
            runner.reorder()
        self._changed(job)
        return True, (f"Priorities of pending opcodes for job {job_id} have been changed to "
                      f"{priority}")

    async def archive(self, job_id: int) -> bool:
        """Move a finished job to the archive; False when there is no such finished job."""
        job = self.queue.jobs.get(job_id)
        if job is None or not job.final:
            return False
        await self._commit(self.queue.archive_rows(job))
        return self._forget(job)

    async def auto_archive(self, age: float, timeout: float) -> tuple[int, int]:
        """Archive jobs that ended more than `age` seconds ago; ``age`` -1: all finished ones.

        Return how many were archived, and how many there was no time for in `timeout` seconds.
        """
        limit = time.time() - age
        old = [job for job in self.queue.jobs.values()
               if job.end is not None and (age < 0 or job.end[0] < limit)]
        deadline = time.monotonic() + timeout
        archived = 0
        for first in range(0, len(old), 500):
            if time.monotonic() > deadline:
                return archived, len(old) - first
            batch = old[first:first + 500]
            await self._commit([row for job in batch for row in self.queue.archive_rows(job)])
            archived += sum(self._forget(job) for job in batch)
        return archived, 0

    def _forget(self, job: Job) -> bool:
        """Leave a job to the archive; False when somebody else just did."""
        if self.queue.jobs.pop(job.id, None) is None:
            return False
        self._changed(job)
        return True

    # Observation

    def job(self, job_id: int) -> Job:
        """:raises JobLost: there is no such job"""
        job = self.queue.jobs.get(job_id) or self.queue.archived(job_id)
        if job is None:
            raise JobLost("Can't load job file")
        return job

    async def wait_for_change(
        self, job_id: int, observe: Callable[[dict[str, Any]], list[Any]],
        previous: list[Any] | None, log_serial: int, timeout: float,
    ) -> Change:
        """Wait as `Waiters.wait`.

        :raises JobLost: there is no such job
        """
        job = self.job(job_id)
        return await self.waiters.wait(
            job, lambda: observe(document(job)), previous, log_serial, timeout)

    def jobs(self, ids: Iterable[int] | None, archived: bool = False) -> list[dict[str, Any]]:
        """Jobs as plain data; with `ids` None all, those of the archive too if `archived`.

        From any thread.
        """
        if ids is None:
            live = [document(job) for _, job in sorted(self.queue.jobs.copy().items())]
            return [*live, *(self.jobs(self.queue.archived_ids()) if archived else ())]
        found: list[dict[str, Any]] = []
        for job_id in ids:
            job = self.queue.jobs.get(job_id)
            if job is not None:
                found.append(document(job))
            elif (old := self.queue.archived(job_id)) is not None:
                found.append(document(old, archived=True))
        return found

    def explain(self, job_id: int) -> list[str]:
        """Say in sentences what a job waits for, down to the job that blocks it.

        :raises JobLost: there is no such job
        """
        return Explanation(
            self.job, self._status_of, self._backlog, self._runners, self._slots, self._locks,
            self._store.snapshot).of(job_id)
