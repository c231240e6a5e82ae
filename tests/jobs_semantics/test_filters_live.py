"""Filter rules and reasons at work in a running master: the examples of the manual among them."""

from __future__ import annotations

import pytest
from one_master import NO_OP, OneMaster, delay, reason

from ganeti_core.errors import GanetiError, RequestError

UUID = "12345678-1234-1234-1234-123456789abc"
NEW_JOBS = ["jobid", [">", "id", "watermark"]]


def add(master: OneMaster, action, *predicates, priority: int = 0, uuid=None) -> str:
    uuid = master.client.replace_filter(uuid, priority, list(predicates), action, [])
    master.settle()
    return uuid


def test_drain_rejects_new_jobs_and_spares_old_ones(master):
    master.configure(max_running_jobs=1)
    running, queued = master.submit(delay()), master.submit(NO_OP)
    rule = add(master, "REJECT", NEW_JOBS)
    new = master.submit(NO_OP)
    assert master.wait(new) == "canceled"
    assert master.field(new, "opresult") == [f"Job rejected by filter rule {rule}"]
    assert master.explain(new) == [
        f"Job {new} is finished (canceled). Job rejected by filter rule {rule}."]
    assert master.status(queued) == "queued"
    master.client.call("CancelJob", running, False)
    assert master.wait(queued) == "success"


def test_soft_drain_holds_new_jobs_until_it_is_over(master):
    uuid = add(master, "PAUSE", NEW_JOBS)
    job = master.submit(NO_OP)
    master.settle()
    assert master.status(job) == "queued"
    assert uuid in master.explain(job)[0]
    master.client.delete_filter(uuid)
    assert master.wait(job) == "success"


def test_only_jobs_of_one_maintenance_run(master):
    add(master, "ACCEPT", ["reason", ["=~", "reason", "maintenance pink bunny"]])
    add(master, "PAUSE", NEW_JOBS, priority=1)
    other = master.submit(NO_OP)
    bunny = master.submit({**NO_OP, "reason": reason("for maintenance pink bunny")})
    assert master.wait(bunny) == "success"
    assert master.status(other) == "queued"


def test_rejecting_an_opcode_cancels_queued_jobs_too(master):
    master.configure(max_running_jobs=1)
    running = master.submit(delay())
    create = {"OP_ID": "OP_INSTANCE_CREATE", "instance_name": "x", "mode": "create", "disks": [],
              "nics": [], "reason": []}
    queued = master.submit(create)
    add(master, "REJECT", ["opcode", ["=", "OP_ID", "OP_INSTANCE_CREATE"]])
    assert master.wait(queued) == "canceled"
    assert master.wait(master.submit(create)) == "canceled"
    assert master.status(running) == "running"


def test_a_throttle_limits_jobs_that_run_at_once(master):
    uuid = add(master, ["RATE_LIMIT", 2], ["opcode", [">", "duration", 5]])
    jobs = [master.submit(delay()) for _ in range(5)]
    assert master.wait(master.submit(NO_OP)) == "success"
    assert master.statuses(jobs) == ["running"] * 2 + ["queued"] * 3
    assert (f"filter rule {uuid} lets at most 2 jobs run at a time, now jobs "
            in master.explain(jobs[4])[0])
    master.client.call("CancelJob", jobs[0], False)
    master.wait(jobs[2], "running")
    assert master.statuses(jobs[3:]) == ["queued"] * 2
    add(master, ["RATE_LIMIT", 3], ["opcode", [">", "duration", 5]], uuid=uuid)
    master.wait(jobs[3], "running")
    assert master.status(jobs[4]) == "queued"
    master.client.delete_filter(uuid)
    master.wait(jobs[4], "running")


def test_a_limit_counts_jobs_that_ran_before_it(master):
    running = master.submit(delay())
    master.wait(running, "running")
    add(master, ["RATE_LIMIT", 1])
    held = master.submit(NO_OP)
    master.settle()
    assert master.statuses([running, held]) == ["running", "queued"]


