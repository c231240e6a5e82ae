"""A WebSocket on a connection that was an HTTP request's: a channel of bytes, with bounds.

The messages are those of the `websockets` library, which does no input or output here: what the
client sends ahead of what is read is bounded by not reading from the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed, InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.failures import HttpFailure, bad_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from websockets.typing import Subprotocol

MOST_AHEAD = 256 << 10
"""Bytes from the client that nobody has read yet, or to it that it has not taken."""
LONGEST_MESSAGE = 128 << 10
CLOSE_SECONDS = 5.0
"""How long the client has to close its end."""
_DATA = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)
_SUBPROTOCOL = "binary"
"""What older browsers' programs ask for; it says what is done anyway."""


Handshake = tuple[ServerProtocol, bytes]
"""The state of the protocol, and the response that makes a connection a WebSocket."""


class WebSocketGone(OSError):
    """The client has left, or broken the protocol."""


@dataclass
class WebSocket:
    """The server's end; `accept` makes it of a request.

    :param transport: of the connection
    """

    protocol: ServerProtocol
    transport: asyncio.Transport
    _came: deque[bytes] = field(default_factory=deque)
    _ahead: int = 0
    _paused: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._room.set()

    # A channel, see `rpc.relay`

    async def read(self) -> bytes:
        """Return what came next; empty when the client has ended it."""
        while not self._came:
            if self._gone.is_set() or self.protocol.state is not State.OPEN:
                return b""
            self._news.clear()
            await self._news.wait()
        data = self._came.popleft()
        self._ahead -= len(data)
        self._pace()
        return data

    async def write(self, data: bytes) -> None:
        """Send a message, and wait until the connection has room for more.

        :raises WebSocketGone: the client has left
        """
        try:
            self.protocol.send_binary(data)
        except (ConnectionClosed, InvalidState) as exc:
            raise WebSocketGone("the client has left") from exc
        self._flush()
        await self._room.wait()
        if self._gone.is_set():
            raise WebSocketGone("the client has left")

    async def close(self, reason: str, code: int = CloseCode.NORMAL_CLOSURE) -> None:
        """Say that it is over, and end the connection."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_close(code, reason[:100])
            self._flush()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            self.transport.abort()

    # What the connection calls

    def data_received(self, data: bytes) -> None:
        """Take what the client has sent."""
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode in _DATA and event.data:
                self._came.append(bytes(event.data))
                self._ahead += len(event.data)
        self._flush()
        self._news.set()
        self._pace()

    def connection_lost(self) -> None:
        """The connection is no more."""
        self._gone.set()
        self._news.set()
        self._room.set()

    def pause_writing(self) -> None:
        """The connection has no room."""
        self._room.clear()

    def resume_writing(self) -> None:
        """The connection has room."""
        self._room.set()
        self._pace()

    def shutdown(self) -> None:
        """The daemon stops."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_close(CloseCode.GOING_AWAY, "the daemon stops")
            self._flush()
        self.transport.close()

    def _pace(self) -> None:
        """Read from the client only while there is little that waits, to be read or to be sent: it
        may ask for answers (pings) and take none."""
        waiting = max(self._ahead, self.transport.get_write_buffer_size())
        if waiting > MOST_AHEAD and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        elif waiting < MOST_AHEAD // 2 and self._paused:
            self._paused = False
            self.transport.resume_reading()

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.transport.write(data)
            else:
                # Both sides have said all.
                self.transport.close()


def accept(target: str, headers: Iterable[tuple[bytes, bytes]]) -> Handshake:
    """Take a request to speak the protocol from here on: its state, and the response to send.

    :raises HttpFailure: 426, it is no such request; 400, it is a wrong one
    """
    given = [(name.lower(), value) for name, value in headers]
    if dict(given).get(b"upgrade", b"").lower() != b"websocket":
        raise HttpFailure(HTTPStatus.UPGRADE_REQUIRED, "This is a WebSocket: ask for an upgrade",
                          [("upgrade", "websocket"), ("connection", "upgrade")])
    protocol = ServerProtocol(select_subprotocol=_chosen, max_size=LONGEST_MESSAGE)
    # Its parser begins with the request.
    protocol.receive_data(b"".join([
        b"GET ", target.encode("latin-1"), b" HTTP/1.1\r\n",
        *(name + b": " + value + b"\r\n" for name, value in given), b"\r\n"]))
    request = next(iter(protocol.events_received()), None)
    response = protocol.accept(request) if isinstance(request, Request) else None
    if response is None or response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        raise bad_request(f"This is no request for a WebSocket: {protocol.handshake_exc}")
    protocol.send_response(response)
    return protocol, b"".join(protocol.data_to_send())


def _chosen(_protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((one for one in offered if one == _SUBPROTOCOL), None)
