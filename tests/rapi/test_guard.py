"""Clients that send too much, too slowly, nothing, or take nothing: others are served."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asked import FakeMaster, application
from hypothesis import given
from hypothesis import strategies as st
from served import Server, read_all, serving
from uvicorn.config import Config
from uvicorn.server import ServerState
from virtual_cluster import wait_until

from ganeti_core.bootstrap.renew import self_signed
from ganeti_core.rapi.guard import Bounds, GuardedProtocol
from ganeti_core.rapi.listener import Limits, make_context
from ganeti_core.rapi.outgoing import Outgoing
from ganeti_core.rapi.sending import Sender

SHORT = 0.2
"""Seconds of a time that is meant to run out."""
LARGE = [{"uuid": "x" * 1000}] * 8000


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers; each is given limits and settings of the application."""
    with ExitStack() as stack:
        def start(
            limits: Limits | None = None, context: ssl.SSLContext | None = None, **more: Any
        ) -> Server:
            master = FakeMaster({"QueryRecords": LARGE, "QueryTags": []})
            return stack.enter_context(serving(
                application(tmp_path, master, **more), limits, context))

        yield start


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def document(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


def test_a_long_header_is_refused(serve: Callable[..., Server]) -> None:
    server = serve(Limits(bounds=Bounds(header_bytes=4096)))

    answer = server.exchange(b"GET /version HTTP/1.1\r\nX: ", *[b"y" * 1024] * 2000)

    assert status(answer) in (431, 0)  # zero: what was still sent has reset the connection
    assert server.serves()


def test_a_long_header_that_is_sent_slowly_is_refused_with_words(
    serve: Callable[..., Server]
) -> None:
    server = serve(Limits(bounds=Bounds(header_bytes=4096)))

    answer = server.exchange(b"GET /version HTTP/1.1\r\nX: " + b"y" * 4000, b"y" * 300)

    assert status(answer) in (431, 0)
    if answer:
        assert "4096" in document(answer)["message"]


def test_many_headers_are_refused(serve: Callable[..., Server]) -> None:
    server = serve()

    answer = server.exchange(get("/version", *(f"X-{i}: y" for i in range(200))))

    assert status(answer) == 431
    assert document(answer)["code"] == 431


def test_whoever_sends_nothing_is_closed(serve: Callable[..., Server]) -> None:
    server = serve(Limits(bounds=Bounds(header_seconds=SHORT)))

    assert server.exchange() == b""


def test_half_a_header_is_not_waited_for(serve: Callable[..., Server]) -> None:
    server = serve(Limits(bounds=Bounds(header_seconds=SHORT)))

    # On a busy machine the time may be over before anything is sent: then there are no words.
    answer = wait_until(lambda: server.exchange(b"GET /version HTTP/1.1\r\nHo"), "a refusal")

    assert status(answer) == 408
    assert "header" in document(answer)["message"]


def test_empty_lines_begin_no_endless_wait(serve: Callable[..., Server]) -> None:
    server = serve(Limits(bounds=Bounds(header_seconds=SHORT)))

    assert status(server.exchange(b"\r\n\r\n")) in (0, 400, 408)


def test_half_a_body_is_not_waited_for(serve: Callable[..., Server]) -> None:
    server = serve(Limits(bounds=Bounds(body_seconds=SHORT)))

    answer = server.exchange(
        b"PUT /2/tags HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cnc6cndzZWNyZXQ=\r\n"
        b"Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{")

    assert status(answer) == 408
    assert "body" in document(answer)["message"]


@pytest.mark.parametrize("sent", [
    b"\x16\x03\x01\x02\x00", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"GET /a\x00b HTTP/1.1\r\n\r\n", b"FOO /version HTTP/1.1\r\n\r\n",
    b"GET /version HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_request_is_refused(serve: Callable[..., Server], sent: bytes) -> None:
    answer = serve().exchange(sent)

    assert status(answer) in (400, 408)
    assert set(document(answer)) == {"code", "message", "explain"}


AUTHORIZED = "Authorization: Basic cnc6cndzZWNyZXQ="


def test_a_body_that_is_too_long_is_refused_at_once(serve: Callable[..., Server]) -> None:
    server = serve(most_body=1000)

    answer = server.exchange(get("/2/tags", AUTHORIZED, "Content-Length: 1001").replace(
        b"GET", b"PUT", 1))

    assert status(answer) == 413
    assert "1000" in document(answer)["message"]


def test_a_body_of_almost_ten_mebibytes_is_taken(serve: Callable[..., Server]) -> None:
    text = b'{"osparams": {"key": "' + b"x" * ((10 << 20) - 100) + b'"}}'
    request = get("/2/instances/inst1/modify", AUTHORIZED, f"Content-Length: {len(text)}",
                  "Content-Type: application/json", "Connection: close").replace(
                      b"GET", b"PUT", 1)

    answer = serve().exchange(request, text)

    assert status(answer) == 200, answer[:500]


def test_who_has_not_logged_in_sends_no_long_body(serve: Callable[..., Server]) -> None:
    answer = serve().exchange(get("/2/tags", "Content-Length: 100000"))

    assert status(answer) == 413


def test_an_endless_body_is_cut_off(serve: Callable[..., Server]) -> None:
    server = serve(most_body=100_000)
    head = get("/2/tags", AUTHORIZED, "Transfer-Encoding: chunked").replace(b"GET", b"PUT", 1)

    answer = server.exchange(head, *[b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 2000)

    assert status(answer) in (413, 0)
    assert server.serves()


def test_requests_in_one_write_are_answered_in_order(serve: Callable[..., Server]) -> None:
    answer = serve().exchange(get("/version"), get("/2/features") + get(
        "/nosuch", "Connection: close"))

    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 404]


def test_whoever_takes_nothing_is_cut_off(serve: Callable[..., Server]) -> None:
    server = serve(Limits(bounds=Bounds(stall_seconds=SHORT)))

    with server.connect(buffer=4096) as slow:
        outgoing = server.listener.application._sender._outgoing
        slow.sendall(get("/2/groups?bulk=1", "Connection: close"))
        wait_until(lambda: outgoing.size, "it is sent")
        wait_until(lambda: not outgoing.size, "it is cut off")
        assert server.serves()
        assert len(read_all(slow)) < 8_000_000


def test_responses_that_nobody_takes_do_not_add_up(serve: Callable[..., Server]) -> None:
    server = serve(_sender=Sender(Outgoing(limit=20 << 20)))

    with ExitStack() as clients:
        for _ in range(8):
            slow = clients.enter_context(server.connect(buffer=4096))
            slow.sendall(get("/2/groups?bulk=1"))
        assert server.serves()
        assert server.listener.application._sender._outgoing.size <= 20 << 20


def test_one_address_does_not_take_all_connections(serve: Callable[..., Server]) -> None:
    server = serve(Limits(clients=8))

    with ExitStack() as clients:
        mine = [clients.enter_context(server.connect()) for _ in range(8)]
        for sock in mine[4:]:
            assert read_all(sock) == b""
        with from_address(server, "127.0.0.2") as other:
            other.sendall(get("/version", "Connection: close"))
            assert status(read_all(other)) == 200


def from_address(server: Server, address: str) -> socket.socket:
    sock = socket.socket()
    sock.bind((address, 0))
    sock.settimeout(60)
    sock.connect(("127.0.0.1", server.port))
    return sock


def test_whoever_only_waits_goes_when_others_come(serve: Callable[..., Server]) -> None:
    server = serve(Limits(clients=2))

    with from_address(server, "127.0.0.2") as first, from_address(server, "127.0.0.3") as second:
        for sock in (first, second):
            sock.sendall(get("/version"))
            assert sock.recv(1 << 16)
        with from_address(server, "127.0.0.4") as third:
            third.sendall(get("/version", "Connection: close"))
            assert status(read_all(third)) == 200


def test_a_silent_handshake_is_not_waited_for(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    file = tmp_path / "rapi.pem"
    file.write_bytes(self_signed("cluster.example.com"))
    with serve(Limits(handshake_seconds=SHORT),
               make_context(file, None, None)).connect() as silent:
        assert read_all(silent) == b""


def test_a_handshake_in_time_is_served(serve: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rapi.pem"
    file.write_bytes(self_signed("cluster.example.com"))
    server = serve(context=make_context(file, None, None))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with server.connect() as plain, context.wrap_socket(plain) as secure:
        secure.sendall(get("/version", "Connection: close"))
        assert status(read_all(secure)) == 200


class Transport:
    """Takes what a protocol writes."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, _name: str) -> None:
        return None

    def pause_reading(self) -> None:
        return

    resume_reading = pause_reading


TOKENS = st.sampled_from([
    b"GET ", b"PUT ", b"/version", b"/2/", b" HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Host: x",
    b"Content-Length: ", b"5", b"-1", b"Transfer-Encoding: chunked", b"Upgrade: websocket",
    b"Connection: upgrade", b"0\r\n\r\n", b"\x00", b"%zz", b"http://[", b"?", b"\xff"])


@given(st.lists(TOKENS | st.binary(max_size=20), max_size=20))
def test_no_bytes_break_the_protocol(parts: list[bytes]) -> None:
    tasks: list[Any] = []
    loop = SimpleNamespace(
        call_later=lambda *_args: SimpleNamespace(cancel=lambda: None),
        create_task=lambda work, **_more: (work.close(), tasks.append(1), SimpleNamespace(
            add_done_callback=lambda _call: None))[2])
    config = Config(lambda: None, loop="none", ws="none", lifespan="off", log_config=None)
    protocol = GuardedProtocol(
        Bounds(), config=config, server_state=ServerState(), app_state={}, _loop=loop)
    transport = Transport()
    protocol.connection_made(transport)  # type: ignore[arg-type]  # a fake

    for part in parts:
        protocol.data_received(part)

    if transport.written:
        assert transport.written.startswith(b"HTTP/1.1 4")
        assert transport.closed
