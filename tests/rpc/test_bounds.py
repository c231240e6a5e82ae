"""No caller takes what another one needs: places, memory and time are bounded by what it is."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import threading
import time
from contextlib import closing

import pytest
from loopback import fingerprint
from member_lists import write_members

from ganeti_core.errors import NodeUnreachable
from ganeti_core.rpc.bounds import Budget, Limits, Share
from ganeti_core.rpc.calls import Call, service_call
from ganeti_core.rpc.liveness import Liveness
from ganeti_core.rpc.pyro import connect_message
from ganeti_core.rpc.server import RpcServer
from ganeti_core.rpc.tls import TlsIdentity
from ganeti_core.rpc.wire import MAX_MESSAGE, success

# Pyro5 is imported through ganeti_core.rpc.pyro first: see there.
from Pyro5 import errors as pyro_errors  # isort: skip

PING = service_call("node.ping")
MIB = 1 << 20


def header(size: int) -> bytes:
    return struct.pack("!4sHBBHHII16sHH", b"PYRO", 502, 4, 3, 0, 1, size, 0, bytes(16), 0, 0x4DC5)


def connected(pair, paths) -> ssl.SSLSocket:
    context = TlsIdentity.of(paths).client_context()
    return context.wrap_socket(socket.create_connection(("127.0.0.1", pair.server.port), 5))


def greeted(pair, paths) -> ssl.SSLSocket:
    """A connection that the server has let in."""
    sock = connected(pair, paths)
    sock.sendall(connect_message())
    assert sock.recv(65536)[6] == 2
    return sock


def ends(sock: socket.socket, seconds: float = 60.0) -> bool:
    """Whether the other side ends the connection within so many seconds."""
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@pytest.fixture
def plain(cluster):
    """A node that is no master candidate."""
    return cluster.node("plain-uuid")


def test_a_node_with_many_idle_connections_keeps_only_its_own_from_being_served(
    make_pair, plain,
):
    pair = make_pair(nodes=[plain])
    share = Limits().nodes
    held = [greeted(pair, plain) for _ in range(3 * share.each)]
    try:
        assert len(pair.server.served()) <= share.each
        for sock in held[:-share.each]:
            assert ends(sock)
        for _ in range(5):
            assert pair.answers()
    finally:
        for sock in held:
            sock.close()


def test_all_nodes_together_leave_the_places_of_candidates(make_pair, cluster):
    nodes = [cluster.node(f"plain{number}-uuid") for number in range(4)]
    pair = make_pair(nodes=nodes, limits=Limits(nodes=Share(2, 3, 60.0, MIB, 0.0)))
    held = [greeted(pair, node) for node in nodes for _ in range(2)]
    try:
        assert len(pair.server.served()) <= 3
        assert pair.answers()
    finally:
        for sock in held:
            sock.close()


def test_strangers_without_certificate_take_no_place(make_pair):
    """Each would have kept one for a second: now the good callers notice nothing."""
    pair = make_pair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    silent = []
    stop = threading.Event()

    def besiege() -> None:
        while not stop.is_set():
            silent.append(context.wrap_socket(
                socket.create_connection(("127.0.0.1", pair.server.port), 5)))

    besieger = threading.Thread(target=besiege)
    besieger.start()
    try:
        while len(silent) < 150:
            with closing(pair.cluster.client(pair.master)) as fresh:
                assert fresh.call(pair.peer, PING)["service"] == PING.service
            assert besieger.is_alive()
        strangers = [one for one in pair.server.served() if not one.caller.fingerprint]
        assert strangers == []
    finally:
        stop.set()
        besieger.join(20)
        for sock in silent:
            sock.close()


def test_a_message_that_does_not_go_on_is_dropped(make_pair):
    pair = make_pair(limits=Limits(stall=0.3))
    with greeted(pair, pair.master) as sock:
        sock.sendall(header(10 * MIB) + b"x" * 1000)
        assert ends(sock)
    with greeted(pair, pair.master) as sock:
        sock.sendall(b"PYRO")
        assert ends(sock)
    assert pair.answers()


def test_half_sent_messages_of_one_caller_have_a_bound_together(make_pair):
    pair = make_pair(limits=Limits(stall=1.0, caller_bytes=4 * MIB))
    with greeted(pair, pair.master) as begun:
        begun.sendall(header(3 * MIB) + b"x" * 1000)
        text = "y" * (3 * MIB)
        # There is room for it only when the first one was given up.
        answer = pair.clients.call(pair.peer, Call("node.ping", {"t": text}))
        assert answer["args"] == {"t": text}
        assert ends(begun)


def test_who_waits_for_room_waits_not_longer_than_a_message_may_take():
    budget = Budget(100)
    with budget.hold(70, time.monotonic()):
        with pytest.raises(pyro_errors.TimeoutError), budget.hold(70, time.monotonic() + 0.05):
            pass
        with budget.hold(30, time.monotonic()):
            pass
    # One that is larger than all is taken alone.
    with budget.hold(1000, time.monotonic()):
        pass


def test_a_plain_node_sends_small_messages(make_pair, plain):
    pair = make_pair(nodes=[plain])
    with greeted(pair, plain) as sock:
        sock.sendall(header(2 * MIB))
        assert ends(sock)
    with greeted(pair, pair.master) as sock:
        sock.sendall(header(MAX_MESSAGE))
        assert not ends(sock, 0.3)


def test_the_connection_of_a_node_that_was_removed_ends(make_pair, plain):
    pair = make_pair(nodes=[plain])
    with greeted(pair, plain) as sock, greeted(pair, pair.master) as other:
        write_members(pair.node, [fingerprint(pair.master)])
        assert ends(sock)
        assert not ends(other, 0.1)
    assert pair.answers()


def test_a_certificate_that_is_not_listed_is_refused_and_makes_the_node_ask(make_pair, plain):
    asked = threading.Event()
    pair = make_pair(unlisted=asked.set)

    with pytest.raises(NodeUnreachable, match="not in the list of the cluster's nodes"):
        pair.cluster.client(plain).call(pair.peer, PING)

    assert asked.is_set()
    assert pair.answers()


class Refusals(logging.Handler):
    """Tells of each caller that a server refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = threading.Semaphore(0)

    def emit(self, record: logging.LogRecord) -> None:
        if "refused: it serves as many" in record.getMessage():
            self.seen.release()


def test_a_node_that_has_no_place_for_one_more_question_is_not_silent(make_pair):
    """While a long call is waited for its node is asked whether it is there: it says so."""
    refusals = Refusals()

    def handler(_caller, _request):
        return success(all(refusals.seen.acquire(timeout=60) for _ in range(3)))

    pair = make_pair(handler=handler, limits=Limits(candidates=Share(1, 1, 3600.0, MIB, 5.0)))
    pair.clients.liveness = Liveness(beat=0.0, silence=0.0)
    server_log = logging.getLogger(RpcServer.__module__)
    server_log.addHandler(refusals)
    try:
        assert pair.clients.call(pair.peer, service_call("node.ping", timeout=300.0))
    finally:
        server_log.removeHandler(refusals)


def test_who_cannot_be_given_a_thread_is_cut_off_and_the_next_one_is_served(pair):
    usual = threading.stack_size(1 << 46)  # more than there is: no thread can begin
    try:
        with pytest.raises(RuntimeError, match="start new thread"):
            threading.Thread(target=bool).start()
        with socket.create_connection(("127.0.0.1", pair.server.port), 60) as refused:
            refused.sendall(b"x")
            assert ends(refused)
    finally:
        threading.stack_size(usual)
    assert pair.answers()
    assert not pair.server._shaking
