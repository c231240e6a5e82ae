"""What a job leaves behind when it ends: no locks."""

from __future__ import annotations

import threading

from one_master import OneMaster

from ganeti_core.locking import Level, LockRequest, Want


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
