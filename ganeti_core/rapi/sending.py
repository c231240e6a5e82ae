"""How responses go out: whole, in parts that wait for their clients, and streams without an end."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.events import STREAM_TYPE
from ganeti_core.rapi.failures import HttpFailure
from ganeti_core.rapi.outgoing import Outgoing
from ganeti_core.rapi.preconditions import entity_tag
from ganeti_core.rapi.request import JSON_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_STREAMS = 100
"""Clients at once that are sent events."""
CHUNK = 64 << 10
"""Bytes of a response that are handed to the connection at a time: it says when it has room."""


@dataclass
class Sender:
    """Sends responses, and knows how many are on their way."""

    _outgoing: Outgoing = field(default_factory=Outgoing)
    _streams: int = 0

    async def document(
        self, scope: Scope, receive: Receive, send: Send, body: bytes, *, versioned: bool
    ) -> None:
        """Send a body, or say that the client has it already.

        :param versioned: it has a serial number
        """
        tag = _tag(body, versioned=versioned) if scope["method"] == "GET" else b""
        if tag and tag in _known_tags(scope):
            await send(_start(HTTPStatus.NOT_MODIFIED, [(b"etag", tag)]))
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._body(scope, receive, send, body, tag)

    async def failure(self, failure: HttpFailure, receive: Receive, send: Send) -> None:
        """Send another status than 200, and why."""
        headers = dict(failure.headers)
        if failure.close:
            headers["connection"] = "close"
        response = Response(failure.document(), failure.status, headers, media_type=JSON_TYPE)
        await response({"type": "http"}, receive, send)

    async def stream(
        self, receive: Receive, send: Send, parts: AsyncIterator[bytes],
        allowed: Callable[[], Awaitable[bool]],
    ) -> None:
        """Send parts as they come, until the client leaves or may see them no longer."""
        if self._streams >= MOST_STREAMS:
            await self.failure(HttpFailure(
                HTTPStatus.SERVICE_UNAVAILABLE, f"There are {MOST_STREAMS} streams already"),
                receive, send)
            return
        self._streams += 1
        gone = asyncio.ensure_future(_departure(receive))
        try:
            await send(_start(HTTPStatus.OK, [
                (b"content-type", STREAM_TYPE.encode()), (b"cache-control", b"no-cache")]))
            while True:
                part = asyncio.ensure_future(anext(parts))
                await asyncio.wait((part, gone), return_when=asyncio.FIRST_COMPLETED)
                if gone.done() or not await allowed():
                    part.cancel()
                    return
                await send({"type": "http.response.body", "body": part.result(),
                            "more_body": True})
        finally:
            self._streams -= 1
            gone.cancel()

    async def _body(
        self, scope: Scope, receive: Receive, send: Send, body: bytes, tag: bytes
    ) -> None:
        start = _start(HTTPStatus.OK, [
            (b"content-type", JSON_TYPE.encode()), (b"content-length", b"%d" % len(body)),
            *([(b"etag", tag)] if tag else [])])
        if len(body) <= CHUNK:
            await send(start)
            await send({"type": "http.response.body", "body": body})
            return
        try:
            with self._outgoing.hold(len(body), scope["abort"]) as held:
                await send(start)
                view = memoryview(body)
                for first in range(0, len(view), CHUNK):
                    await send({"type": "http.response.body",
                                "body": bytes(view[first:first + CHUNK]),
                                "more_body": first + CHUNK < len(view)})
                    held.progress(self._outgoing.clock())
        except HttpFailure as exc:
            await self.failure(exc, receive, send)


async def _departure(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": int(status), "headers": headers}


def _tag(body: bytes, *, versioned: bool) -> bytes:
    """What names this very content."""
    digest = hashlib.blake2b(body, digest_size=12).hexdigest()
    return entity_tag(body, digest) if versioned else f'"{digest}"'.encode()


def _known_tags(scope: Scope) -> list[bytes]:
    """The tags of what the client has already."""
    found = [value for name, value in scope["headers"] if name == b"if-none-match"]
    return [tag.strip().removeprefix(b"W/") for value in found for tag in value.split(b",")]
