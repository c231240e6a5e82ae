"""The older calls and the single documents answer as recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from recorded_cluster import (
    FakeJobs,
    FakeLocks,
    FakeNodes,
    answer,
    exchange,
    recorded,
    snapshot_of,
)

from ganeti_core.config.snapshot import Snapshot
from ganeti_core.errors import GanetiError, OpPrereqError, RequestError
from ganeti_core.locking import LockInfo
from ganeti_core.plugins import PluginHost
from ganeti_core.query.cluster import cluster_info, config_values
from ganeti_core.query.engine import QueryEngine
from ganeti_core.query.instance_data import instance_data
from ganeti_core.query.requests import refuse_as_ganeti, unreadable
from ganeti_core.query.tags import tags_of

OLD = {"QueryInstances": "instance", "QueryNodes": "node", "QueryGroups": "group",
       "QueryNetworks": "network"}


@pytest.mark.parametrize("number", ["068", "069", "071", "074", "076", "077"])
def test_older_calls_answer_plain_values(
    engine: QueryEngine, snapshot: Snapshot, number: str
) -> None:
    found = exchange(number)
    names, fields, _ = found["args"]
    assert engine.old_style(snapshot, OLD[found["method"]], names, fields) == answer(number)


def test_older_calls_find_instances_by_short_names(
    engine: QueryEngine, snapshot: Snapshot
) -> None:
    assert engine.old_style(snapshot, "instance", ["inst2", "nosuch"], ["name"]) == [
        ["inst2.example.com"]]


@pytest.mark.parametrize("what", ["instance", "job"])
def test_older_calls_refuse_unknown_fields(
    engine: QueryEngine, snapshot: Snapshot, what: str
) -> None:
    with pytest.raises(OpPrereqError) as caught:
        engine.old_style(snapshot, what, [], ["nosuch"])
    assert caught.value.to_wire() == answer("072")


def test_exports_are_listed_by_node(
    engine: QueryEngine, snapshot: Snapshot, nodes: FakeNodes
) -> None:
    assert engine.exports(snapshot, []) == answer("078")
    nodes.stored = {"node3.example.com": ["inst10", "inst9"]}
    assert engine.exports(snapshot, ["node3"]) == [
        ["node3.example.com", "inst9"], ["node3.example.com", "inst10"]]


def test_jobs_that_do_not_exist_have_a_row(engine: QueryEngine) -> None:
    assert engine.old_jobs([999999], ["id", "status"]) == answer("085")
    assert engine.old_jobs([285, 999999], ["id", "status"]) == [[285, "error"], [999999, None]]


def test_job_ids_may_be_strings_of_digits(engine: QueryEngine, snapshot: Snapshot) -> None:
    rows = engine.query(snapshot, "job", ["status"], ["|", ["=", "id", 1], ["=", "id", 285]])
    assert [row[0][1] for row in rows["data"]] == ["success", "error"]
    with pytest.raises(RequestError, match="parsing job id: cannot parse string 'abc'"):
        engine.query(snapshot, "job", ["id"], ["=", "id", "abc"])


def test_archived_jobs_are_listed_only_when_asked_for(
    engine: QueryEngine, snapshot: Snapshot, jobs: FakeJobs
) -> None:
    jobs.documents = [{**job, "archived": job["id"] == 1} for job in jobs.documents]
    every = len(jobs.documents)
    assert len(engine.query(snapshot, "job", ["id"])["data"]) == every - 1
    assert len(engine.query(snapshot, "job", ["id", "archived"])["data"]) == every
    assert engine.old_jobs([1], ["id", "status"]) == [[1, "success"]]


def test_an_observer_tells_a_job_as_listings_do(engine: QueryEngine, jobs: FakeJobs) -> None:
    observe = engine.job_observer(["status", "end_ts", "summary"])
    queued = {**jobs.documents[0], "status": "queued", "end_timestamp": None}
    assert observe(queued)[:2] == ["queued", None]
    with pytest.raises(OpPrereqError, match="nosuch"):
        engine.job_observer(["nosuch"])


def test_locks_are_listed_by_name(
    engine: QueryEngine, snapshot: Snapshot, locks: FakeLocks
) -> None:
    theirs = answer("117")["data"]
    locks.held = [
        LockInfo(name, mode, tuple(owners), tuple((how, tuple(who)) for how, who in pending))
        for (_, name), (_, mode), (_, owners), (_, pending) in reversed(theirs)]
    assert engine.query(snapshot, "lock", ["name", "mode", "owner", "pending"])["data"] == theirs


def test_the_cluster_is_described_as_recorded(snapshot: Snapshot, host: PluginHost) -> None:
    ours, theirs = cluster_info(snapshot, host), answer("001")
    assert ours.keys() - {"os_search_path", "extstorage_search_path", "settings",
                          "disk_template_needs", "hv_state", "serial_no",
                          "storage_types", "core_version"} == theirs.keys()
    of_stub = {"acpi", "kernel_path", "user_shutdown"}  # the stub driver has only these
    assert ours["hvparams"]["kvm"] | theirs["hvparams"]["kvm"] == ours["hvparams"]["kvm"]
    assert of_stub < theirs["hvparams"]["kvm"].keys()
    for name in theirs.keys() - {"hvparams", "vcs_version", "architecture"}:
        assert ours[name] == theirs[name], name
    json.dumps(ours)


@pytest.mark.parametrize("number", ["005", "006", "007"])
def test_single_values_are_told_as_recorded(
    snapshot: Snapshot, host: PluginHost, number: str
) -> None:
    assert config_values(snapshot, host, exchange(number)["args"][0]) == answer(number)


@pytest.mark.parametrize("number", [f"{number:03}" for number in range(8, 16)])
def test_tags_are_told_as_recorded(snapshot: Snapshot, number: str) -> None:
    found = exchange(number)
    try:
        told: Any = tags_of(snapshot, *found["args"])
    except GanetiError as exc:
        told = exc.to_wire()
    assert told == answer(number)


def test_instances_are_described_as_recorded(host: PluginHost, nodes: FakeNodes) -> None:
    document = answer("628")[0][2][0]
    told = instance_data(snapshot_of(recorded()["config"]), host, nodes, ["inst2"])
    theirs = document["inst2.example.com"]
    ours = json.loads(json.dumps(told["inst2.example.com"]))
    assert ours.keys() == theirs.keys()
    for name in theirs:
        assert ours[name] == theirs[name], name


def test_a_static_description_asks_no_node(
    snapshot: Snapshot, host: PluginHost, nodes: FakeNodes
) -> None:
    told = instance_data(snapshot, host, nodes, [], static=True)
    assert len(told) == 5
    assert not nodes.asked
    assert {found["run_state"] for found in told.values()} == {None}
    assert told["inst2.example.com"]["disks"][0]["pstatus"] is None


def test_requests_that_cannot_be_read_are_refused_in_the_peers_words(
    engine: QueryEngine, snapshot: Snapshot
) -> None:
    args = exchange("054")["args"]
    with pytest.raises(RequestError) as caught:
        engine.query(snapshot, *args)
    assert unreadable(args, caught.value).to_wire() == answer("054")


@pytest.mark.parametrize("number", ["020", "023"])
def test_what_the_peer_lists_only_in_jobs_can_be_refused_alike(number: str) -> None:
    found = exchange(number)
    with pytest.raises(GanetiError) as caught:
        refuse_as_ganeti(found["method"], found["args"][0])
    assert caught.value.to_wire() == answer(number)
    refuse_as_ganeti("Query", "instance")
