"""Changing calls: once per id, one at a time per object, by the newest master only."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from member_lists import write_members
from one_node import alive, eventually, start_call

from ganeti_core.errors import AccessDenied, HypervisorError, OutcomeUnknown, RpcError, StaleEpoch
from ganeti_core.node import workers
from ganeti_core.paths import Paths
from ganeti_core.rpc import certs
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients
from ganeti_core.rpc.tls import TlsIdentity, fingerprint_of


def starts(node):
    return (node.root / "starts").read_text().split()


def test_call_with_a_known_id_acts_once(node):
    call = start_call("fine.a")

    node.call(call, call_id="the-id")
    node.call(call, call_id="the-id")

    assert starts(node) == ["fine.a"]


def test_error_is_an_outcome_too(node):
    for _ in range(2):
        with pytest.raises(HypervisorError):
            node.call(start_call("typed"), call_id="the-id")

    assert starts(node) == ["typed"]


def test_outcome_of_a_lost_answer_can_be_asked_for(node):
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(node.call, start_call("blocks.x"), call_id="the-id", owner="job-1")
        node.mark("x")
        node.clients.abandon("job-1")
        with pytest.raises(OutcomeUnknown):
            lost.result(60)
    assert node.clients.outcome(node.peer, "the-id") == {"state": "running"}
    (node.root / "go").touch()

    assert eventually(lambda: node.clients.outcome(node.peer, "the-id")["state"] == "done")
    assert node.clients.outcome(node.peer, "another-id") == {"state": "unknown"}


def test_call_that_is_repeated_while_it_runs_waits_for_the_first(node):
    call = start_call("blocks.x")
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(node.call, call, call_id="the-id") for _ in range(2)]
        node.mark("x")
        (node.root / "go").touch()
        assert [done.result(60) for done in calls] == [None, None]

    assert starts(node) == ["blocks.x"]


def test_calls_on_one_object_wait_for_each_other(node):
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(node.start, "blocks.first", "the-uuid")
        node.mark("first")
        second = threads.submit(node.start, "fine.second", "the-uuid")
        node.start("fine.other", "another-uuid")
        assert not (node.root / "mark-second").exists()
        (node.root / "go").touch()
        first.result(60)
        second.result(60)

    assert starts(node)[-1] == "fine.second"


def test_call_that_waits_too_long_says_for_what_and_has_changed_nothing(node):
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(
            node.call, start_call("blocks.first", "the-uuid"), call_id="first-id")
        node.mark("first")
        began = time.monotonic()
        with pytest.raises(RpcError, match=r"start \(call first-id\) has been running") as caught:
            node.start("fine.second", "the-uuid", call_timeout=0.4)
        assert time.monotonic() - began < 60
        (node.root / "go").touch()
        first.result(60)

    assert not isinstance(caught.value, OutcomeUnknown)
    assert starts(node) == ["blocks.first"]


def orphan(node, mood):
    """Leave a call behind on ``the-uuid`` whose caller is gone."""
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(node.call, start_call(f"{mood}.orphan", "the-uuid"),
                              call_id="the-orphan", owner="job-1")
        worker = int(node.mark("orphan"))
        node.clients.abandon("job-1")
        with pytest.raises(OutcomeUnknown):
            lost.result(60)
    return worker


def failure_of(node, call_id):
    """The error with which a call has ended; it is noted a moment after its object is free."""
    assert eventually(
        lambda: node.clients.outcome(node.peer, call_id)["state"] == "failed")
    return node.clients.outcome(node.peer, call_id)["error"]["error"]


def test_call_whose_caller_is_gone_is_asked_to_end_before_its_undo(node):
    orphan(node, "listens")

    node.start("fine.undo", "the-uuid")

    assert failure_of(node, "the-orphan") == ["HypervisorError", ["ended as told"]]


def test_call_whose_caller_is_gone_is_killed_when_it_does_not_listen(node, monkeypatch):
    monkeypatch.setattr(workers, "ENDING_SECONDS", 0.1)
    worker = orphan(node, "blocks")

    node.start("fine.undo", "the-uuid")

    assert not alive(worker)
    assert "was to end for another call" in failure_of(node, "the-orphan")[1][0]


def test_call_whose_caller_is_gone_goes_on_while_nobody_wants_its_object(node):
    worker = orphan(node, "blocks")

    node.start("fine.other", "another-uuid")

    assert alive(worker)
    (node.root / "go").touch()
    assert eventually(lambda: node.clients.outcome(node.peer, "the-orphan")["state"] == "done")


def test_call_that_waited_until_its_caller_was_gone_is_not_begun(node):
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(node.start, "blocks.first", "the-uuid")
        node.mark("first")
        lost = threads.submit(node.call, start_call("fine.lost", "the-uuid"),
                              call_id="the-lost", owner="job-1")
        assert eventually(
            lambda: node.clients.outcome(node.peer, "the-lost")["state"] == "running")
        node.clients.abandon("job-1")
        with pytest.raises(OutcomeUnknown):
            lost.result(60)
        (node.root / "go").touch()
        first.result(60)

    assert eventually(lambda: node.clients.outcome(node.peer, "the-lost")["state"] == "failed")
    assert starts(node) == ["blocks.first"]


def test_older_master_may_change_nothing_and_may_still_read(node):
    node.start("fine.a")
    newer = NodeClients(TlsIdentity.of(node.paths), lambda: 2)
    newer.call(node.peer, start_call("fine.b"))
    newer.close()

    with pytest.raises(StaleEpoch, match="epoch 2"):
        node.start("fine.c")
    assert node.call(service_call("node.epoch")) == {"epoch": 2}
    assert starts(node) == ["fine.a", "fine.b"]


@pytest.fixture
def plain_node(node, tmp_path):
    """The clients of a node that is no master candidate."""
    paths = Paths(tmp_path / "plain")
    paths.make_directories()
    paths.ca_key.write_bytes(node.paths.ca_key.read_bytes())
    paths.ca_certificate.write_bytes(node.paths.ca_certificate.read_bytes())
    write_members(node.paths, [fingerprint_of(node.paths.node_certificate)],
                  [certs.issue_local(paths, "plain-uuid", "plain.example.com")])
    clients = NodeClients(TlsIdentity.of(paths), lambda: 99)
    yield clients
    clients.close()


def test_plain_node_may_read_a_little_and_change_nothing(node, plain_node):
    assert plain_node.call(node.peer, service_call("node.ping"))["name"] == "node1.example.com"
    for call in (start_call("fine.a"), service_call("node.ssconf"), service_call("node.leave"),
                 service_call("node.survey", {"hooks": []}), service_call("call.outcome")):
        with pytest.raises(AccessDenied, match="only a master candidate"):
            plain_node.call(node.peer, call)

    assert not (node.root / "starts").exists()
    assert node.call(service_call("node.epoch")) == {"epoch": 0}


def test_candidate_that_was_demoted_loses_its_right_on_the_open_connection(node):
    node.start("fine.a")
    write_members(node.paths, ["somebody else"],
                  [fingerprint_of(node.paths.node_certificate)])

    with pytest.raises(AccessDenied):
        node.start("fine.b")
