"""Bytes between two connections, both ways, with bounds: what is not taken is not read either."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from ganeti_core import streams
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PIECE = 64 << 10
"""Bytes that are read at a time, and that a side may be behind with."""


class Channel(Protocol):
    """One of the two connections."""

    async def read(self) -> bytes:
        """Return what came next; empty at the end.

        :raises OSError: the connection was lost
        """

    async def write(self, data: bytes) -> None:
        """Send, and wait until there is room for more.

        :raises OSError: the connection was lost
        """


@dataclass(frozen=True)
class StreamChannel:
    """A connection of asyncio's streams."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> bytes:
        """See `Channel.read`."""
        return await self.reader.read(PIECE)

    async def write(self, data: bytes) -> None:
        """See `Channel.write`."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        streams.close(self.writer)


@dataclass(frozen=True)
class RelayLimits:
    """Seconds: `idle`, without a byte in either direction; `all`, for everything; `look`, between
    two looks at whether it may go on."""

    idle: float = 30 * 60.0
    all: float = 12 * 3600.0
    look: float = 2.0


async def _always() -> bool:
    return True


async def relay(
    one: Channel, other: Channel, limits: RelayLimits,
    allowed: Callable[[], Awaitable[bool]] = _always,
) -> str:
    """Carry bytes until a side ends, or a limit; return why it ended, for people.

    :param allowed: whether it may go on
    """
    clock = asyncio.get_running_loop().time
    began = moved = clock()

    async def carry(source: Channel, sink: Channel) -> None:
        nonlocal moved
        while data := await source.read():
            moved = clock()
            await sink.write(data)
            moved = clock()

    ways = [asyncio.create_task(carry(one, other)), asyncio.create_task(carry(other, one))]
    try:
        while True:
            ended, _ = await asyncio.wait(
                ways, timeout=limits.look, return_when=asyncio.FIRST_COMPLETED)
            if ended:
                return _why(ended)
            if clock() - moved > limits.idle:
                return f"nothing came in {limits.idle:g} seconds"
            if clock() - began > limits.all:
                return f"it took {limits.all:g} seconds"
            if not await allowed():
                return "it is not allowed any more"
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


def _why(ended: set[asyncio.Task[None]]) -> str:
    """:raises Exception: a way failed in another manner than by a lost connection"""
    for way in ended:
        error = way.exception()
        if isinstance(error, OSError):
            return f"a connection was lost: {error}"
        if error is not None:
            raise error
    return "a side has ended"
