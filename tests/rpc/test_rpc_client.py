"""Asking nodes: what the errors promise, and who the client believes."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from loopback import peer_of
from virtual_cluster import wait_until

from ganeti_core.errors import (
    GanetiError,
    HypervisorError,
    JobCanceled,
    NodeUnreachable,
    OutcomeUnknown,
)
from ganeti_core.rpc import connection
from ganeti_core.rpc.calls import Call, service_call
from ganeti_core.rpc.pyro import shut
from ganeti_core.rpc.wire import failure, success

PING = service_call("node.ping")
CHANGE = Call("node.ssconf", {"values": {}}, changes=True)


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch):
    monkeypatch.setattr(connection, "GRACE_SECONDS", 0.0)


class Slow:
    """A handler that answers when it is told to, and counts."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.count = 0

    def __call__(self, caller, request):
        self.count += 1
        self.begun.release()
        self.go.wait(20)
        return success(self.count)


@pytest.fixture
def slow():
    handler = Slow()
    yield handler
    handler.go.set()


def test_connection_is_kept(pair):
    callers = {pair.clients.call(pair.peer, PING)["caller"] for _ in range(5)}

    assert callers == {"master-uuid"}
    assert len(pair.server.served()) == 1


def test_connection_made_with_a_certificate_that_was_replaced_is_not_used_again(pair):
    """Nodes forget old certificates: what it brings would be refused."""
    pair.clients.call(pair.peer, PING)
    before = set(pair.server.served())
    certificate = pair.clients.identity.certificate
    certificate.with_suffix(".again").write_bytes(certificate.read_bytes())
    certificate.with_suffix(".again").replace(certificate)

    pair.clients.call(pair.peer, PING)

    assert set(pair.server.served()) - before


def test_node_that_does_not_listen_is_unreachable(pair):
    peer = pair.peer
    pair.server.stop()

    with pytest.raises(NodeUnreachable, match=r"node-uuid\.example\.com"):
        pair.clients.call(peer, PING)


def test_address_where_nobody_answers_is_unreachable_in_time(pair, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        peer = dataclasses.replace(pair.peer, port=mute.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(NodeUnreachable, match="handshake"):
            pair.clients.call(peer, PING)
        assert time.monotonic() - began < 4.5


def test_somebody_else_at_the_address_is_not_believed(cluster, pair):
    other = cluster.node("other-uuid")
    server = cluster.server(other, candidates=[pair.master])
    impostor = dataclasses.replace(pair.peer, port=server.port)

    with pytest.raises(NodeUnreachable, match="someone else"):
        pair.clients.call(impostor, PING)
    with pytest.raises(NodeUnreachable, match="answers node other-uuid"):
        pair.clients.call(dataclasses.replace(impostor, fingerprint=""), PING)


def test_node_of_another_cluster_is_not_believed(cluster, pair):
    cluster.name = "evil.example.com"
    evil = cluster.node("node-uuid")
    server = cluster.server(evil, candidates=[pair.master])

    with pytest.raises(NodeUnreachable, match="verify failed"):
        pair.clients.call(
            dataclasses.replace(peer_of(server, evil), fingerprint=""), PING)


def test_errors_of_the_node_keep_their_class(make_pair):
    pair = make_pair(handler=lambda caller, request: failure(HypervisorError("no memory")))

    with pytest.raises(HypervisorError, match="no memory"):
        pair.clients.call(pair.peer, PING)


def test_no_answer_in_time_is_an_unknown_outcome(make_pair, slow):
    pair = make_pair(handler=slow)

    with pytest.raises(OutcomeUnknown, match="within"):
        pair.clients.call(pair.peer, dataclasses.replace(PING, timeout=0.2))
    slow.go.set()
    assert pair.clients.call(pair.peer, PING) == 2, "the late answer must not be taken for another"


def test_connection_lost_during_a_changing_call_is_an_unknown_outcome(make_pair, slow):
    pair = make_pair(handler=slow)
    slow.go.set()
    pair.clients.call(pair.peer, PING)
    slow.go.clear()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pair.clients.call, pair.peer, CHANGE)
        slow.begun.acquire(timeout=60)
        slow.begun.acquire(timeout=60)
        pair.server._shut_idle(force=True)
        with pytest.raises(OutcomeUnknown, match="answer is lost"):
            asked.result(60)
    assert slow.count == 2, "a changing call must not be repeated"
    slow.go.set()


def test_question_is_repeated_once_on_a_kept_connection_that_died(make_pair, slow):
    pair = make_pair(handler=slow)
    slow.go.set()
    pair.clients.call(pair.peer, PING)
    slow.go.clear()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pair.clients.call, pair.peer, PING)
        slow.begun.acquire(timeout=60)
        slow.begun.acquire(timeout=60)
        pair.server._shut_idle(force=True)
        slow.begun.acquire(timeout=60)
        slow.go.set()
        assert asked.result(60) == 3


@pytest.mark.parametrize("call", [PING, CHANGE])
def test_node_that_was_restarted_is_asked_over_a_new_connection(cluster, pair, call):
    peer = pair.peer
    pair.clients.call(peer, call)
    pair.server.stop()

    cluster.server(pair.node, candidates=[pair.master], address=("127.0.0.1", peer.port))

    assert pair.clients.call(peer, call)["service"] == call.service


