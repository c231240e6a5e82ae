"""What happens in the cluster, as it happens: server-sent events, or a list after a wait."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError
from ganeti_core.rapi.reading import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ganeti_core.rapi.master import Asks
    from ganeti_core.rapi.request import Call

STREAM_TYPE = "text/event-stream"
METHOD = "WaitForEvents"
WAIT_SECONDS = 20.0
"""How long nothing may come before the client hears that it is still connected."""
AGAIN_SECONDS = 1.0


async def events(call: Call) -> bytes | AsyncIterator[bytes]:
    """Send events from now on, or from after the one that the client knows.

    Who does not ask for a stream gets what came since, or what comes first, as one document.
    """
    request = call.request
    known = request.headers.get(b"last-event-id", b"").decode("latin-1")
    after = request.text("after") or known or None
    if STREAM_TYPE.encode() in request.headers.get(b"accept", b""):
        return stream(call.master, after)
    return encoded(await _next(call.master, after))


async def stream(master: Asks, after: str | None) -> AsyncIterator[bytes]:
    """The parts of a stream without an end.

    ``lost`` says that events are missing: the client looks at everything again.
    """
    yield f"retry: {AGAIN_SECONDS * 1000:.0f}\n\n".encode()
    while True:
        try:
            found = await _next(master, after)
        except GanetiError:
            # Another master may come; what it knows is another run's.
            yield b": no master answers\n\n"
            await asyncio.sleep(AGAIN_SECONDS)
            continue
        parts = [_part("lost", {}, found["last"])] if found["lost"] else []
        parts += [_part(name, data, number) for number, name, data in found["events"]]
        if after is None:
            # So that it can go on from here.
            parts.append(f"id: {found['last']}\n\n".encode())
        after = found["last"]
        yield b"".join(parts) or b": nothing new\n\n"


async def _next(master: Asks, after: str | None) -> dict[str, Any]:
    found: dict[str, Any] = await master.call(METHOD, after, WAIT_SECONDS, wait=WAIT_SECONDS)
    return found


def _part(name: str, data: Any, number: str) -> bytes:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()
