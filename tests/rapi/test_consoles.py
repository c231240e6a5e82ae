"""Consoles through the daemon: a ticket opens one of them, once, and bytes go both ways."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from asked import PASSWORDS, Answer, FakeMaster, application, ask, credentials
from served import SECONDS, Server, serving
from virtual_cluster import wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from ganeti_core.errors import OpExecError
from ganeti_core.node.console_door import Door, Target
from ganeti_core.operations.helper_process import HelperProcess
from ganeti_core.plugin_api import unix_sockets
from ganeti_core.plugin_api.context import StreamEndpoint
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.streams import with_streams
from ganeti_core.rapi import console_dialer
from ganeti_core.rapi.application import Application
from ganeti_core.rapi.audit import AuditLog
from ganeti_core.rapi.console_dialer import Dialer
from ganeti_core.rapi.consoles import ConsoleRelays
from ganeti_core.rapi.permissions import Actor, Rights
from ganeti_core.rapi.tickets import MOST_OF_ONE, Tickets
from ganeti_core.rapi.tickets import SECONDS as TICKET_SECONDS
from ganeti_core.rapi.websocket import MOST_AHEAD, WebSocket, accept
from ganeti_core.rpc.relay import RelayLimits

NAME = "web1.example.com"
CONSOLE = f"/2/instances/{NAME}/console"
UPGRADE = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13",
           "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}


@dataclass
class WithGuest(FakeMaster):
    """A master whose node opens a door to a socket of the test, where a guest would listen."""

    endpoint: StreamEndpoint | None = None
    guest: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    doors: list[tuple[Door, asyncio.Task[None]]] = field(default_factory=list)
    target: Target = field(init=False)

    def __post_init__(self) -> None:
        self.target = Target(host="127.0.0.1", port=self.guest.getsockname()[1])

    async def call(self, method: str, *args: Any, wait: float = 0.0) -> Any:
        if method != "OpenConsole":
            return await super().call(method, *args, wait=wait)
        assert args == (NAME,)
        assert self.endpoint is not None
        offer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        door = Door(self.endpoint, self.target)
        self.doors.append((door, asyncio.create_task(door.serve(offer.set_result))))
        return {"instance": NAME, "kind": "serial", **await offer}


@dataclass(frozen=True)
class Site:
    """The daemon behind a real socket, and the guest's end of the console."""

    app: Application
    server: Server
    master: WithGuest
    folder: Path

    def ask(self, method: str, path: str, user: str | None = "rw") -> Answer:
        return ask(self.app, method, path, b"", credentials(user))

    def ticket(self) -> str:
        answer = self.ask("POST", CONSOLE)
        assert answer.status == 200, answer.body
        return str(answer.json["uri"])

    def open(self, uri: str, **more: Any) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.server.port}{uri}", open_timeout=SECONDS,
                       close_timeout=SECONDS, **more)

    @contextmanager
    def opened(self) -> Iterator[tuple[ClientConnection, socket.socket]]:
        with self.open(self.ticket()) as client:
            guest, _ = self.master.guest.accept()
            with guest:
                guest.settimeout(SECONDS)
                yield client, guest

    def refused(self, uri: str, **more: Any) -> int:
        with pytest.raises(InvalidStatus) as caught:
            self.open(uri, **more)
        return int(caught.value.response.status_code)


