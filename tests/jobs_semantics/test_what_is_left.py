"""What a job leaves behind when it ends, and what of one that was interrupted a start waits for."""

from __future__ import annotations

import threading

from one_master import NO_OP, OneMaster, delay, one_master

from ganeti_core.config.journal import Journal
from ganeti_core.jobs.queue import JobQueue
from ganeti_core.locking import Level, LockRequest, Want
from ganeti_core.opcodes.registry import parse


def test_a_job_whose_object_went_while_it_waited_keeps_no_locks(master: OneMaster) -> None:
    assert master.wait(master.submit(
        {"OP_ID": "OP_GROUP_ADD", "group_name": "gone", "reason": []})) == "success"
    group, locks = master.daemon.store.snapshot.group("gone"), master.daemon.locks
    granted = threading.Event()
    ticket = locks.request("test", LockRequest.of(Want(Level.GROUP, group.uuid)),
                           lambda _ticket: granted.set())
    assert granted.is_set()
    remove = {"OP_ID": "OP_GROUP_REMOVE", "group_name": "gone", "reason": []}
    jobs = [master.submit(remove) for _ in range(2)]
    for job in jobs:
        master.wait(job, "waiting")
    locks.release(ticket)
    assert [master.wait(job) for job in jobs] == ["success", "error"]
    assert "not found" in str(master.field(jobs[1], "opresult"))
    master.until(lambda: master.client.query("lock", ["name", "owner"], None)["data"] == [],
                 "all locks are given back")


def test_what_follows_an_opcode_that_was_interrupted_does_not_hold_up_the_start(tmp_path) -> None:
    with one_master(tmp_path) as master:
        master.stop()
        journal = Journal(master.paths.database)
        queue = JobQueue(journal)
        [job], rows = queue.prepare([[parse(NO_OP), parse(delay(100.0))]])
        journal.write([*rows, queue.change_row(
            job, {"op": 0, "status": "running", "committed": True, "result": None})])
        journal.close()
        master.start()
        master.wait(job.id, "running")
        assert master.field(job.id, "opstatus") == ["success", "running"]
