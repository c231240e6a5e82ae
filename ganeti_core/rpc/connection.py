"""One kept connection from a master to a node, and the pool that hands it from thread to thread."""

from __future__ import annotations

import select
import socket
import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any, Self

from ganeti_core.errors import JobCanceled, NodeUnreachable, OutcomeUnknown, RpcError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.keepalive import notice_death
from ganeti_core.rpc.pyro import (
    METHOD,
    OBJECT,
    TRACE,
    StrictConnection,
    connect_message,
    shake_hands,
    shut,
)
from ganeti_core.rpc.tls import common_name, fingerprint

# Pyro5 is imported through ganeti_core.rpc.pyro first: see there.
from Pyro5 import errors as pyro_errors  # isort: skip
from Pyro5 import protocol, serializers  # isort: skip

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from ganeti_core.model import Node

CONNECT_SECONDS = 5.0
GRACE_SECONDS = 5.0
"""The node ends a call at its limit and says so: its word is awaited a little longer."""
CHANGE_GRACE_SECONDS = 20.0
"""The same for a changing call: until its hook is killed and its outcome is written, a busy node
takes seconds, and a lost answer costs more than waiting."""
IDLE_KEPT = 8
IDLE_SECONDS = 300.0
_SERIALIZER_ID = serializers.JsonSerializer.serializer_id


class Refused(NodeUnreachable):
    """The node is there, and does not serve us."""


@dataclass(frozen=True)
class Peer:
    """A node as a caller sees it; with a `fingerprint` nobody else's certificate is accepted."""

    uuid: str
    name: str
    address: str
    port: int
    fingerprint: str = ""

    @classmethod
    def of(cls, node: Node) -> Self:
        # While certificates are renewed, any of the cluster's authority with its uuid will do.
        fingerprint = "" if node.renewing else node.fingerprint
        return cls(node.uuid, node.name, node.primary_ip, node.port, fingerprint)


def encode(arguments: tuple[Any, ...]) -> bytes:
    """Encode the body of a call; the same bytes serve any number of connections.

    :raises TypeError: something in it is not plain
    """
    body: bytes = serializers.serializers["json"].dumpsCall(OBJECT, METHOD, arguments, {})
    return body


class Connection:
    """An open connection; used by one thread at a time."""

    def __init__(self, peer: Peer, wire: StrictConnection, context: ssl.SSLContext) -> None:
        self.peer = peer
        self.context = context
        """With our certificate as it was: the other side may not accept it any more."""
        self._wire = wire
        self._sequence = 0
        self._limit = 0.0
        self._until = 0.0
        self.idle_since = time.monotonic()
        self.timed_out = False

    @classmethod
    def open(cls, peer: Peer, context: ssl.SSLContext) -> Self:
        """Connect, check who answers, and exchange greetings.

        :raises NodeUnreachable: it did not work; nothing was asked
        """
        try:
            raw = socket.create_connection((peer.address, peer.port), CONNECT_SECONDS)
        except OSError as exc:
            raise _unreachable(peer, exc) from exc
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            notice_death(raw)
            sock = context.wrap_socket(raw, do_handshake_on_connect=False)
        except OSError as exc:
            raw.close()
            raise _unreachable(peer, exc) from exc
        try:
            shake_hands(sock, CONNECT_SECONDS)
            _check_identity(peer, sock)
            wire = StrictConnection(sock, idle=CONNECT_SECONDS, limit=CONNECT_SECONDS)
            _greet(peer, wire)
            return cls(peer, wire, context)
        except (OSError, pyro_errors.PyroError) as exc:
            sock.close()
            raise _unreachable(peer, exc) from exc
        except NodeUnreachable:
            sock.close()
            raise

    @property
    def stale(self) -> bool:
        """Whether it is of no use any more: see `_stale`."""
        return bool(_stale([self]))

    def fileno(self) -> int:
        return self._wire.sock.fileno()

    @property
    def server_fingerprint(self) -> str:
        return fingerprint(self._wire.tls.getpeercert(binary_form=True) or b"")

    def ask(self, body: bytes, timeout: float, *, changes: bool, trace: str = "") -> None:
        """Send a call, whose `answer` is to be awaited; after an error nothing else is of use.

        :param timeout: seconds that the node may take
        :param changes: its outcome is written before it is sent
        :param trace: on whose behalf, for spans; a node that knows none does not look at it
        :raises NodeUnreachable: it was not delivered
        :raises OutcomeUnknown: it may have been
        """
        self._wire.limit = timeout + (CHANGE_GRACE_SECONDS if changes else GRACE_SECONDS)
        self._wire.sent = False
        self._until = time.monotonic() + self._wire.limit
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._limit = timeout
        try:
            message = protocol.SendingMessage(
                protocol.MSG_INVOKE, 0, self._sequence, _SERIALIZER_ID, body,
                annotations={TRACE: trace.encode()} if trace else None)
            self._wire.send(message.data)
        except (pyro_errors.CommunicationError, OSError) as exc:
            raise self._lost(str(exc), exc) from exc

    def answer(
        self, cancelled: Callable[[], bool] | None = None, *, within: float | None = None
    ) -> Any:
        """Await the envelope that answers what was asked; after an error nothing else is of use.

        :param within: seconds, where less than the call's own limit
        :raises OutcomeUnknown: no answer came
        :raises JobCanceled: `cancelled` said so while the answer was awaited
        """
        left = max(0.0, self._until - time.monotonic())
        self._wire.idle = left if within is None else min(left, within)
        self._wire.cancelled = cancelled
        try:
            return self._received()
        except InterruptedError as exc:
            raise JobCanceled("the job was canceled while a node was asked") from exc
        except pyro_errors.TimeoutError as exc:
            self.timed_out = True
            raise self._lost(f"no answer within {self._limit:g} s", exc) from exc
        except TimeoutError as exc:
            self.timed_out = True
            raise self._lost(str(exc), exc) from exc
        except (pyro_errors.CommunicationError, OSError) as exc:
            raise self._lost(str(exc), exc) from exc
        except (pyro_errors.PyroError, ValueError) as exc:
            raise RpcError(f"node {self.peer.name} answered nonsense: {exc}") from exc

    def _received(self) -> Any:
        message = protocol.recv_stub(
            self._wire, [protocol.MSG_RESULT])
        if message.seq != self._sequence:
            raise pyro_errors.ProtocolError(
                f"answer {message.seq} to question {self._sequence}")
        data = serializers.serializers["json"].loads(message.data)
        if message.flags & protocol.FLAGS_EXCEPTION:
            raise data if isinstance(data, Exception) else pyro_errors.PyroError(str(data))
        return data

    def _lost(self, why: str, exc: Exception) -> RpcError:
        if not self._wire.sent:
            return _unreachable(self.peer, exc)
        return OutcomeUnknown(f"node {self.peer.name} was asked, but its answer is lost: {why}")

    def shut(self) -> None:
        """Wake the thread that waits for an answer; harmless at any time."""
        shut(self._wire.sock)

    def close(self) -> None:
        self._wire.sock.close()


