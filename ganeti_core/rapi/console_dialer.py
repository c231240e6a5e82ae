"""The way to consoles on other nodes, for a daemon that has none of the nodes' secrets.

A node lets in who shows a node's certificate. Whoever has the key to it commands nodes, so the
remote API, which strangers talk to, does not have it: a process that was started before the daemon
gave up root's rights connects to the doors of consoles, and does nothing else. What it is sent is a
door's address and token, and a socket; there it says what the door has said, and carries bytes.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core import streams
from ganeti_core.errors import GanetiError, OpExecError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.console_door import hear, message
from ganeti_core.node.local_node import LocalNode
from ganeti_core.node.receiving import stream_endpoint
from ganeti_core.operations.helper_process import HelperProcess
from ganeti_core.paths import Paths
from ganeti_core.rpc.identity import NodeIdentity
from ganeti_core.rpc.relay import PIECE, RelayLimits, StreamChannel, relay

if TYPE_CHECKING:
    import ssl

    from ganeti_core.plugin_api.context import StreamEndpoint

CONNECT_SECONDS = 10.0
MOST_AT_ONCE = 100
LONGEST = 8192
"""Bytes of what is sent with a socket."""


async def connect(endpoint: StreamEndpoint, offer: dict[str, Any]) -> StreamChannel:
    """Go to the door of a console and be let in.

    :param offer: `address`, `port` and `token` of the door
    :raises OpExecError: it cannot be reached, is no node's, or lets nobody in
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                offer["address"], offer["port"], ssl=endpoint.client_context(), limit=PIECE)
    except OSError as exc:
        raise OpExecError(f"the node of the console cannot be reached: {exc}") from exc
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        if not endpoint.admits(tls.getpeercert(binary_form=True) or b""):
            raise OpExecError("the certificate at the console is of no node of this cluster")
        writer.write(message({"token": offer["token"]}))
        await _admitted(reader)
    except BaseException:
        streams.close(writer)
        raise
    return StreamChannel(reader, writer)


async def _admitted(reader: asyncio.StreamReader) -> None:
    """:raises OpExecError: the other side refuses, or is lost"""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            said = await hear(reader)
    except OSError as exc:
        raise OpExecError(f"the console was lost: {exc}") from exc
    if "error" in said:
        raise OpExecError(str(said["error"])[:500])


@dataclass(frozen=True)
class Dialer:
    """The daemon's end: start it while the node's key can still be read."""

    helper: HelperProcess

    @classmethod
    def start(cls, paths: Paths) -> Dialer:
        """:raises OSError: the process cannot be started"""
        made = cls(HelperProcess(__name__, (str(paths.root),)))
        made.helper.start()
        return made

    async def connect(self, offer: dict[str, Any]) -> StreamChannel:
        """Have the process go to a door; see `connect`.

        :raises OpExecError: as there, or the process has ended
        """
        ours, theirs = socket.socketpair()
        request = json.dumps({key: offer[key] for key in ("address", "port", "token")}).encode()
        try:
            with theirs:
                control = self.helper.sock
                if control is None or len(request) > LONGEST:
                    raise OSError("it takes no orders")
                # One short message at a time, always read at once: it does not block.
                socket.send_fds(control, [len(request).to_bytes(4) + request], [theirs.fileno()])
            ours.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=ours, limit=PIECE)
        except OSError as exc:
            ours.close()
            raise OpExecError(f"the process that connects to consoles is lost ({exc}): restart"
                              " ganeti-rapi") from exc
        try:
            await _admitted(reader)
        except BaseException:
            streams.close(writer)
            raise
        return StreamChannel(reader, writer)

    def close(self) -> None:
        self.helper.bury()


async def serve(control: socket.socket, endpoint: StreamEndpoint) -> None:
    """Take orders until the daemon has gone."""
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    def take() -> None:
        try:
            head, files, _, _ = socket.recv_fds(control, 4, 1, socket.MSG_DONTWAIT)
            body = control.recv(int.from_bytes(head), socket.MSG_WAITALL) if head else b""
        except BlockingIOError:
            return
        except OSError:
            head, files, body = b"", [], b""
        if not head:
            gone.set()
            return
        for descriptor in files[1:] if len(tasks) < MOST_AT_ONCE else files:
            os.close(descriptor)
        if files and len(tasks) < MOST_AT_ONCE:
            task = loop.create_task(_carry(
                socket.socket(fileno=files[0]), endpoint, json.loads(body)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    loop.add_reader(control, take)
    await gone.wait()
    for task in tasks:
        task.cancel()


async def _carry(sock: socket.socket, endpoint: StreamEndpoint, offer: dict[str, Any]) -> None:
    sock.setblocking(False)
    client = StreamChannel(*await asyncio.open_connection(sock=sock, limit=PIECE))
    with suppress(OSError):
        try:
            console = await connect(endpoint, offer)
        except GanetiError as exc:
            client.writer.write(message({"error": exc.message}))
            await client.writer.drain()
        else:
            client.writer.write(message({"go": True}))
            try:
                # The daemon has the limits of each relay, and closes its end.
                await relay(client, console, RelayLimits(float("inf"), float("inf")))
            finally:
                console.close()
    client.close()


def main() -> None:
    """Serve; arguments: descriptor of the socket, root of the node."""
    paths = Paths(Path(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as control:
        asyncio.run(serve(control, stream_endpoint(LocalNode(NodeIdentity.load(paths), paths))))


if __name__ == "__main__":
    main()
