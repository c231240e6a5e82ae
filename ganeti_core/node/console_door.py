"""A program that lets one caller in to the console of one guest of this node, over TLS.

It opens a port, writes down where that is and the token that opens it, and lets in whoever shows a
certificate of the cluster's nodes and has the token: one caller, once. Then it carries bytes to and
from the one socket or device that it was told of, and ends with whichever side ends first.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import json
import os
import secrets
import stat
import sys
import termios
import tty
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.receiving import stream_endpoint
from ganeti_core.paths import Paths
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.relay import PIECE, RelayLimits, StreamChannel, relay
from ganeti_core.unix_sockets import short_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.plugin_api.context import StreamEndpoint

OFFERED_SECONDS = 30.0
"""How long the door is open for a caller."""
HANDSHAKE_SECONDS = 5.0
MOST_CALLERS = 16
"""Connections at once that have not said who they are."""
LONGEST_HELLO = 4096


class Device:
    """A terminal device as a channel: bytes as they are, without echo or editing of its own.

    :raises OSError: it cannot be opened, or is no terminal
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            tty.setraw(self._descriptor)
        except termios.error as exc:
            self.close()
            raise OSError(exc.args[0], f"{path} is no terminal") from exc

    async def read(self) -> bytes:
        """See `Channel.read`."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return os.read(self._descriptor, PIECE)
            except BlockingIOError:
                await self._ready(loop.add_reader, loop.remove_reader)
            except OSError as exc:
                if exc.errno == errno.EIO:
                    return b""  # whoever had the other end of it has gone
                raise

    async def write(self, data: bytes) -> None:
        """See `Channel.write`."""
        loop = asyncio.get_running_loop()
        while data:
            try:
                data = data[os.write(self._descriptor, data):]
            except BlockingIOError:
                await self._ready(loop.add_writer, loop.remove_writer)

    async def _ready(
        self, begin: Callable[[int, Callable[[], Any]], None], end: Callable[[int], Any]
    ) -> None:
        """Wait until the device can be read, or written to."""
        event = asyncio.Event()
        begin(self._descriptor, event.set)
        try:
            await event.wait()
        finally:
            end(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True)
class Target:
    """The console: the path of a Unix socket or of a terminal device, or a host and port of TCP."""

    path: str = ""
    host: str = ""
    port: int = 0

    async def connect(self) -> StreamChannel | Device:
        """:raises OSError: nobody listens there, or there is no such device"""
        if self.path and stat.S_ISCHR(os.stat(self.path).st_mode):
            return Device(self.path)
        if self.path:
            with short_address(Path(self.path)) as address:
                return StreamChannel(*await asyncio.open_unix_connection(address, limit=PIECE))
        return StreamChannel(*await asyncio.open_connection(self.host, self.port, limit=PIECE))


@dataclass
class Door:
    """Waits for the one caller."""

    endpoint: StreamEndpoint
    target: Target
    limits: RelayLimits = field(default_factory=RelayLimits)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _claimed: asyncio.Event = field(default_factory=asyncio.Event)
    _callers: int = 0
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, opened: Callable[[dict[str, Any]], None]) -> None:
        """Open the port, say where with `opened`, and be back when it is over.

        :raises OSError: the port cannot be opened
        """
        server = await asyncio.start_server(
            self._meet, self.endpoint.address, 0, ssl=self.endpoint.server_context(),
            ssl_handshake_timeout=HANDSHAKE_SECONDS, limit=PIECE)
        opened({"address": self.endpoint.address, "port": server.sockets[0].getsockname()[1],
                "token": self.token})
        try:
            async with asyncio.timeout(OFFERED_SECONDS):
                await self._claimed.wait()
        except TimeoutError:
            return
        finally:
            server.close()
        await self._done.wait()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._callers >= MOST_CALLERS:
                return
            self._callers += 1
            try:
                problem = await self._problem(reader, writer)
            finally:
                self._callers -= 1
            if problem:
                _say(writer, {"error": problem})
                return
            try:
                await self._carry(StreamChannel(reader, writer))
            finally:
                await _end(writer)
                self._done.set()
        except OSError:
            pass  # whoever it was is gone
        finally:
            await _end(writer)

    async def _carry(self, caller: StreamChannel) -> None:
        try:
            console = await self.target.connect()
        except OSError as exc:
            _say(caller.writer, {"error": f"the console cannot be reached: {exc.strerror}"})
            return
        try:
            _say(caller.writer, {"go": True})
            await relay(caller, console, self.limits)
        finally:
            console.close()

    async def _problem(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Why a caller is refused; empty for the one who is let in."""
        tls = writer.get_extra_info("ssl_object")
        if not self.endpoint.admits(tls.getpeercert(binary_form=True) or b""):
            return "the certificate is of no node of this cluster"
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            said = await hear(reader)
        if not hmac.compare_digest(str(said.get("token", "")).encode(), self.token.encode()):
            return "the token is not the one of this console"
        if self._claimed.is_set():
            return "the token of this console was used"
        self._claimed.set()
        return ""


async def hear(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read a message: its length, and JSON.

    :raises OSError: what came is no message, or the connection has ended
    """
    try:
        length = int.from_bytes(await reader.readexactly(4))
        if length > LONGEST_HELLO:
            raise OSError(f"a message of {length} bytes")
        found = json.loads(await reader.readexactly(length))
    except (ValueError, RecursionError, asyncio.IncompleteReadError) as exc:
        raise OSError(f"no message came: {exc}") from exc
    if not isinstance(found, dict):
        raise OSError("a message of another form")
    return found


def message(said: dict[str, Any]) -> bytes:
    """What `hear` reads."""
    body = json.dumps(said).encode()
    return len(body).to_bytes(4) + body


async def _end(writer: asyncio.StreamWriter) -> None:
    """Close a connection once all is sent."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await writer.wait_closed()


def _say(writer: asyncio.StreamWriter, said: dict[str, Any]) -> None:
    writer.write(message(said))


def main() -> None:
    """Serve one console; arguments: the node's root, a file for the offer, and the target."""
    from ganeti_core.node.local_node import LocalNode

    paths, file = Paths(Path(sys.argv[1])), Path(sys.argv[2])
    endpoint = stream_endpoint(LocalNode(NodeIdentity.load(paths), paths))

    def opened(offer: dict[str, Any]) -> None:
        draft = file.with_name(f"{file.name}.new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(offer))
        draft.replace(file)

    try:
        asyncio.run(Door(endpoint, Target(**json.loads(sys.argv[3]))).serve(opened))
    finally:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
