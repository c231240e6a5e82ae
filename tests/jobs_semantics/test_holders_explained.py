"""What a job is told to wait for when no job has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ganeti_core.jobs.backlog import Backlog
from ganeti_core.jobs.explain import Explanation
from ganeti_core.jobs.job import WAITING, Job, OpState
from ganeti_core.locking import Level, LockManager, LockRequest, Want


def test_a_lock_that_the_master_has_itself_is_no_jobs() -> None:
    locks = LockManager()
    lock = Want(Level.INSTANCE, "inst1.example.com", exclusive=False)
    locks.request("copies", LockRequest.of(lock), lambda _ticket: None)
    ticket = locks.request("5", LockRequest.of(
        Want(Level.INSTANCE, "inst1.example.com", exclusive=True)), lambda _ticket: None)
    job = Job(5, [OpState(None, {}, 0, WAITING)], (0, 0))
    runner: Any = SimpleNamespace(waiting_ticket=ticket)
    snapshot: Any = SimpleNamespace(of_kind=lambda _kind: {})

    lines = Explanation(
        lambda _id: job, lambda _id: WAITING, Backlog(), {5: runner}, {}, locks, snapshot).of(5)

    assert lines == ["Job 5 waits for the lock instance/inst1.example.com, held or asked for"
                     " earlier by the master itself (copies)."]