def _unreachable(peer: Peer, exc: Exception) -> NodeUnreachable:
    return NodeUnreachable(
        f"node {peer.name} cannot be asked at {peer.address}:{peer.port}: {exc}")


def _check_identity(peer: Peer, sock: ssl.SSLSocket) -> None:
    der = sock.getpeercert(binary_form=True) or b""
    if peer.fingerprint:
        if fingerprint(der) != peer.fingerprint:
            raise NodeUnreachable(
                f"at {peer.address}:{peer.port} answers someone else than node {peer.name}: its "
                f"certificate is {fingerprint(der)}, not {peer.fingerprint}")
        return
    name = common_name(sock.getpeercert() or {})
    if peer.uuid and name != peer.uuid:
        raise NodeUnreachable(
            f"at {peer.address}:{peer.port} answers node {name}, not {peer.name} ({peer.uuid})")


def _greet(peer: Peer, wire: StrictConnection) -> None:
    """Open the conversation: only an answer proves that the node accepts our certificate."""
    wire.send(connect_message())
    answer = protocol.recv_stub(wire, [protocol.MSG_CONNECTOK, protocol.MSG_CONNECTFAIL])
    if answer.type == protocol.MSG_CONNECTFAIL:
        reason = serializers.serializers["json"].loads(answer.data)
        raise Refused(f"node {peer.name} refuses us: {reason}")


def _stale(idle: Iterable[Connection]) -> list[Connection]:
    """Return those that were idle for long, or that the other side has ended: an idle connection
    has nothing to read. It costs one look, however many they are."""
    poll = select.poll()
    by_number: dict[int, Connection] = {}
    for connection in idle:
        poll.register(connection, select.POLLIN)
        by_number[connection.fileno()] = connection
    ended = {number for number, _ in poll.poll(0)}
    oldest = time.monotonic() - IDLE_SECONDS
    return [connection for number, connection in by_number.items()
            if number in ended or connection.idle_since < oldest]


@dataclass
class Pool:
    """Idle connections by node."""

    _idle: dict[str, list[Connection]] = field(default_factory=dict)
    _lost: dict[str, int] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def take(self, peer: Peer, context: ssl.SSLContext) -> Connection | None:
        """Hand out an idle connection to exactly this peer, made with this context, not stale."""
        while True:
            with self._guard:
                idle = self._idle.get(peer.uuid)
                connection = idle.pop() if idle else None
            if connection is None:
                return None
            is_wanted = connection.peer == peer and connection.context is context
            if is_wanted and not connection.stale:
                return connection
            connection.close()
            self.lost(peer.uuid)

    def lost(self, peer_uuid: str) -> None:
        """Note that a connection ended, which may be because the node's daemon did."""
        with self._guard:
            self._lost[peer_uuid] = self._lost.get(peer_uuid, 0) + 1

    def losses(self, peers: Iterable[str]) -> dict[str, int]:
        """Return how many connections to nodes (uuids) were lost: another number for each whose
        daemon has ended."""
        peers = list(peers)
        with self._guard:
            ended = _stale(idle[-1] for uuid in peers if (idle := self._idle.get(uuid)))
            for connection in ended:
                self._idle[connection.peer.uuid].remove(connection)
        for connection in ended:
            connection.close()
            self.lost(connection.peer.uuid)
        return {uuid: self._lost.get(uuid, 0) for uuid in peers}

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next call."""
        connection.idle_since = time.monotonic()
        with self._guard:
            idle = self._idle.setdefault(connection.peer.uuid, [])
            if keep := len(idle) < IDLE_KEPT:
                idle.append(connection)
        if not keep:
            connection.close()

    def drop(self, peer_uuid: str) -> None:
        """Close the idle connections of one node."""
        with self._guard:
            idle = self._idle.pop(peer_uuid, [])
        for connection in idle:
            connection.close()
        self.lost(peer_uuid)

    def close(self) -> None:
        for peer_uuid in list(self._idle):
            self.drop(peer_uuid)
