"""The end of a connection of asyncio's streams."""

from __future__ import annotations

import asyncio

_ENDING: set[asyncio.Task[None]] = set()
"""The event loop itself would not keep them."""


def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection, without waiting for it; how it ends concerns nobody any more.

    Without somebody who waits, asyncio logs a traceback when the other side has gone meanwhile.
    """
    writer.close()
    ending = asyncio.get_running_loop().create_task(writer.wait_closed())
    _ENDING.add(ending)
    ending.add_done_callback(_ended)


def _ended(ending: asyncio.Task[None]) -> None:
    _ENDING.discard(ending)
    if not ending.cancelled():
        ending.exception()
