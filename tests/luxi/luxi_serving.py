"""A LUXI server with a handler of the tests, and how it is asked."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganeti_core.luxi import protocol
from ganeti_core.luxi.client import connect
from ganeti_core.luxi.doors import Door
from ganeti_core.luxi.server import LuxiServer

PATIENCE = 60.0


class Handler:
    """Answers ``Ping``; ``Wait`` lasts until it is let go or ended."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.finished = threading.Event()
        self.go = asyncio.Event()

    async def __call__(self, method: str, args: list[Any]) -> Any:
        if method == "Ping":
            return args
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended.set()
            raise
        self.finished.set()
        return "waited"


class Serving:
    """A server in a thread of its own."""

    def __init__(self, doors: list[Door], handler: Handler, most: int | None) -> None:
        self.doors, self.handler, self._most = doors, handler, most
        self.path = doors[0].path
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = LuxiServer(
            self.doors, self.handler, lambda name: name == "Wait", self._most)
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.close()

    def __enter__(self) -> Serving:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def let_go(self) -> None:
        self.loop.call_soon_threadsafe(self.handler.go.set)


@contextmanager
def serving(tmp_path: Path, most: int | None = None) -> Iterator[Serving]:
    with Serving([Door(tmp_path / "socket")], Handler(), most) as found:
        yield found


def ask(path: Path, method: str) -> socket.socket:
    sock = connect(path, PATIENCE)
    sock.sendall(protocol.encode_request(method, []))
    return sock


def answer(sock: socket.socket) -> Any:
    said = bytearray()
    while not said.endswith(b"\x03"):
        chunk = sock.recv(1 << 18)
        assert chunk, "the connection was closed"
        said += chunk
    return protocol.parse_answer(bytes(said[:-1]))
