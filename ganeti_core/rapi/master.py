"""The way to the master: LUXI calls from the event loop, over a few kept connections.

A connection carries one request at a time. What was asked is never repeated once it may have been
read: a question that only asks is tried once more when a kept connection turns out to be closed,
which is what a restart of the master looks like.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol, cast

from ganeti_core.errors import RequestError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.luxi import protocol
from ganeti_core.luxi.client import (
    CALL_TIMEOUT,
    ConnectionLost,
    LuxiTimeout,
    NoMasterError,
    connect,
)
from ganeti_core.rapi.preconditions import checked

if TYPE_CHECKING:
    from pathlib import Path

    from ganeti_core.rapi.preconditions import Precondition

MOST_KEPT = 32
"""Connections that are kept when nobody uses them."""
SUBMIT = "SubmitJob"


class Asks(Protocol):
    """What handlers ask: the master, or as much of it as somebody may see."""

    async def text(self, method: str, *args: Any, wait: float = 0.0) -> bytes:
        """See `MasterLink.text`."""

    async def call(self, method: str, *args: Any, wait: float = 0.0) -> Any:
        """See `MasterLink.call`."""

    async def submit(
        self, ops: list[dict[str, Any]], precondition: Precondition | None = None
    ) -> int:
        """See `MasterLink.submit`."""

    def socket(self) -> Path:
        """See `MasterLink.socket`."""


class MasterLink:
    """Asks the master that listens at `path`; use it in one event loop."""

    def __init__(self, path: Path, timeout: float = CALL_TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        self._idle: list[_Connection] = []

    def socket(self) -> Path:
        """Where programs reach the master.

        :raises NoMasterError: nowhere
        """
        if not self._path.exists():
            raise NoMasterError(f"There is no master daemon at {self._path}")
        return self._path

    def close(self) -> None:
        """Drop connections that nobody uses."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def text(self, method: str, *args: Any, wait: float = 0.0) -> bytes:
        """Return the result of a call, as the JSON that the master sent.

        :param wait: seconds that the master is asked to wait, beyond those it has anyway
        :raises GanetiError: the master's own, or why it could not be asked
        """
        message = await self._ask(method, protocol.encode_request(method, list(args)),
                                  self._timeout + wait)
        if message.startswith(protocol.SUCCESS) and message.endswith(b"}"):
            return message[len(protocol.SUCCESS):-1]
        return protocol.encode(protocol.parse_answer(message))[:-1]

    async def call(self, method: str, *args: Any, wait: float = 0.0) -> Any:
        """As `text`, decoded."""
        return protocol.parse_answer(await self._ask(
            method, protocol.encode_request(method, list(args)), self._timeout + wait))

    async def submit(
        self, ops: list[dict[str, Any]], precondition: Precondition | None = None
    ) -> int:
        """Submit a job; return its number.

        :param precondition: of its first opcode
        :raises GanetiError: as `text`
        :raises HttpFailure: the precondition does not hold, and nothing was submitted
        """
        return int(await self.call(SUBMIT, await checked(self, ops, precondition)))

    async def _ask(self, method: str, request: bytes, timeout: float) -> bytes:
        while True:
            kept = self._take()
            connection = kept or await self._connect(timeout)
            try:
                async with asyncio.timeout(timeout):
                    answer = await connection.exchange(request)
            except TimeoutError as exc:
                connection.close()
                raise LuxiTimeout(f"{method}: no answer in {timeout:g} seconds") from exc
            except ConnectionError as exc:
                connection.close()
                if kept is not None and method.startswith("Query"):
                    continue
                raise ConnectionLost(f"{method}: {exc}") from exc
            except BaseException:
                # Whatever comes later on this connection would answer the wrong question.
                connection.close()
                raise
            self._give_back(connection)
            return answer

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    def _give_back(self, connection: _Connection) -> None:
        if connection.is_open and len(self._idle) < MOST_KEPT:
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self, timeout: float) -> _Connection:
        """:raises GanetiError: see `luxi.client.connect`"""
        # In a thread: it waits where too many others do.
        sock = await asyncio.to_thread(connect, self._path, timeout)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(_Connection, sock=sock)
        return connection


@dataclass
class _Connection(asyncio.Protocol):
    """One connection; `exchange` sends a request and awaits the message that answers it."""

    is_open: bool = False
    _transport: asyncio.Transport | None = None
    _buffer: protocol.MessageBuffer = field(default_factory=protocol.MessageBuffer)
    _answers: deque[bytes] = field(default_factory=deque)
    _waiting: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._buffer.feed(data)
        except RequestError as exc:
            self.close()
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_exception(exc)
            return
        for message in messages:
            if self._waiting is None or self._waiting.done():
                self.close()  # nobody asked
                return
            self._waiting.set_result(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError(
                str(exc) if exc else "the master closed the connection"))

    async def exchange(self, request: bytes) -> bytes:
        """:raises ConnectionError: the connection ended before the answer"""
        if not self.is_open or self._transport is None:
            raise ConnectionResetError("the master closed the connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            with suppress(RuntimeError):
                self._transport.abort()
