"""A node's door under bad callers: each is refused, and the next good one is served."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest
from loopback import fingerprint, peer_of
from member_lists import write_members

from ganeti_core.errors import AccessDenied, NodeUnreachable, RpcError
from ganeti_core.node.services.neighbours import Probe, failing
from ganeti_core.rpc import certs
from ganeti_core.rpc.bounds import Limits, Share
from ganeti_core.rpc.calls import Call, service_call
from ganeti_core.rpc.pyro import connect_message
from ganeti_core.rpc.server import checked_request
from ganeti_core.rpc.tls import TlsIdentity
from ganeti_core.rpc.wire import MAX_MESSAGE, success

QUICK = Limits(handshake=0.3, message=0.3, handshakes=4,
               candidates=Share(3, 3, 3600.0, MAX_MESSAGE, 30.0))
PING = service_call("node.ping")
HEADER = "!4sHBBHHII16sHH"
CONNECT, INVOKE = 1, 4
JSON, SERPENT, MARSHAL = 3, 1, 2


def raw(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 5)


def tls(server, paths) -> ssl.SSLSocket:
    return TlsIdentity.of(paths).client_context().wrap_socket(raw(server))


def closed_by_server(sock: socket.socket) -> bool:
    sock.settimeout(60)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def message(kind: int, body: bytes, *, serializer=JSON, flags=0, size=None) -> bytes:
    return struct.pack(HEADER, b"PYRO", 502, kind, serializer, flags, 1,
                       len(body) if size is None else size, 0, bytes(16), 0, 0x4DC5) + body


def greeted(pair) -> ssl.SSLSocket:
    """A connection of the master that the node has accepted."""
    sock = tls(pair.server, pair.master)
    sock.sendall(connect_message())
    assert sock.recv(65536)[6] == 2
    return sock


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\n\r\n", b"PYRO" + bytes(100), os.urandom(5000), b"\x16\x03\x01\xff\xff",
    b"\0",
])
def test_garbage_is_refused(make_pair, garbage):
    pair = make_pair(limits=QUICK)
    with raw(pair.server) as sock:
        sock.sendall(garbage)
        assert closed_by_server(sock)
    assert pair.answers()


def test_garbage_inside_tls_is_refused(pair):
    with tls(pair.server, pair.master) as sock:
        sock.sendall(b"no message at all" * 10)
        assert closed_by_server(sock)
    assert pair.answers()


def test_caller_who_says_nothing_is_dropped_and_delays_nobody(make_pair):
    pair = make_pair(limits=Limits(handshake=4.0))
    with raw(pair.server) as silent:
        began = time.monotonic()
        assert pair.answers()
        assert time.monotonic() - began < 3.5
        assert closed_by_server(silent)


def test_handshake_that_drips_is_dropped(make_pair):
    pair = make_pair(limits=QUICK)
    with raw(pair.server) as sock:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(2000):
                sock.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < 30
    assert pair.answers()


def test_many_silent_callers_cannot_lock_out_one_who_speaks(make_pair):
    pair = make_pair(limits=Limits(handshake=30.0, handshakes=4))
    silent = [raw(pair.server) for _ in range(12)]
    try:
        assert pair.answers()
        assert closed_by_server(silent[0])
        assert pair.answers()
    finally:
        for sock in silent:
            sock.close()


def test_who_only_looks_whether_it_is_reached_is_not_heard_of(pair, caplog):
    caplog.set_level("DEBUG", "ganeti_core.rpc.server")
    for _ in range(20):
        assert failing([Probe("node", "127.0.0.1", pair.server.port)]) == []
    assert pair.answers()
    assert "left without a handshake" not in caplog.text


def test_certificate_of_another_authority_is_refused(cluster, pair, tmp_path):
    cluster.name = "evil.example.com"
    evil = cluster.node("master-uuid")
    # It trusts the real cluster, so that only the node can refuse.
    evil.ca_certificate.write_bytes(pair.node.ca_certificate.read_bytes())

    with pytest.raises(NodeUnreachable):
        cluster.client(evil).call(pair.peer, PING)
    assert pair.answers()


def test_caller_without_certificate_is_refused(pair):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(pair.node.ca_certificate)
    with context.wrap_socket(raw(pair.server)) as sock:
        sock.sendall(connect_message())
        assert b"no certificate was shown" in sock.recv(4096)
        assert closed_by_server(sock)
    assert pair.answers()


def test_caller_without_certificate_is_bounded_where_strangers_are_expected(make_pair):
    pair = make_pair(open_to_strangers=lambda: True,
                     limits=Limits(strangers=Share(4, 16, 0.3, 1000, 10.0)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(pair.node.ca_certificate)
    for said in (b"", message(INVOKE, b"", size=2000)):
        with context.wrap_socket(raw(pair.server)) as sock:
            sock.sendall(connect_message())
            assert sock.recv(65536)[6] == 2
            sock.sendall(said)
            assert closed_by_server(sock)
    assert pair.answers()


def test_unencrypted_speaker_of_the_protocol_is_refused(make_pair):
    pair = make_pair(limits=QUICK)
    with raw(pair.server) as sock:
        sock.sendall(connect_message())
        assert closed_by_server(sock)
    assert pair.answers()


@pytest.mark.parametrize(("what", "header"), [
    ("too large a body", message(INVOKE, b"", size=MAX_MESSAGE + 1)),
    ("the largest body that a header can name", message(INVOKE, b"", size=0xFFFFFFFF)),
    ("marshal", message(INVOKE, b"", serializer=MARSHAL, size=9)),
    ("serpent", message(INVOKE, b"", serializer=SERPENT, size=9)),
    ("compressed", message(INVOKE, b"", flags=1 << 1, size=9)),
    ("one way", message(INVOKE, b"", flags=1 << 2, size=9)),
    ("a batch", message(INVOKE, b"", flags=1 << 3, size=9)),
    ("marshal in an annotation", message(INVOKE, b"", flags=1 << 5, size=9)),
])
def test_what_is_not_spoken_here_is_refused_before_the_body_is_read(pair, what, header):
    with greeted(pair) as sock:
        sock.sendall(header)
        # The body never comes: only a server that refuses the header closes now.
        assert closed_by_server(sock)
    assert pair.answers()


def test_message_that_is_begun_and_not_ended_is_dropped(make_pair):
    pair = make_pair(limits=QUICK)
    with greeted(pair) as sock:
        sock.sendall(message(INVOKE, b"{", size=100))
        assert closed_by_server(sock)
    assert pair.answers()


@pytest.mark.parametrize("body", [
    b"{}", b"[]", b"\xff\xfe", b'{"object": "node", "method": "call", "params": [], "kwargs": {}}',
    b'{"object": "node", "method": "__init__", "params": [], "kwargs": {}}',
    b'{"object": "Pyro.Daemon", "method": "info", "params": [], "kwargs": {}}',
    b'{"object": "node", "method": "_handler", "params": [], "kwargs": {}}',
    b'{"object": "node", "method": "__getattr__", "params": ["_handler"], "kwargs": {}}',
])
def test_call_of_anything_but_the_one_method_is_an_error(pair, body):
    with greeted(pair) as sock:
        sock.sendall(message(INVOKE, body))
        assert b"__exception__" in sock.recv(65536)
    assert pair.answers()


def test_data_that_names_a_class_stays_data(pair):
    hostile = {"__class__": "Pyro5.client.Proxy", "state": ["PYRO:evil@192.0.2.66:1", [], [], []]}

    assert pair.clients.call(pair.peer, Call("node.ping", {"a": hostile}))["args"] == {"a": hostile}


@pytest.mark.parametrize("parameters", [
    (1, {}, "", 0, "", 1.0), ("s", [], "", 0, "", 1.0), ("s", {}, None, 0, "", 1.0),
    ("s", {}, "", "0", "", 1.0), ("s", {}, "", 0, 7, 1.0), ("s", {}, "", 0, "", "1"),
    ("s", {}, "", 0, "", -1.0), ("s", {}, "", 0, "", float("inf")), ("s", {}, "", 0, ""),
])
def test_parameters_of_a_wrong_type_are_refused(parameters):
    with pytest.raises(AccessDenied, match="wrong type"):
        checked_request(parameters)


def test_one_connection_too_many_is_told_so(make_pair):
    pair = make_pair(limits=QUICK)
    held = [greeted(pair) for _ in range(QUICK.candidates.each)]
    try:
        with pytest.raises(NodeUnreachable, match="as many connections of this caller as it can"):
            pair.cluster.client(pair.master).call(pair.peer, PING)
    finally:
        for sock in held:
            sock.close()
    deadline = time.monotonic() + 5
    while True:
        try:
            assert pair.answers()
            return
        except NodeUnreachable:
            # The server sees the ends of the others a moment later.
            assert time.monotonic() < deadline


def test_large_message_passes_both_ways(pair):
    text = "ü" * (4 * 1024 * 1024)

    assert pair.clients.call(pair.peer, Call("node.ping", {"t": text}))["args"] == {"t": text}


def test_answer_that_is_too_large_is_an_error_that_says_so(make_pair):
    pair = make_pair(handler=lambda caller, request: success("x" * MAX_MESSAGE))

    with pytest.raises(RpcError, match=f"the largest is {MAX_MESSAGE}"):
        pair.clients.call(pair.peer, PING)


def test_request_that_is_too_large_never_leaves(pair):
    with pytest.raises(NodeUnreachable, match="too large"):
        pair.clients.call(pair.peer, Call("node.ping", {"text": "x" * MAX_MESSAGE}))
    assert pair.answers()


def test_server_tells_the_handler_who_calls(pair):
    assert pair.clients.call(pair.peer, PING)["caller"] == "master-uuid"


def test_server_that_stops_lets_a_call_end(make_pair):
    begun, go = threading.Event(), threading.Event()

    def slow(caller, request):
        begun.set()
        go.wait(60)
        return success("ended well")

    pair = make_pair(handler=slow)
    peer, answers = pair.peer, []
    caller = threading.Thread(target=lambda: answers.append(pair.clients.call(peer, PING)))
    caller.start()
    begun.wait(60)
    stopper = threading.Thread(target=lambda: pair.server.stop(grace=10))
    stopper.start()
    go.set()
    caller.join(10)
    stopper.join(10)

    assert answers == ["ended well"]
    with pytest.raises(NodeUnreachable):
        pair.clients.call(peer, PING)


def test_node_serves_ipv6(cluster):
    master, node = cluster.node("master-uuid"), cluster.node("node-uuid")
    try:
        server = cluster.server(node, candidates=[master], address=("::1", 0))
    except OSError as exc:
        pytest.skip(f"no IPv6 loopback: {exc}")

    assert cluster.client(master).call(peer_of(server, node, "::1"), PING)["service"] == "node.ping"


def test_certificates_may_be_renewed_under_way(cluster, pair):
    assert pair.answers()
    before = fingerprint(pair.node)

    authority = cluster.folder / cluster.name / "authority"
    for paths in (pair.master, pair.node):
        paths.ca_key.write_bytes((authority / "var/lib/ganeti/ca.key").read_bytes())
        certs.issue_local(paths, paths.root.name, "renewed.example.com")
    pair.clients.drop(pair.peer.uuid)
    write_members(pair.node, [fingerprint(pair.master)])

    assert fingerprint(pair.node) != before
    assert pair.clients.call(pair.peer, PING)["caller"] == "master-uuid"
    assert pair.clients.fingerprint(pair.peer) == fingerprint(pair.node)


@pytest.mark.parametrize("variable", ["PYRO_SERIALIZER", "PYRO_MAX_MESSAGE_SIZE", "PYRO_NONSENSE"])
def test_variables_of_the_library_are_ignored(variable):
    code = (
        "from ganeti_core.rpc import pyro; pyro.configure(); from Pyro5 import config, serializers;"
        "print(config.SERIALIZER, config.MAX_MESSAGE_SIZE, *serializers.serializers)")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, variable: "marshal"},
                          capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["json", str(MAX_MESSAGE), "json"], done.stderr
