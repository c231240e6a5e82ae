"""Priorities, limits, dependencies, expansion, cancellation and explanations in a master."""

from __future__ import annotations

import sqlite3

import pytest
from one_master import NO_OP, OneMaster, delay, one_master

from ganeti_core.config.journal import Journal
from ganeti_core.errors import GanetiError, StoreBroken
from ganeti_core.jobs.queue import JobQueue

NODE = {"no_locks": False}
"""Keeps the lock of the master's node, the only one here."""


def blocked(master: OneMaster) -> int:
    """A job that keeps the only place from others."""
    master.configure(max_running_jobs=1)
    job = master.submit(delay())
    master.wait(job, "running")
    return job


def order_of_starts(master: OneMaster, jobs: list[int]) -> list[int]:
    for job in jobs:
        assert master.wait(job) == "success"
    return sorted(jobs, key=lambda job: master.field(job, "start_ts"))


def cancel(master: OneMaster, job: int) -> list:
    return master.client.call("CancelJob", job, False)


def test_higher_priority_overtakes_in_the_queue(master):
    blocker = blocked(master)
    jobs = [master.submit({**NO_OP, "priority": p}) for p in (10, 0, -10, 0)]
    cancel(master, blocker)
    assert order_of_starts(master, jobs) == [jobs[2], jobs[1], jobs[3], jobs[0]]


def test_a_priority_changes_while_the_job_is_queued(master):
    blocker = blocked(master)
    jobs = [master.submit(NO_OP) for _ in range(3)]
    assert master.client.call("ChangeJobPriority", jobs[2], -5) == [
        True, f"Priorities of pending opcodes for job {jobs[2]} have been changed to -5"]
    assert master.field(jobs[2], "priority") == -5
    cancel(master, blocker)
    assert order_of_starts(master, jobs) == [jobs[2], jobs[0], jobs[1]]


def test_a_priority_changes_while_the_job_waits_for_locks(master):
    holder = master.submit(delay(**NODE))
    master.wait(holder, "running")
    jobs = [master.submit(delay(0.001, **NODE)) for _ in range(3)]
    for job in jobs:
        master.wait(job, "waiting")
    assert master.client.call("ChangeJobPriority", jobs[2], -5)[0]
    cancel(master, holder)
    for job in jobs:
        master.wait(job)
    begun = sorted(jobs, key=lambda job: master.field(job, "opexec"))
    assert begun == [jobs[2], jobs[0], jobs[1]]