def test_a_rule_does_not_touch_jobs_that_run(master):
    job = master.submit(delay())
    master.wait(job, "running")
    for action in ("PAUSE", "REJECT"):
        add(master, action)
    assert master.status(job) == "running"


def test_reasons_are_buckets_of_their_own(master):
    def limited(text: str) -> int:
        return master.submit(delay(reason=reason(text)))

    jobs = [limited("rate-limit:2:move") for _ in range(3)]
    other = limited("rate-limit:1:move")
    assert master.wait(other, "running")
    master.wait(jobs[1], "running")
    assert master.statuses(jobs) == ["running", "running", "queued"]
    assert "rate-limit:2:move lets at most 2 jobs run" in master.explain(jobs[2])[0]
    master.client.call("CancelJob", jobs[1], False)
    assert master.wait(jobs[2], "running")


def test_a_job_of_two_buckets_needs_a_place_in_both(master):
    first = master.submit(delay(reason=reason("rate-limit:1:a")))
    second = master.submit(delay(reason=reason("rate-limit:1:b")))
    both = master.submit(delay(reason=reason("rate-limit:1:a") + reason("rate-limit:1:b")))
    master.wait(second, "running")
    master.client.call("CancelJob", first, False)
    master.wait(first)
    assert master.status(both) == "queued"
    master.client.call("CancelJob", second, False)
    master.wait(both, "running")


def test_rules_hold_after_a_restart(master):
    uuid = add(master, "PAUSE", NEW_JOBS)
    job = master.submit(NO_OP)
    master.restart()
    assert master.status(job) == "queued"
    master.client.delete_filter(uuid)
    assert master.wait(job) == "success"


def test_watermark_and_reason_trail_are_set_by_the_master(master):
    last = master.submit(NO_OP)
    uuid = master.client.replace_filter(
        None, 10, [["jobid", ["=", "id", 5]]], "PAUSE", [["rec", "reason", 1]])
    fields = ["uuid", "priority", "predicates", "action", "reason_trail", "watermark"]
    [row] = master.client.query_filters([uuid], fields)
    assert row[:4] == [uuid, 10, [["jobid", ["==", "id", 5]]], "PAUSE"]
    assert row[4][0] == ["rec", "reason", 1]
    assert row[4][1][:2] == ["luxid", ""]
    assert row[5] == last
    newest = master.submit(NO_OP)
    assert master.client.replace_filter(uuid, 11, [], ["RATE_LIMIT", 3], []) == uuid
    assert master.client.query_filters([uuid], ["priority", "action", "watermark"]) == [
        [11, ["RATE_LIMIT", 3], newest]]


def test_replacing_what_does_not_exist_makes_it(master):
    assert master.client.replace_filter(UUID, 0, [], "CONTINUE", []) == UUID


def test_deleting_twice_is_refused_in_known_words(master):
    uuid = add(master, "CONTINUE")
    assert master.client.delete_filter(uuid) is None
    with pytest.raises(GanetiError) as refused:
        master.client.delete_filter(uuid)
    assert str(refused.value) == f"Filter rule with UUID {uuid} does not exist"


@pytest.mark.parametrize(("args", "problem"), [
    ([None, 1, [], "NOSUCH", []], 'malformed FilterAction JSON: "NOSUCH"'),
    ([None, 1, [["nosuch", []]], "ACCEPT", []],
     "malformed FilterPredicate: bad parameter list for 'nosuch' predicate: [[]]"),
    ([None, -1, [], "CONTINUE", []], "Invalid value for non-negative type '-1'"),
])
def test_malformed_rules_are_refused_in_known_words(master, args, problem):
    with pytest.raises((RequestError, GanetiError)) as refused:
        master.client.call("ReplaceFilter", *args)
    assert str(refused.value).startswith("Failed to parse request: Cannot convert value '[null, ")
    assert str(refused.value).endswith(f"', error: {problem}")
