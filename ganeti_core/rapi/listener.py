"""Accepts connections: so many in all and of one address, each with so long for its handshake.

Certificates can be changed at any time: connections that are there keep theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import time
from collections import Counter
from dataclasses import field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.query.versions import SOFTWARE_VERSION
from ganeti_core.rapi.guard import Bounds, GuardedProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

log = logging.getLogger(__name__)

GOODBYE_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 75
ACCEPT_PAUSE = 0.5
DATE_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""How long requests may take to end when the daemon stops."""
MOST_CLIENTS = 500


@dataclass(frozen=True)
class Limits:
    """How many connections there may be, and how long they may take.

    :param clients: in all; half of them of one address, so that one host leaves room for others
    :param handshake_seconds: from the connection to the end of the TLS handshake
    """

    clients: int = MOST_CLIENTS
    handshake_seconds: float = 5.0
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def of_one_address(self) -> int:
        return max(1, self.clients // 2)


def make_context(certificate: Path, key: Path | None, chain: Path | None) -> ssl.SSLContext:
    """TLS of a server, from version 1.2 on.

    :param key: its file; None where it is in that of the certificate
    :param chain: further certificates that lead to an authority
    :raises OSError: they cannot be read, or do not belong together
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    if chain is None:
        context.load_cert_chain(certificate, key)
    else:
        _load_with_chain(context, certificate, key or certificate, chain)
    return context


def _load_with_chain(context: ssl.SSLContext, certificate: Path, key: Path, chain: Path) -> None:
    # The library reads one file of certificates: that of this one, followed by the others.
    import tempfile

    with tempfile.NamedTemporaryFile() as whole:
        whole.write(certificate.read_bytes().rstrip() + b"\n" + chain.read_bytes())
        whole.flush()
        context.load_cert_chain(whole.name, key)


@dataclass
class Listener:
    """Serves an ASGI application on a listening socket.

    :param context: for new connections; None for HTTP without TLS
    """

    application: Callable[..., Awaitable[None]]
    listening: socket.socket
    context: ssl.SSLContext | None
    limits: Limits = field(default_factory=Limits)
    _state: ServerState = field(default_factory=ServerState)
    _connections: set[GuardedProtocol] = field(default_factory=set)
    _addresses: Counter[str] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _noted: dict[str, float] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; requests that are being served may end."""
        # Its own log of requests would go to every log file that there is; what it warns of is
        # what any client can send as often as it likes, without saying which client.
        logging.getLogger("uvicorn.access").propagate = False
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        logging.getLogger("websockets.server").setLevel(logging.ERROR)
        config = Config(
            self.application, loop="none", http=GuardedProtocol, ws="none", lifespan="off",
            log_config=None, access_log=False, timeout_keep_alive=KEEP_ALIVE_SECONDS)
        config.load()
        self._set_date()
        loop = asyncio.get_running_loop()
        work = [loop.create_task(self._accept_all(config)), loop.create_task(self._keep_date())]
        await stop.wait()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        self.listening.close()
        await self._end()

    async def _end(self) -> None:
        for connection in list(self._connections):
            connection.shutdown()
        until = time.monotonic() + GRACE_SECONDS
        while self._connections and time.monotonic() < until:
            await asyncio.sleep(0.05)
        for connection in list(self._connections):
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_date(self) -> None:
        while True:
            await asyncio.sleep(DATE_SECONDS)
            self._set_date()

    def _set_date(self) -> None:
        self._state.default_headers = [
            (b"date", formatdate(usegmt=True).encode()),
            (b"server", f"Ganeti {SOFTWARE_VERSION}".encode())]

    async def _accept_all(self, config: Config) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self.listening)
            except OSError as exc:
                if exc.errno not in (errno.ECONNABORTED, errno.EINTR):
                    self._note(f"no client can be accepted: {exc}")
                    await asyncio.sleep(ACCEPT_PAUSE)
                continue
            host = str(address[0]) if address else ""
            if not self._has_room(host):
                connection.close()
                continue
            self._addresses[host] += 1
            with contextlib.suppress(OSError):
                # Headers and body are two packets: the second would wait for the client's
                # delayed acknowledgement, which takes 40 ms.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(self._serve(connection, host, config))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _has_room(self, host: str) -> bool:
        """Whether one more of this address may come; one that only waits may have to go for it."""
        if self._addresses[host] >= self.limits.of_one_address:
            self._note(f"{host} has {self._addresses[host]} connections: no more are accepted")
            return False
        if self._addresses.total() < self.limits.clients:
            return True
        idle = next((one for one in self._connections
                     if one.is_idle and not one.transport.is_closing()), None)
        if idle is None:
            self._note(f"clients are refused: there are {self.limits.clients} already")
            return False
        idle.abort()
        return True

    def _note(self, trouble: str) -> None:
        """Log a trouble once a minute, however often it is met."""
        now = time.monotonic()
        self._noted = {what: when for what, when in self._noted.items() if now - when < 60.0}
        if trouble not in self._noted:
            self._noted[trouble] = now
            log.warning("%s", trouble)

    async def _serve(self, connection: socket.socket, host: str, config: Config) -> None:
        ended = asyncio.Event()
        try:
            with connection:
                await self._handshake(connection, lambda: _Counted(
                    self._connections, ended, self.limits.bounds, config=config,
                    server_state=self._state, app_state={}))
                await ended.wait()
        except (OSError, ssl.SSLError, TimeoutError) as exc:
            log.debug("no connection with %s: %s", host, exc)
        finally:
            self._addresses[host] -= 1
            if not self._addresses[host]:
                del self._addresses[host]

    async def _handshake(
        self, connection: socket.socket, protocol: Callable[[], GuardedProtocol]
    ) -> None:
        loop = asyncio.get_running_loop()
        secure: dict[str, Any] = {} if self.context is None else {
            "ssl": self.context, "ssl_handshake_timeout": self.limits.handshake_seconds,
            "ssl_shutdown_timeout": GOODBYE_SECONDS}
        await loop.connect_accepted_socket(protocol, connection, **secure)


class _Counted(GuardedProtocol):
    """Is among the connections as long as it lives, and says when it has ended."""

    def __init__(
        self, connections: set[GuardedProtocol], ended: asyncio.Event, bounds: Bounds,
        **kwargs: Any,
    ) -> None:
        super().__init__(bounds, **kwargs)
        self._others = connections
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._others.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.discard(self)
        self._ended.set()
        super().connection_lost(exc)
