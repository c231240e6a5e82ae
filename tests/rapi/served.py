"""The remote API behind real sockets, in a thread of the test: no cluster, a fake master."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvloop

from ganeti_core.rapi.application import Application
from ganeti_core.rapi.listener import Limits, Listener

SECONDS = 60.0
"""Patience of a client: nothing here takes so long, whatever else the machine does."""


@dataclass(frozen=True)
class Server:
    """A server that runs; `port` is on 127.0.0.1."""

    port: int
    listener: Listener

    def connect(self, buffer: int | None = None) -> socket.socket:
        """Open a connection; with `buffer` the kernel keeps no more than that unread."""
        sock = socket.socket()
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.settimeout(SECONDS)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def exchange(self, *parts: bytes) -> bytes:
        """Send, and read until the server closes the connection."""
        with self.connect() as sock:
            for part in parts:
                try:
                    sock.sendall(part)
                except (BrokenPipeError, ConnectionResetError):
                    break  # it has said enough
            return read_all(sock)

    def serves(self) -> bool:
        """Whether somebody else is served meanwhile."""
        answer = self.exchange(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"2\n")


def read_all(sock: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    try:
        while part := sock.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@contextmanager
def serving(
    application: Application, limits: Limits | None = None, context: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Serve until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    listening.setblocking(False)
    port = listening.getsockname()[1]
    started = threading.Event()
    made: dict[str, Any] = {}

    async def run() -> None:
        made["loop"], made["stop"] = asyncio.get_running_loop(), asyncio.Event()
        made["listener"] = Listener(application, listening, context, limits or Limits())
        started.set()
        await made["listener"].run(made["stop"])

    def work() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=work, name="rapi")
    thread.start()
    assert started.wait(SECONDS)
    try:
        yield Server(port, made["listener"])
    finally:
        made["loop"].call_soon_threadsafe(made["stop"].set)
        thread.join(SECONDS)
        assert not thread.is_alive()
