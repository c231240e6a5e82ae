"""A node's door: accept, shake hands (TLS), check who calls, then let Pyro5 read messages.

Each connection has a thread of its own from its first byte on, so a silent one delays nobody.
Connections that have not finished their handshake are few: when one too many comes the oldest is
closed, so that silence cannot lock out a caller who speaks. Those that are served are bounded by
what their caller is; strangers that are not wanted are refused before they take a place. See
`rpc.bounds`.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import AccessDenied, ConfigurationError, GanetiError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.keepalive import notice_death
from ganeti_core.rpc.access import NOT_LISTED, Caller, Role, role_of
from ganeti_core.rpc.bounds import Limits, Places, Served
from ganeti_core.rpc.pyro import (
    OBJECT,
    TRACE,
    configure,
    refusal_message,
    shake_hands,
    shut,
)
from ganeti_core.rpc.tls import TlsIdentity, common_name, fingerprint
from ganeti_core.rpc.wire import Envelope, failure
from ganeti_core.spans import Place

# Pyro5 is imported through ganeti_core.rpc.pyro first: see there.
from Pyro5 import errors as pyro_errors  # isort: skip
from Pyro5 import server as pyro_server  # isort: skip
from Pyro5.callcontext import current_context  # isort: skip

if TYPE_CHECKING:

    from ganeti_core.rpc.members import Members

log = logging.getLogger(__name__)

LONGEST_CALL = 1e6
MEMBERS_SECONDS = 1.0
"""Between two looks for open connections of nodes that were removed."""


@dataclass(frozen=True)
class Request:
    """One call as it arrived.

    :param args: plain JSON
    :param abandoned: tells whether the caller has hung up and waits for no answer
    :param trace: on whose behalf, where the caller tells tracing systems of it
    """

    service: str
    args: dict[str, Any]
    call_id: str = ""
    epoch: int = 0
    subject: str = ""
    timeout: float = 30.0
    abandoned: Callable[[], bool] = lambda: False
    trace: Place | None = None


Handler = Callable[[Caller, Request], Envelope]
"""Return a request; it must not raise."""


class _NodeObject:
    """The one object that Pyro5 shows, with its one method."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    @pyro_server.expose
    def call(
        self, service: str, args: dict[str, Any], call_id: str, epoch: int, subject: str,
        timeout: float,
    ) -> Envelope:
        connection = current_context.client
        assert isinstance(connection, Served)  # noqa: S101  # every connection here is one
        try:
            request = checked_request((service, args, call_id, epoch, subject, timeout))
        except GanetiError as exc:
            return failure(exc)
        trace = bytes(current_context.annotations.get(TRACE, b"")).decode("ascii", "replace")
        return self._handler(connection.caller, replace(
            request, abandoned=connection.peer_gone, trace=Place.read(trace)))


def checked_request(parameters: tuple[Any, ...]) -> Request:
    """Build the request from what a caller sent.

    :raises AccessDenied: it has other types than a request has
    """
    match parameters:
        case (str(service), dict(args), str(call_id), int(epoch), str(subject),
              int(timeout) | float(timeout)) if 0 < timeout < LONGEST_CALL:
            return Request(service, args, call_id, epoch, subject, float(timeout))
    raise AccessDenied("the call has parameters of a wrong type")


class _Metadata:
    """Tells Pyro5's client what it asks for in its handshake, and nothing else."""

    def __init__(self, daemon: object) -> None:
        pass

    def get_metadata(self, object_id: str) -> dict[str, list[str]]:
        if object_id != OBJECT:
            raise AccessDenied("unknown object")
        return {"methods": ["call"], "oneway": [], "attrs": []}


