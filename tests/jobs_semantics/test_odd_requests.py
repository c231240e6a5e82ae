"""Requests with arguments of the wrong kind are refused; concurrent ones lose nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from one_master import NO_OP, OneMaster, delay, reason

from ganeti_core.errors import OpPrereqError, RequestError
from ganeti_core.jobs.scheduler import dependency_obstacle
from ganeti_core.luxi.client import LuxiClient

NAMES = ("diskless", "ext", "file", "sharedfile")


@pytest.mark.parametrize(("method", "args"), [
    ("SetWatcherPause", [10**400]),
    ("SetWatcherPause", [1e300]),
    ("WaitForJobChange", [1, ["status"], None, "abc", 1]),
    ("WaitForJobChange", [1, [["status"]], None, 0, 1]),
    ("Query", ["instance", [["name"]], None]),
    ("QueryFields", ["instance", [["name"]]]),
    ("QueryJobs", [5, ["id"]]),
    ("QueryJobs", [[1], [["id"]]]),
    ("QueryInstances", [[], [["name"]], False]),
    ("QueryConfigValues", [[["cluster_name"]]]),
    ("CancelJob", ["9" * 5000]),
    *((method, [number, *more]) for number in (2**63, 2**70, 10**18) for method, *more in (
        ("CancelJob",), ("ArchiveJob",), ("ExplainJob",), ("ChangeJobPriority", 0),
        ("WaitForJobChange", ["status"], None, 0, 1))),
    ("QueryJobs", [[1, 2**63], ["id"]]),
    ("QueryJobs", [[1] * 200_001, ["id"]]),
    ("CancelJob", ["\u00b2"]),
    ("SetPluginEnabled", [["hypervisors"], "fake", True]),
    ("TracePlugin", [None, [], None, None]),
    ("SetUpgrade", [["1.0"], False]),
    ("SetUpgrade", ["1.0", None]),
], ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40])
def test_arguments_of_the_wrong_kind_are_refused(
    master: OneMaster, method: str, args: list[Any]
) -> None:
    with pytest.raises(RequestError, match="Failed to parse request"):
        master.client.call(method, *args)


@pytest.mark.parametrize("more", [
    *({"depends": [[1, states]]} for states in ([["success"]], [5], [None], [{}], ["nosuch"])),
    *({"reason": [entry]} for entry in (
        "text", 5, None, [], ["a", "b"], ["a", "b", "c"], ["a", None, 1], ["a", "b", True])),
], ids=json.dumps)
def test_odd_jobs_are_refused_and_others_run(master: OneMaster, more: dict[str, Any]) -> None:
    """Also in a new run of the master, which reads the queue that the one before has written."""
    running = master.submit(delay())
    master.wait(running, "running")
    if "depends" in more:
        more = {"depends": [[running, more["depends"][0][1]]]}
    with pytest.raises(RequestError, match="Can't parse value for"):
        master.submit(NO_OP | more)
    master.cancel_all()
    assert master.wait(master.submit(NO_OP)) == "success"


@pytest.mark.parametrize("levels", [70, 300, 600])
def test_parameters_that_are_nested_too_deeply_are_refused(
    master: OneMaster, levels: int, caplog: pytest.LogCaptureFixture
) -> None:
    value: Any = []
    for _ in range(levels):
        value = [value]
    with pytest.raises(RequestError, match="nested too deeply"):
        master.submit({"OP_ID": "OP_TEST_DUMMY", "result": value})
    assert "LUXI request failed" not in caplog.text


def test_odd_dependencies_of_an_earlier_version_stop_no_queue() -> None:
    found = dependency_obstacle([(1, [["x"], 5])], lambda _: "error")  # type: ignore[list-item]
    assert "not one of" in str(found)


def test_a_limit_that_nobody_can_count_to_stops_no_job(master: OneMaster) -> None:
    jobs = [master.submit(NO_OP | {"reason": reason(f"rate-limit:{'9' * length}:all")})
            for length in (18, 19, 5000)]
    assert [master.wait(job) for job in jobs] == ["success"] * 3
    master.restart()
    assert master.wait(master.submit(NO_OP)) == "success"


def test_jobs_that_never_were_have_no_rows(master: OneMaster) -> None:
    big = 10**18 - 1
    assert master.client.query_jobs([big, 0], ["status"]) == [[None], [None]]
    for number in (big, 2**63, 2**70):
        found = master.client.query("job", ["status"], ["=", "id", number])
        assert [value for ((_, value),) in found["data"]] in ([], [None])


def test_many_jobs_are_listed_in_portions(master: OneMaster) -> None:
    job = master.submit(NO_OP)
    master.wait(job)
    rows = master.client.query_jobs([job, *range(10**6, 10**6 + 1200), job], ["id", "status"])
    assert rows[0] == rows[-1] == [job, "success"]
    assert rows[1:-1] == [[number, None] for number in range(10**6, 10**6 + 1200)]


def test_plugins_that_are_switched_at_once_are_all_switched(master: OneMaster) -> None:
    def switch(name: str, *, enabled: bool) -> None:
        with LuxiClient(master.paths.master_socket) as client:
            client.set_plugin_enabled("disk_templates", name, enabled)

    with ThreadPoolExecutor(len(NAMES)) as pool:
        for enabled in (False, True):
            list(pool.map(lambda name, on=enabled: switch(name, enabled=on), NAMES))
            disabled = master.daemon.store.snapshot.cluster.disabled_plugins
            assert len(disabled) == (0 if enabled else len(NAMES))


@pytest.mark.parametrize("enabled", [True, False])
def test_a_plugin_that_nobody_has_is_not_switched(master: OneMaster, enabled: bool) -> None:
    with pytest.raises(OpPrereqError, match="There is no plugin collectors:nosuch"):
        master.client.set_plugin_enabled("collectors", "nosuch", enabled)
    assert master.client.set_plugin_enabled("disk_templates", NAMES[0], True) == []


def test_of_two_changes_for_one_version_one_is_made(master: OneMaster) -> None:
    """Whichever comes first: the other one finds another version, under its locks."""
    with_group = master.submit({"OP_ID": "OP_GROUP_ADD", "group_name": "versions"})
    master.wait(with_group)
    ((serial,),) = master.client.query_groups(["versions"], ["serial_no"], False)
    change = {"OP_ID": "OP_GROUP_SET_PARAMS", "group_name": "versions", "serial_no": serial}

    jobs = [master.submit({**change, "alloc_policy": policy}) for policy in (
        "last_resort", "unallocable", "last_resort", "unallocable")]

    assert sorted(master.wait(job) for job in jobs) == ["error", "error", "error", "success"]
    late = next(job for job in jobs if master.status(job) == "error")
    ((kind, (text, ecode)),) = master.field(late, "opresult")
    assert (kind, ecode) == ("OpPrereqError", "wrong_state")
    assert f"serial number {serial + 1}, and {serial} was expected" in text


@pytest.mark.parametrize(("op", "ecode"), [
    ({"OP_ID": "OP_GROUP_ADD", "group_name": "none"}, "wrong_input"),
    ({"OP_ID": "OP_TEST_DELAY", "duration": 0, "on_master": False}, "wrong_input"),
    ({"OP_ID": "OP_CLUSTER_REDIST_CONF"}, "wrong_state"),
    ({"OP_ID": "OP_TAGS_SET", "kind": "cluster", "tags": ["late"]}, "wrong_state"),
    ({"OP_ID": "OP_TAGS_SET", "kind": "node", "name": "node1", "tags": ["late"]}, "wrong_state")])
def test_an_opcode_for_no_version_that_there_is_does_nothing(
    master: OneMaster, op: dict[str, Any], ecode: str
) -> None:
    job = master.submit({**op, "serial_no": 999_999})

    assert master.wait(job) == "error"
    assert master.field(job, "opresult")[0][1][1] == ecode
    assert "late" not in master.daemon.store.snapshot.cluster.tags


def test_the_reading_socket_answers_questions_and_nothing_else(master: OneMaster) -> None:
    with LuxiClient(master.paths.read_socket) as reader:
        assert reader.query("node", ["name"], None)["data"] == [[[0, "node1.example.com"]]]
        for method, args in (("SubmitJob", [[NO_OP]]), ("NodeEnrolToken", []),
                             ("SetDrainFlag", [True])):
            with pytest.raises(OpPrereqError, match="only answers questions"):
                reader.call(method, *args)
    assert master.client.call("QueryConfigValues", ["drain_flag"]) == [False]
