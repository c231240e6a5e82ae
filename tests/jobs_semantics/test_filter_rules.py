"""Filter rules as values: which of them applies to a job, and what they may look like."""

from __future__ import annotations

import pytest

from ganeti_core.errors import RequestError
from ganeti_core.jobs.filters import (
    Bucket,
    Verdict,
    buckets_of,
    compile_rules,
    judge,
    parse_action,
    parse_predicates,
)
from ganeti_core.jobs.job import Job, OpState
from ganeti_core.model import FilterRule
from ganeti_core.opcodes.registry import parse


def job(number: int, *ops: dict) -> Job:
    parsed = [parse({"reason": [], **op}) for op in ops]
    return Job(number, [OpState(op, None, 0) for op in parsed], (0, 0))


def rule(action, *predicates, priority=0, watermark=10, uuid="r") -> FilterRule:
    return FilterRule(uuid=uuid, watermark=watermark, priority=priority, action=action,
                      predicates=parse_predicates(list(predicates)))


def verdict(subject: Job, *rules: FilterRule) -> Verdict:
    return judge(compile_rules(rules), subject)


DELAY = {"OP_ID": "OP_TEST_DELAY", "duration": 1.5}
STARTUP = {"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": "web1", "beparams": {"memory": 128}}


def matches(subject: Job, *predicates) -> bool:
    return verdict(subject, rule("PAUSE", *predicates)).action == "PAUSE"


def test_a_rule_without_predicates_matches_every_job():
    assert matches(job(1, DELAY))


def test_all_predicates_must_match():
    opcode = ["opcode", ["=", "OP_ID", "OP_TEST_DELAY"]]
    assert matches(job(11, DELAY), opcode, ["jobid", [">", "id", "watermark"]])
    assert not matches(job(10, DELAY), opcode, ["jobid", [">", "id", "watermark"]])


@pytest.mark.parametrize(("expression", "matching"), [
    (["=", "id", 11], True), (["<=", "id", "watermark"], False), ([">", "id", 10], True),
    (["!", [">", "id", "watermark"]], False), (["|", ["=", "id", 3], ["!=", "id", 4]], True),
    (["=", "nosuch", 11], False), (["!", ["=", "nosuch", 11]], False), (["=", "id", "x"], False),
])
def test_predicates_on_the_job_id(expression, matching):
    assert matches(job(11, DELAY), ["jobid", expression]) is matching


@pytest.mark.parametrize(("expression", "matching"), [
    (["=", "OP_ID", "OP_INSTANCE_STARTUP"], True), (["=", "instance_name", "web1"], True),
    (["=~", "instance_name", "^web"], True), (["=", "beparams.memory", 128], True),
    (["?", "force"], False), (["=", "instance_name", 5], False),
    (["!", ["=", "nosuch", "x"]], False), (["=", "beparams.nosuch", 1], False),
])
def test_predicates_on_opcodes_hold_for_any_of_them(expression, matching):
    assert matches(job(1, DELAY, STARTUP), ["opcode", expression]) is matching
    assert matches(job(1, STARTUP, DELAY), ["opcode", expression]) is matching


def test_predicates_on_reasons_look_at_one_entry_at_a_time():
    subject = job(1, {**DELAY, "reason": [["cli", "pink bunny", 5], ["cron", "nightly", 9]]})
    assert matches(subject, ["reason", ["=~", "reason", "bunny"]])
    assert matches(subject, ["reason", ["&", ["=", "source", "cron"], [">", "timestamp", 8]]])
    assert not matches(subject, ["reason", ["&", ["=", "source", "cron"], ["<", "timestamp", 8]]])
    assert not matches(job(1, DELAY), ["reason", ["!", ["=", "source", "cron"]]])


def test_rules_are_asked_by_priority_then_watermark_then_uuid():
    accept = rule("ACCEPT", priority=1, watermark=5, uuid="b")
    assert verdict(job(1, DELAY), rule("PAUSE", priority=0), accept).action == "PAUSE"
    assert verdict(job(1, DELAY), rule("PAUSE", priority=2), accept).action == "ACCEPT"
    assert verdict(job(1, DELAY), rule("PAUSE", priority=1, watermark=4), accept).rule == "r"
    assert verdict(job(1, DELAY), rule("PAUSE", priority=1, watermark=5, uuid="a"),
                   accept).rule == "a"
    assert verdict(job(1, DELAY), rule("PAUSE", priority=1, watermark=5, uuid="c"),
                   accept).action == "ACCEPT"


def test_continue_goes_on_with_the_next_rule_and_accept_does_not():
    reject = rule("REJECT", priority=5)
    assert verdict(job(1, DELAY), rule("CONTINUE"), reject).action == "REJECT"
    assert verdict(job(1, DELAY), rule("ACCEPT"), reject).action == "ACCEPT"


def test_only_the_first_limit_that_matches_counts():
    found = verdict(job(1, DELAY), rule(["RATE_LIMIT", 2]),
                    rule(["RATE_LIMIT", 7], priority=1, uuid="s"))
    assert found.buckets == (Bucket("filter rule r", 2),)


def test_buckets_of_reasons_need_a_positive_number_and_count_once():
    texts = ["rate-limit:2:a b:c", "rate-limit:2:a b:c", "rate-limit:3:a b:c", "rate-limit:0:x",
             "rate-limit:-1:x", "rate-limit:x:y", "rate-limit:7", "my rate-limit:2:a"]
    subject = job(1, {**DELAY, "reason": [["s", text, 1] for text in texts]})
    assert buckets_of(subject) == (Bucket("rate-limit:2:a b:c", 2),
                                   Bucket("rate-limit:3:a b:c", 3))


def test_a_damaged_rule_stops_no_job():
    broken = FilterRule(uuid="x", watermark=0, priority=0, action="REJECT",
                        predicates=(["jobid", ["nonsense"]],))
    assert verdict(job(1, DELAY), broken).action == "ACCEPT"


@pytest.mark.parametrize("action", ["NOSUCH", ["RATE_LIMIT", 0], ["RATE_LIMIT"], ["PAUSE"], 5,
                                    ["RATE_LIMIT", True], None])
def test_malformed_actions_are_refused(action):
    with pytest.raises(RequestError, match="malformed FilterAction JSON"):
        parse_action(action)


@pytest.mark.parametrize("predicate", [["nosuch", []], ["jobid"], ["jobid", ["=", "id", 1], 2],
                                       "jobid", []])
def test_malformed_predicates_are_refused(predicate):
    with pytest.raises(RequestError, match="malformed FilterPredicate"):
        parse_predicates([predicate])


def test_predicates_are_kept_in_one_form():
    assert parse_predicates([["opcode", ["=", "OP_ID", "X"]]]) == (
        ["opcode", ["==", "OP_ID", "X"]],)
