"""The LUXI server: the only way into the master. Unix sockets in the event loop.

Messages of one connection are answered in order. What cannot be understood gets an error; what
cannot even be cut into messages closes that connection, never the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import resource
import select
import time
from typing import TYPE_CHECKING, Any

from ganeti_core import streams
from ganeti_core.errors import (
    ECODE_INVAL,
    GanetiError,
    MasterBusy,
    OpPrereqError,
    RequestError,
)
from ganeti_core.luxi.protocol import (
    Encoded,
    MessageBuffer,
    encode_error,
    encode_result,
    parse_request,
    pieces,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from ganeti_core.luxi.doors import Door

    Handler = Callable[[str, list[Any]], Awaitable[Any]]

log = logging.getLogger(__name__)

CHUNK = 256 * 1024
MOST_CLIENTS = 10_000
SPARE_DESCRIPTORS = 256
"""Left for files, and for connections to nodes, when clients are counted."""
ACCEPT_PAUSE = 0.5
NOTE_SECONDS = 60.0
PATIENCE = 0.25
"""Seconds that an answer may take before it is looked whether its client is still there."""


def room_for_clients() -> int:
    """How many clients can be served at once with the descriptors that this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CLIENTS
    return max(SPARE_DESCRIPTORS // 4, min(MOST_CLIENTS, soft - SPARE_DESCRIPTORS))


class LuxiServer:
    """Serves `handler` at `doors` until closed.

    :param harmless: tells whether a method of this name may be ended halfway: its client is gone
    :param most: clients at once; one more is refused with words
    """

    def __init__(
        self, doors: Sequence[Door], handler: Handler,
        harmless: Callable[[str], bool] = lambda _name: False, most: int | None = None,
    ) -> None:
        self._doors = doors
        self._handler = handler
        self._harmless = harmless
        self._most = room_for_clients() if most is None else most
        self._accepting: list[asyncio.Task[None]] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._noted: dict[str, float] = {}

    async def start(self) -> None:
        """:raises OSError: a socket cannot be made"""
        for door in self._doors:
            self._accepting.append(asyncio.create_task(self._accept_all(door, door.open())))

    async def close(self) -> None:
        tasks = [*self._connections, *self._accepting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for door in self._doors:
            door.path.unlink(missing_ok=True)

    async def _accept_all(self, door: Door, listener: socket.socket) -> None:
        # Not asyncio's own server: when descriptors run out, that one logs a traceback for every
        # place in the backlog, each second.
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as exc:
                    self._note(f"no client can be accepted: {exc}")
                    await asyncio.sleep(ACCEPT_PAUSE)
                    continue
                if not self._admits(door, connection):
                    continue
                task = loop.create_task(self._serve(door, connection))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

    def _note(self, trouble: str) -> None:
        """Log a trouble once a minute, however often it is met."""
        now = time.monotonic()
        if now - self._noted.get(trouble, -math.inf) > NOTE_SECONDS:
            self._noted[trouble] = now
            log.error("%s (%d clients are connected)", trouble, len(self._connections))

    def _admits(self, door: Door, connection: socket.socket) -> bool:
        """Whether a client is served; one that is not is given the reason."""
        if stranger := door.stranger(connection):
            self._note(f"{door.path.name} does not serve {stranger}")
            error: GanetiError = OpPrereqError(
                f"{stranger} may not use {door.path.name}: root and the daemons do", ECODE_INVAL)
        elif len(self._connections) >= self._most:
            self._note(f"clients are refused: more than {self._most} at once")
            error = MasterBusy(f"the master serves {self._most} clients already: try again later")
        else:
            return True
        with connection, contextlib.suppress(OSError):
            connection.send(encode_error(error))
        return False

    async def _serve(self, door: Door, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=CHUNK)
        client = _Client(reader, connection, door)
        try:
            await self._converse(client, writer)
        except (ConnectionError, TimeoutError, _ClientGone):
            return  # the client went away: nothing is owed to it
        finally:
            client.close()
            streams.close(writer)

    async def _converse(self, client: _Client, writer: asyncio.StreamWriter) -> None:
        buffer = MessageBuffer()
        while data := await client.read():
            try:
                messages = buffer.feed(data)
            except RequestError as exc:
                writer.write(encode_error(exc))
                await writer.drain()
                return
            for message in messages:
                for piece in await self._answer(message, client):
                    writer.write(piece)
                    await writer.drain()

    async def _answer(self, message: bytes, client: _Client) -> Iterable[bytes]:
        try:
            request = parse_request(message)
            client.door.check(request.method)
            work = self._handler(request.method, request.args)
            result = await (while_there(client, work) if self._harmless(request.method) else work)
            if isinstance(result, Encoded):
                return pieces(result)
            return (encode_result(result),)
        except GanetiError as exc:
            return (encode_error(exc),)
        except _ClientGone:
            raise
        except Exception as exc:  # wall: a bug in a handler is that request's error
            log.exception("LUXI request failed")
            return (encode_error(GanetiError(f"internal error: {exc!r}")),)


class _ClientGone(Exception):
    """Nobody is there any more to read the answer."""


class _Client:
    """What the other side of a connection sends; it may be read ahead while an answer is made."""

    def __init__(
        self, reader: asyncio.StreamReader, connection: socket.socket, door: Door
    ) -> None:
        self.door = door
        self._reader = reader
        self._connection = connection
        self._ahead: asyncio.Task[bytes] | None = None

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
            if self._ahead.done() and not self._ahead.cancelled():
                self._ahead.exception()  # heard, or it would be logged

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        ahead, self._ahead = self._ahead, None
        return await (self._reader.read(CHUNK) if ahead is None else ahead)

    async def leaves(self) -> None:
        """Return when the client is gone. One that only has nothing more to ask is not."""
        if self._ahead is None:
            self._ahead = asyncio.create_task(self._reader.read(CHUNK))
        with contextlib.suppress(ConnectionError):
            await asyncio.wait((self._ahead,))
            if self._ahead.result() or not self._is_shut():
                await asyncio.Event().wait()

    def _is_shut(self) -> bool:
        """Whether both directions are closed: a client may close its own and await answers."""
        poll = select.poll()
        poll.register(self._connection, 0)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


async def while_there(client: _Client, work: Awaitable[Any]) -> Any:
    """Await `work`; end it if the client leaves.

    :raises _ClientGone: it left
    """
    working = asyncio.ensure_future(work)
    leaving: asyncio.Task[None] | None = None
    try:
        await asyncio.wait((working,), timeout=PATIENCE)
        if not working.done():
            leaving = asyncio.create_task(client.leaves())
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _ClientGone
        return working.result()
    finally:
        working.cancel()
        if leaving is not None:
            leaving.cancel()