def test_a_daemon_that_has_ended_is_noticed_among_others(cluster, pair):
    other = cluster.node("other-uuid")
    server = cluster.server(other, candidates=[pair.master])
    pair.clients.call(peer_of(server, other), PING)
    pair.clients.call(pair.peer, PING)
    nodes = [pair.peer.uuid, "other-uuid", "never-asked"]
    before = pair.clients.losses(nodes)
    assert pair.clients.losses(nodes) == before

    server.stop()

    wait_until(lambda: pair.clients.losses(nodes)["other-uuid"] > before["other-uuid"], "noticed")
    after = pair.clients.losses(nodes)
    assert {**after, "other-uuid": 0} == {**before, "other-uuid": 0}
    assert pair.clients.losses(nodes) == after
    pair.clients.call(pair.peer, PING)
    assert len(pair.server.served()) == 1


def test_changing_call_gets_an_id_and_the_epoch(make_pair):
    seen = []

    def handler(caller, request):
        seen.append((request.call_id, request.epoch))
        return success(None)

    pair = make_pair(handler=handler)
    clients = pair.cluster.client(pair.master, epoch=7)
    clients.call(pair.peer, CHANGE)
    clients.call(pair.peer, CHANGE, call_id="given")
    clients.call(pair.peer, PING)

    assert len(seen[0][0]) == 36
    assert seen[1:] == [("given", 7), ("", 7)]


def test_arguments_that_are_not_plain_are_refused_before_anything_is_sent(pair):
    with pytest.raises(TypeError, match="cannot be sent"):
        pair.clients.call(pair.peer, Call("node.ping", {"a": b"bytes"}))


def test_cancelled_job_stops_waiting(make_pair, slow):
    pair = make_pair(handler=slow)

    with pytest.raises(JobCanceled):
        pair.clients.call(pair.peer, PING, cancelled=lambda: slow.count > 0)


def test_abandoned_owner_stops_waiting_and_gets_nothing_more(make_pair, slow):
    pair = make_pair(handler=slow)
    with ThreadPoolExecutor(2) as threads:
        killed = threads.submit(pair.clients.call, pair.peer, CHANGE, owner="job-7")
        other = threads.submit(pair.clients.call, pair.peer, CHANGE, owner="job-8")
        slow.begun.acquire(timeout=60)
        slow.begun.acquire(timeout=60)
        pair.clients.abandon("job-7")
        with pytest.raises(OutcomeUnknown):
            killed.result(60)
        with pytest.raises(JobCanceled, match="killed"):
            pair.clients.call(pair.peer, PING, owner="job-7")
        slow.go.set()
        assert other.result(60) == 2
    assert pair.clients.call(pair.peer, PING, owner="job-7 undo") == 3


def test_fan_out_keeps_each_failure_as_that_nodes_answer(cluster, pair):
    broken = cluster.node("broken-uuid")
    refusing = cluster.server(
        broken, candidates=[pair.master], handler=lambda c, r: failure(GanetiError("not you")))
    gone = dataclasses.replace(pair.peer, uuid="gone", port=1)

    told = []
    pair.clients.failed = lambda peer, error: told.append((peer.uuid, str(error)))
    answers = pair.clients.fan_out({
        "good": (pair.peer, PING), "bad": (peer_of(refusing, broken), PING), "gone": (gone, PING)})

    assert answers["good"]["service"] == "node.ping"
    assert str(answers["bad"]) == "not you"
    assert isinstance(answers["gone"], NodeUnreachable)
    assert told == [("broken-uuid", "not you"), ("gone", str(answers["gone"]))]
    with pytest.raises(GanetiError, match="not you"):
        pair.clients.call(peer_of(refusing, broken), PING)
    assert told[2:] == told[:1]


def test_fan_out_asks_all_at_once(make_pair, cluster):
    together = threading.Barrier(3, timeout=10)

    def handler(caller, request):
        together.wait()
        return success(None)

    pair = make_pair(handler=handler)

    answers = pair.clients.fan_out(dict.fromkeys(range(3), (pair.peer, PING)))

    assert answers == {0: None, 1: None, 2: None}


def test_many_threads_share_the_clients(pair):
    def ask(number):
        return pair.clients.call(pair.peer, Call("node.ping", {"n": number}))["args"]["n"]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(200))) == list(range(200))


def test_lines_for_the_jobs_owner_arrive(make_pair):
    pair = make_pair(handler=lambda c, r: {**success(1), "feedback": ["one", "two"]})
    lines = []

    assert pair.clients.call(pair.peer, PING, feedback=lines.append) == 1
    assert lines == ["one", "two"]


def test_subject_goes_with_the_call(pair):
    call = Call("node.ping", {}, subject="some-uuid")

    assert pair.clients.call(pair.peer, call)["subject"] == "some-uuid"


def test_an_answer_that_is_lost_is_not_awaited_longer_than_it_was_to_be(make_pair):
    """It is asked for again, over a new connection, but whoever waits does so for his time only."""
    asked, released = threading.Semaphore(0), threading.Event()

    def handler(_caller, request):
        if request.service == "node.delay":
            asked.release()
            released.wait(60)
        return success("done")

    pair = make_pair(handler=handler)
    pair.clients.call(pair.peer, service_call("node.ping"))
    call = service_call("node.delay", timeout=1.0)
    with ThreadPoolExecutor(1) as spare:
        try:
            begun = pair.clients.begin([pair.peer], call, spare)
            assert asked.acquire(timeout=60)
            [served] = pair.server.served()
            shut(served.tls)
            with pytest.raises(TimeoutError):
                begun[pair.peer.uuid](0.1)
        finally:
            released.set()