def test_a_priority_that_could_not_be_written_is_none(master, monkeypatch):
    blocker = blocked(master)
    first, second = master.submit(NO_OP), master.submit(NO_OP)

    async def full(_writes):
        raise StoreBroken("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(master.daemon.engine, "_commit", full)
        with pytest.raises(GanetiError, match="the disk is full"):
            master.client.call("ChangeJobPriority", second, -5)
    assert (master.field(second, "priority"), master.field(second, "oppriority")) == (0, [0])
    cancel(master, blocker)
    assert order_of_starts(master, [first, second]) == [first, second]


def test_a_job_that_waits_for_a_lock_is_told_who_has_it(master):
    holder = master.submit(delay(**NODE))
    master.wait(holder, "running")
    waiters = [master.submit(delay(**NODE)) for _ in range(2)]
    for job in waiters:
        master.wait(job, "waiting")
    dependent = master.submit({**NO_OP, "depends": [[waiters[1], []]]})
    lines = master.explain(dependent)
    assert lines[0] == f"Job {dependent} waits for job {waiters[1]} to end."
    for owner in (holder, waiters[0]):
        assert any(line.startswith(f"Job {waiters[1]} waits for the lock node/") and
                   line.endswith(f"(node1.example.com), held or asked for earlier by job {owner}.")
                   for line in lines)
    assert any(line.startswith(f"Job {holder} runs") for line in lines)
    locks = master.client.query("lock", ["name", "owner", "pending"], None)["data"]
    [(owners, pending)] = [(row[1][1], row[2][1]) for row in locks if row[0][1].startswith("node/")]
    assert owners == [str(holder)]
    assert pending == [["exclusive", [str(job)]] for job in waiters]


def test_priorities_belong_to_opcodes(master):
    blocker = blocked(master)
    late = master.submit({**NO_OP, "priority": 10}, {**NO_OP, "priority": 10})
    mixed = master.submit({**NO_OP, "priority": 10}, {**NO_OP, "priority": -10})
    assert master.field(mixed, "oppriority") == [10, -10]
    assert master.field(mixed, "priority") == -10
    cancel(master, blocker)
    assert order_of_starts(master, [late, mixed]) == [mixed, late]


def test_the_limit_of_running_jobs_changes_while_jobs_wait(master):
    first = blocked(master)
    others = [master.submit(delay()) for _ in range(3)]
    assert master.statuses(others) == ["queued"] * 3
    master.configure(max_running_jobs=3)
    master.wait(others[1], "running")
    assert master.statuses([first, *others]) == ["running"] * 3 + ["queued"]
    master.configure(max_running_jobs=1)
    cancel(master, first)
    master.wait(first)
    master.settle()
    assert master.status(others[2]) == "queued"


def test_a_dependent_job_waits_and_fails_as_its_dependency_ends(master):
    first = master.submit(delay())
    good = master.submit({**NO_OP, "depends": [[first, ["canceled"]]]})
    bad = master.submit({**NO_OP, "depends": [[first, ["success"]]]})
    assert master.explain(good)[0] == f"Job {good} waits for job {first} to end."
    assert f"Job {first} runs TEST_DELAY(60.0)" in master.explain(good)[1]
    cancel(master, first)
    assert (master.wait(good), master.wait(bad)) == ("success", "error")
    assert master.field(bad, "opresult") == [["OpExecError", [
        f"Dependency job {first} finished with status 'canceled', not one of 'success' as"
        " required"]]]


def test_an_explanation_follows_chains_to_their_end(master):
    chain = [master.submit(delay())]
    for _ in range(40):
        chain.append(master.submit({**NO_OP, "depends": [[chain[-1], []]]}))
    lines = master.explain(chain[5])
    assert len(lines) == 6
    assert "runs" in lines[-1]
    assert len(master.explain(chain[40])) <= 20


def test_a_queued_job_is_told_which_jobs_have_the_places(master):
    blocker = blocked(master)
    job = master.submit(NO_OP)
    assert master.explain(job)[0] == (
        f"Job {job} is queued: 1 of at most 1 jobs run (job {blocker}).")


def test_an_expanded_job_hands_its_reasons_on(master):
    verify = master.submit({"OP_ID": "OP_CLUSTER_VERIFY", "priority": -10, "debug_level": 2,
                            "reason": [["gnt:user", "looks odd", 7]]})
    assert master.wait(verify) == "success"
    children = [job for ok, job in master.field(verify, "opresult")[0]["jobs"] if ok]
    assert len(children) == 2
    for child in children:
        [op] = master.field(child, "ops")
        name = op["OP_ID"].removeprefix("OP_").lower()
        assert [entry[:2] for entry in op["reason"]] == [
            ["gnt:user", "looks odd"], ["gnt:opcode:cluster_verify", f"job={verify};index=0"],
            [f"gnt:opcode:{name}", f"job={child};index=0"]]
        assert op["comment"] == "Submitted by OP_CLUSTER_VERIFY"
        assert (op["priority"], op["debug_level"]) == (-10, 2)
        master.wait(child)


def test_an_expanded_job_inherits_the_limit_of_its_parent(master):
    verify = master.submit({"OP_ID": "OP_CLUSTER_VERIFY",
                            "reason": [["gnt:user", "rate-limit:1:verify", 7]]})
    assert master.wait(verify) == "success"
    children = [job for _, job in master.field(verify, "opresult")[0]["jobs"]]
    for child in children:
        master.wait(child)
    spans = sorted((master.field(c, "start_ts"), master.field(c, "end_ts")) for c in children)
    assert spans[0][1] <= spans[1][0]


def test_canceling_a_running_job_stops_it_and_what_follows(master):
    job = master.submit(delay(), NO_OP)
    master.wait(job, "running")
    assert cancel(master, job) == [
        False, "Job no longer waiting, can't cancel (informed it anyway)"]
    assert master.wait(job) == "canceled"
    assert master.field(job, "opstatus") == ["canceled", "canceled"]
    assert master.field(job, "opresult") == ["Job canceled by request"] * 2


def test_the_end_of_an_opcode_is_not_the_end_of_its_job_after_a_crash(master, tmp_path):
    job = master.submit(NO_OP, delay())
    master.until(lambda: master.field(job, "opstatus") == ["success", "running"], "second opcode")
    copy = tmp_path / "copy.db"
    with sqlite3.connect(master.paths.database) as live, sqlite3.connect(copy) as saved:
        live.backup(saved)
    journal = Journal(copy)
    try:
        found = JobQueue(journal).jobs[job]
    finally:
        journal.close()
    assert found.ops[0].status == "success"
    assert not found.final


def test_archived_jobs_are_found_by_id_only(master):
    job = master.submit(NO_OP)
    master.wait(job)
    assert master.client.call("ArchiveJob", job) is True
    assert job not in [row[0] for row in master.client.query_jobs([], ["id"])]
    assert master.status(job) == "success"
    assert master.explain(job) == [f"Job {job} is finished (success)."]


def test_a_stop_lets_running_jobs_end_and_waiting_ones_go_on_later(tmp_path):
    with one_master(tmp_path) as master:
        running = master.submit(delay(1.0, **NODE))
        waiting = master.submit(delay(0.01, **NODE))
        dependent = master.submit(delay(0.01, depends=[[waiting, []]]))
        master.wait(running, "running")
        master.wait(waiting, "waiting")
        master.restart()
        assert [master.wait(running), master.wait(waiting)] == ["success", "success"]
        assert master.wait(dependent) == "success"
