"""The LUXI server: the only door into the master. A unix socket in the event loop.

Messages of one connection are answered in order. What cannot be understood gets an error; what
cannot even be cut into messages closes that connection, never the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, RequestError
from ganeti_core.luxi.protocol import (
    MessageBuffer,
    Raw,
    encode_error,
    encode_result,
    parse_request,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[str, list[Any]], Awaitable[Any]]

log = logging.getLogger(__name__)

CHUNK = 256 * 1024


def bind_unix(path: Path) -> socket.socket:
    """Bind and listen on a unix socket, however long its path: through its folder's descriptor."""
    folder = os.open(path.parent, os.O_DIRECTORY | os.O_RDONLY)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o660)
        sock.listen(1024)
        sock.setblocking(False)
    finally:
        os.close(folder)
    return sock


class LuxiServer:
    """Serves `handler` on `path` until closed."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """:raises OSError: the socket cannot be made"""
        self._server = await asyncio.start_unix_server(
            self._accept, sock=bind_unix(self._path), limit=CHUNK)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = MessageBuffer()
        try:
            while data := await reader.read(CHUNK):
                try:
                    messages = buffer.feed(data)
                except RequestError as exc:
                    writer.write(encode_error(exc))
                    await writer.drain()
                    return
                for message in messages:
                    writer.write(await self._answer(message))
                    await writer.drain()
        except (ConnectionError, TimeoutError):
            return  # the client went away: nothing is owed to it
        finally:
            writer.close()

    async def _answer(self, message: bytes) -> bytes:
        try:
            request = parse_request(message)
            result = await self._handler(request.method, request.args)
            if isinstance(result, Raw):
                return b'{"success":true,"result":' + result + b"}\x03"
            return encode_result(result)
        except GanetiError as exc:
            return encode_error(exc)
        except Exception as exc:  # wall: a bug in a handler is that request's error
            log.exception("LUXI request failed")
            return encode_error(GanetiError(f"internal error: {exc!r}"))