@contextmanager
def dialing(endpoint: StreamEndpoint) -> Iterator[Dialer]:
    """What connects for a daemon that has no key, in a thread instead of a process."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=lambda: asyncio.run(console_dialer.serve(theirs, endpoint)))
    thread.start()
    try:
        yield Dialer(HelperProcess("", (), ours))
    finally:
        ours.close()
        thread.join()
        theirs.close()


@pytest.fixture(params=["with the node's key", "without it"])
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    endpoint = with_streams(make_context(tmp_path)).endpoint()
    master = WithGuest({"QueryInstances": [[NAME, True]]}, endpoint=endpoint)
    with dialing(endpoint) as dialer:
        dial = (dialer.connect if request.param == "without it"
                else partial(console_dialer.connect, endpoint))
        relays = ConsoleRelays(dial, RelayLimits(look=0.05))
        app = application(tmp_path, master, consoles=relays, audit=AuditLog(tmp_path / "audit"))
        with master.guest, serving(app) as server:
            master.guest.settimeout(SECONDS)
            yield Site(app, server, master, tmp_path)
            # Its end of a connection is closed before the loop that it runs in.
            wait_until(lambda: all(task.done() or not door._claimed.is_set()
                                   for door, task in master.doors), "doors that were used close")


def test_a_dialer_that_was_lost_is_named(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(OpExecError, match=r"is lost .*restart ganeti-rapi"):
        asyncio.run(Dialer(HelperProcess("", (), ours)).connect(
            {"address": "127.0.0.1", "port": 1, "token": "x"}))


def test_bytes_go_both_ways_until_the_guest_ends(site: Site) -> None:
    with site.opened() as (client, guest):
        guest.sendall(b"login: ")
        assert client.recv(SECONDS) == b"login: "
        client.send(b"root\n")
        client.send("more\n")
        assert guest.recv(5) == b"root\n"
        assert guest.recv(5) == b"more\n"
        guest.sendall(b"bye" * 100_000)
        guest.close()

        # That it is over is no error.
        assert b"".join(map(bytes, client)) == b"bye" * 100_000
    assert client.close_code == 1000


def test_a_console_in_a_unix_socket_is_reached_however_deep_it_lies(site: Site) -> None:
    path = site.folder / ("deep" * 20) / ("deeper" * 20) / "web1.vnc"
    path.parent.mkdir(parents=True)
    site.master.target = Target(path=str(path))
    with unix_sockets.listen(path) as listener, site.open(site.ticket()) as client:
        listener.settimeout(SECONDS)
        with listener.accept()[0] as guest:
            guest.sendall(b"RFB 003.008\n")
            assert client.recv(SECONDS) == b"RFB 003.008\n"


def test_a_console_in_a_terminal_device_is_reached(site: Site) -> None:
    guest, device = os.openpty()
    site.master.target = Target(path=os.ttyname(device))
    with site.open(site.ticket()) as client:
        os.write(guest, b"login: ")
        assert client.recv(SECONDS) == b"login: "
        client.send(b"root\n")
        # It comes as it was sent, and is not echoed.
        assert os.read(guest, 100) == b"root\n"
        os.write(guest, b"password: ")
        assert client.recv(SECONDS) == b"password: "
        os.close(guest)
        os.close(device)
        assert list(client) == []


def test_a_device_that_is_no_terminal_is_no_console(site: Site) -> None:
    for path in ("/dev/null", str(site.folder / "nosuch")):
        site.master.target = Target(path=path)
        assert site.refused(site.ticket()) == 503


def test_a_client_that_leaves_leaves_the_guest(site: Site) -> None:
    with site.opened() as (client, guest):
        client.close()
        assert guest.recv(1) == b""


def test_a_ticket_is_good_once_for_its_console_and_its_bearer(site: Site) -> None:
    pair = {"Authorization": credentials("ro")["authorization"]}
    uri, elsewhere, others = site.ticket(), site.ticket(), site.ticket()
    with site.open(uri):
        site.master.guest.accept()[0].close()

    assert site.refused(uri) == 401
    assert site.refused(elsewhere.replace("web1", "web2")) == 401
    assert site.refused(elsewhere) == 401
    assert site.refused(others, additional_headers=pair) == 401
    assert site.refused(f"{CONSOLE}/relay?ticket=x") == site.refused(f"{CONSOLE}/relay") == 401
    noted = [json.loads(line) for line in (site.folder / "audit").read_text().splitlines()]
    assert [(one["user"], one["method"], one["status"]) for one in noted][:4] == [
        ("rw", "POST", 200)] * 3 + [("rw", "GET", 101)]
    assert "ticket=" not in json.dumps(noted)


def test_what_is_asked_otherwise_spends_no_ticket(site: Site) -> None:
    uri = site.ticket()

    assert site.ask("GET", uri).status == 426
    wrong = {**UPGRADE, "sec-websocket-key": "x"}
    assert ask(site.app, "GET", uri, b"", wrong).status == 400
    with site.open(uri):
        site.master.guest.accept()[0].close()


def test_who_gets_tickets(site: Site) -> None:
    assert site.ask("POST", CONSOLE, None).status == 401
    assert site.ask("POST", CONSOLE, "ro").status == 403
    site.master.results["QueryInstances"] = [[NAME, False]]
    assert site.ask("POST", CONSOLE).status == 409
    site.master.results["QueryInstances"] = []
    assert site.ask("POST", CONSOLE).status == 404


def test_who_may_not_any_more_is_put_out(site: Site) -> None:
    spare = site.ticket()
    with site.opened() as (client, _):
        (users,) = site.folder.rglob("users")
        users.write_text(f"rw {PASSWORDS['rw']} write,-instances.query.console\n")

        with pytest.raises(ConnectionClosed) as caught:
            client.recv(SECONDS)
    assert "not allowed" in str(caught.value)
    assert site.refused(spare) == 403


def test_a_console_that_is_not_there_is_no_failure_of_the_daemon(site: Site) -> None:
    uri = site.ticket()
    site.master.guest.close()

    assert site.refused(uri) == 503


def test_tickets_expire_and_are_few() -> None:
    now = [0.0]
    tickets, jack = Tickets(lambda: now[0]), Actor("jack", Rights())
    first = tickets.make(jack, NAME)
    now[0] = TICKET_SECONDS
    assert tickets.use(first, NAME) is None
    made = [tickets.make(jack, NAME) for _ in range(MOST_OF_ONE)]
    with pytest.raises(Exception, match="Too many tickets"):
        tickets.make(jack, NAME)
    assert tickets.make(Actor("jill", Rights()), NAME)
    assert tickets.use(made[3], NAME) is not None


class OnePipe(asyncio.Transport):
    """Notes whether it is read; what is written stays in it."""

    reads = True
    unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.unsent += len(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


def test_what_nobody_reads_is_not_taken() -> None:
    protocol, _ = accept("/", [(name.encode(), value.encode()) for name, value in UPGRADE.items()])
    pipe = OnePipe()
    client, piece = WebSocket(protocol, pipe), b"x" * (64 << 10)
    frame = Frame(Opcode.BINARY, piece).serialize(mask=True)

    sent = 0
    while pipe.reads:
        client.data_received(frame)
        sent += len(piece)
    assert MOST_AHEAD < sent <= MOST_AHEAD + len(piece)

    async def read_all() -> bytes:
        return b"".join([await client.read() for _ in range(sent // len(piece))])

    assert asyncio.run(read_all()) == b"x" * sent
    assert pipe.reads


def test_a_client_that_takes_no_answers_may_ask_for_few() -> None:
    protocol, _ = accept("/", [(name.encode(), value.encode()) for name, value in UPGRADE.items()])
    pipe = OnePipe()
    client = WebSocket(protocol, pipe)
    pings = Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * 500

    for _ in range(100):
        if pipe.reads:
            client.data_received(pings)
    assert not pipe.reads
    assert MOST_AHEAD < pipe.unsent < MOST_AHEAD + len(pings)

    pipe.unsent = 0
    client.resume_writing()
    assert pipe.reads


@pytest.mark.parametrize(("limits", "why"), [
    (RelayLimits(idle=0.0, look=0.01), "nothing came"),
    (RelayLimits(all=0.0, look=0.01), "it took")])
def test_a_console_has_limits(site: Site, limits: RelayLimits, why: str) -> None:
    site.app.consoles.limits = limits
    with site.opened() as (client, guest):
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(SECONDS)
        assert guest.recv(1) == b""
    assert caught.value.rcvd is not None
    assert why in caught.value.rcvd.reason