@dataclass
class RpcServer:
    """Serves `handler` on a TCP port; `start` returns when the port is open.

    :param open_to_strangers: whether connections without certificate are served at all; the
        handler then decides what they may ask
    :param unlisted: called when a certificate is shown that `members` does not name; such a caller
        is refused
    """

    identity: TlsIdentity
    members: Members
    handler: Handler
    open_to_strangers: Callable[[], bool] = lambda: False
    unlisted: Callable[[], None] = lambda: None
    address: tuple[str, int] = ("127.0.0.1", 0)
    limits: Limits = field(default_factory=Limits)
    _listener: socket.socket | None = None
    _context: tuple[tuple[int, ...], ssl.SSLContext] | None = None
    _shaking: dict[socket.socket, None] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: set[threading.Thread] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._places = Places(self.limits)
        self._refusals = threading.BoundedSemaphore(self.limits.refusals)

    def start(self) -> None:
        """Open the port and accept in a thread.

        :raises OSError: the address cannot be used
        :raises ConfigurationError: the certificates cannot be used
        """
        configure()
        self._tls()
        # Pyro5's daemon wants a transport; ours are handed to it one by one.
        ours, self._unused = socket.socketpair()
        self._pyro = pyro_server.Daemon(connected_socket=ours, interface=_Metadata)
        self._ours = ours
        self._pyro.register(_NodeObject(self.handler), OBJECT)
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self._listener = socket.create_server(self.address, family=family, backlog=128)
        # Callers speak first. Those who only look whether they reach this port, and all nodes do at
        # a verification, are dealt with by the kernel.
        with contextlib.suppress(OSError):
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        self._spawn(self._accept_loop, "rpc-accept")
        self._spawn(self._watch_members, "rpc-members")

    @property
    def port(self) -> int:
        """The port that is open; chosen by the system where 0 was asked."""
        if self._listener is None:
            raise RuntimeError("the server was not started")
        return int(self._listener.getsockname()[1])

    def served(self) -> list[Served]:
        """The connections of callers who were let in."""
        return self._places.taken()

    def stop(self, grace: float = 5.0) -> None:
        """Close the port and every connection; return under way get `grace` seconds."""
        self._stopping.set()
        if self._listener is None:
            return
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        until = time.monotonic() + grace
        while self._shut_idle(force=time.monotonic() >= until):
            time.sleep(0.01)
        self._pyro.close()
        self._ours.close()
        self._unused.close()

    def _shut_idle(self, *, force: bool) -> bool:
        """Shut whoever has no answer to wait for, or all; tells whether threads are left."""
        with self._guard:
            for sock in self._shaking:
                shut(sock)
            for connection in self._places.taken():
                if force or connection.waiting:
                    shut(connection.tls)
            return bool(self._threads) and not force

    def _spawn(self, target: Callable[..., None], name: str, *args: Any) -> None:
        def run() -> None:
            try:
                target(*args)
            except Exception:  # wall: a connection's end is not the server's
                log.exception("%s failed", name)
            finally:
                with self._guard:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._guard:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            with self._guard:
                self._threads.discard(thread)
            raise

    def _accept_loop(self) -> None:
        assert self._listener is not None  # noqa: S101  # start() has set it
        while not self._stopping.is_set():
            try:
                self._let_in(*self._listener.accept())
            except (OSError, RuntimeError) as exc:
                if self._stopping.is_set():
                    return
                # Out of descriptors or threads, most likely: those who are here go on, newcomers
                # wait.
                log.error("cannot accept a connection: %s", exc)
                self._stopping.wait(0.2)

    def _let_in(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        """Serve a caller in a thread.

        :raises RuntimeError: there cannot be one more; the caller is cut off
        """
        self._make_room()
        with self._guard:
            self._shaking[sock] = None
        try:
            self._spawn(self._serve, f"rpc-{address[0]}:{address[1]}", sock, address[0])
        except RuntimeError:
            self._forget(sock)
            sock.close()
            raise

    def _make_room(self) -> None:
        with self._guard:
            if len(self._shaking) < self.limits.handshakes:
                return
            oldest = next(iter(self._shaking))
            del self._shaking[oldest]
        log.warning("too many callers that say nothing: the oldest is dropped")
        shut(oldest)

    def _tls(self) -> ssl.SSLContext:
        """The context; made anew when the node's certificate was replaced."""
        stamp = self.identity.stamp()
        context = self._context
        if context is None or context[0] != stamp:
            try:
                self._context = context = (stamp, self.identity.server_context())
            except ConfigurationError:
                # Certificate and key are being replaced, one after the other.
                if context is None:
                    raise
        return context[1]

    def _serve(self, raw: socket.socket, address: str) -> None:
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            notice_death(raw)
            sock = self._tls().wrap_socket(
                raw, server_side=True, do_handshake_on_connect=False)
        except (OSError, GanetiError) as exc:
            log.warning("connection from %s: %s", address, exc)
            self._forget(raw)
            raw.close()
            return
        # wrap_socket moved the descriptor: `raw` can no longer be shut.
        with self._guard:
            known = raw in self._shaking
            self._shaking.pop(raw, None)
            if known:
                self._shaking[sock] = None
        try:
            if known:
                self._converse(sock, address)
        finally:
            self._forget(sock)
            sock.close()

    def _forget(self, sock: socket.socket) -> None:
        with self._guard:
            self._shaking.pop(sock, None)

    def _converse(self, sock: ssl.SSLSocket, address: str) -> None:
        caller = self._shake_hands(sock, address)
        self._forget(sock)
        if caller is None:
            return
        role = role_of(caller, self.members)
        if role is Role.ANONYMOUS and not self.open_to_strangers():
            self._refuse(sock, address, "no certificate was shown")
            return
        if role is Role.UNLISTED:
            self.unlisted()
            self._refuse(sock, address, NOT_LISTED)
            return
        connection = Served(sock, caller, role, self.limits)
        if not self._places.take(connection):
            self._refuse(sock, address, "it serves as many connections of this caller as it can")
            return
        try:
            self._messages(connection)
        finally:
            self._places.leave(connection)

    def _watch_members(self) -> None:
        """End the connections of those who are members no more."""
        while not self._stopping.wait(MEMBERS_SECONDS):
            for connection in self._places.taken():
                self._end_unlisted(connection)

    def _end_unlisted(self, connection: Served) -> None:
        if role_of(connection.caller, self.members) is not Role.UNLISTED:
            connection.unlisted_since = 0.0
        elif not connection.unlisted_since:
            # What is on its way is still refused with the reason.
            connection.unlisted_since = time.monotonic()
        elif connection.waiting:
            log.warning("connection of %s ended: %s", connection.caller.address, NOT_LISTED)
            shut(connection.tls)

    def _shake_hands(self, sock: ssl.SSLSocket, address: str) -> Caller | None:
        try:
            shake_hands(sock, self.limits.handshake)
        except ssl.SSLEOFError:
            # Nodes look whether they reach each other, and then hang up.
            log.debug("%s connected, and left without a handshake", address)
            return None
        except OSError as exc:
            log.warning("no handshake with %s: %s", address, exc)
            return None
        der = sock.getpeercert(binary_form=True)
        if not der:
            return Caller("", address)
        return Caller(fingerprint(der), address, common_name(sock.getpeercert() or {}))

    def _refuse(self, sock: ssl.SSLSocket, address: str, reason: str) -> None:
        log.warning("connection from %s refused: %s", address, reason)
        if not self._refusals.acquire(blocking=False):
            return
        try:
            sock.settimeout(1.0)
            # Read the caller's first words: closing over unread data would eat our answer.
            sock.recv(4096)
            sock.sendall(refusal_message(reason))
        except OSError:
            pass
        finally:
            self._refusals.release()

    def _messages(self, connection: Served) -> None:
        try:
            if not self._pyro._handshake(connection):
                return
            while not self._stopping.is_set():
                self._pyro.handleRequest(connection)
        except pyro_errors.ConnectionClosedError:
            return
        except (pyro_errors.PyroError, OSError) as exc:
            log.warning("connection of %s ended: %s", connection.caller.address, exc)
