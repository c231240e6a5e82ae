"""Ask nodes: one at a time or many at once, over kept connections, with typed errors.

Errors say what is known: `NodeUnreachable` means that nothing happened, `OutcomeUnknown` that the
node must be asked. A changing call is never repeated here once it may have arrived.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar

from ganeti_core.errors import (
    ConfigurationError,
    GanetiError,
    JobCanceled,
    NodeUnreachable,
    OutcomeUnknown,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc import wire
from ganeti_core.rpc.calls import Call, hook_answer, hook_call, service_call
from ganeti_core.rpc.connection import Connection, Peer, Pool, encode
from ganeti_core.rpc.liveness import Liveness
from ganeti_core.rpc.pyro import configure
from ganeti_core.spans import ACTIVE, begin, span, unheeded

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from concurrent.futures import Executor

    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.rpc.tls import TlsIdentity
    from ganeti_core.spans import Open

__all__ = ["NodeClients", "Peer"]

K = TypeVar("K", bound=Hashable)
log = logging.getLogger(__name__)
FAN_OUT_THREADS = 64

LARGEST_AT_ONCE = 64 * 1024
"""Bytes that a connection takes without waiting for its other side to read."""


@dataclass(frozen=True)
class _Attempt:
    """What one call needs on whichever connection it is made."""

    body: bytes
    changes: bool
    timeout: float
    owner: str = ""
    cancelled: Callable[[], bool] | None = None
    trace: str = ""


@dataclass(frozen=True)
class _UnderWay:
    """A call that was sent, whose answer is to be awaited on `connection`."""

    peer: Peer
    attempt: _Attempt
    connection: Connection


_PING = service_call("node.ping")
LISTEN_SECONDS = 1.0
"""Between two looks at what a hook that runs has told its job's owner."""


@dataclass
class _Listener:
    """Asked while an answer is awaited: now and then it fetches what the hook has told meanwhile.

    It is the call's `cancelled`, for that is what a waiting connection asks.
    """

    clients: NodeClients
    peer: Peer
    call_id: str
    tell: Callable[[str], None]
    cancelled: Callable[[], bool] | None
    _heard: int = 0
    _next: float = field(default_factory=lambda: time.monotonic() + LISTEN_SECONDS)

    def __call__(self) -> bool:
        if time.monotonic() >= self._next:
            try:
                with unheeded():  # it is a part of the call, not something that is done
                    found = self.clients.call(self.peer, service_call(
                        "call.feedback", {"call_id": self.call_id, "after": self._heard}))
                self.hear(found["lines"])
            except GanetiError as exc:
                # The answer brings all of it; a node of an older version does not know this.
                log.debug("what %s tells cannot be heard yet: %s", self.peer.name, exc)
            self._next = time.monotonic() + LISTEN_SECONDS
        return self.cancelled is not None and self.cancelled()

    def hear(self, lines: Sequence[str], *, all_of_it: bool = False) -> None:
        """Pass on what is new of `lines`."""
        fresh = lines[self._heard:] if all_of_it else lines
        for line in fresh:
            self.tell(str(line))
        self._heard += len(fresh)


@dataclass
class NodeClients:
    """Calls nodes as one identity; all methods may be used from any thread.

    :param epoch: tells the master's epoch, which goes with every call
    :param failed: told of each call that failed, and how
    """

    identity: TlsIdentity
    epoch: Callable[[], int]
    failed: Callable[[Peer, GanetiError], None] = lambda _peer, _error: None
    liveness: Liveness = field(default_factory=Liveness)
    _pool: Pool = field(default_factory=Pool)
    _busy: dict[Connection, str] = field(default_factory=dict)
    _abandoned: set[str] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _context: tuple[tuple[int, ...], ssl.SSLContext] | None = None

    def __post_init__(self) -> None:
        configure()

    def call(
        self, peer: Peer, call: Call, *, call_id: str = "", owner: str = "",
        cancelled: Callable[[], bool] | None = None,
        feedback: Callable[[str], None] | None = None,
    ) -> Any:
        """Make `call` at `peer` and wait for its result.

        :param call_id: names a changing call, so that its outcome can be asked for; two calls
            with one id act once
        :param owner: whose call it is, for `abandon`
        :param cancelled: asked about while waiting
        :param feedback: gets the lines that the hook tells the job's owner, as it does so
        :raises NodeUnreachable: never delivered, nothing happened
        :raises OutcomeUnknown: delivered, but no answer in time, or the connection was lost
        :raises StaleEpoch: the node has seen a newer master
        :raises JobCanceled: `cancelled` said yes (the node may go on), or the owner was abandoned
        :raises GanetiError: what the node answered
        """
        call_id = call_id or (str(uuid.uuid4()) if call.changes else "")
        listener = None if feedback is None else _Listener(
            self, peer, call_id, feedback, cancelled)
        # Of a call without an id nobody can ask meanwhile.
        waits = listener if call_id and listener is not None else cancelled
        try:
            with span(call.title, "client", **_told(peer)):
                envelope = self._deliver(peer, self._attempt(call, call_id, owner, waits))
                if listener is not None and isinstance(envelope, dict):
                    listener.hear(envelope.get("feedback", ()), all_of_it=True)
                return wire.unwrap(envelope)
        except GanetiError as exc:
            self.failed(peer, exc)
            raise

    def _attempt(
        self, call: Call, call_id: str = "", owner: str = "",
        cancelled: Callable[[], bool] | None = None,
    ) -> _Attempt:
        wire.check_plain(call.args)
        if call.changes and not call_id:
            call_id = str(uuid.uuid4())
        body = encode(
            (call.service, call.args, call_id, self.epoch(), call.subject, call.timeout))
        active = ACTIVE.get()
        return _Attempt(body, call.changes, call.timeout, owner, cancelled,
                        str(active.place) if active is not None else "")

    def _deliver(self, peer: Peer, attempt: _Attempt) -> Any:
        sent = self._start(peer, attempt, self._tls())
        return self._afresh(peer, attempt) if sent is None else self._finish(sent)

    def _start(self, peer: Peer, attempt: _Attempt, tls: ssl.SSLContext) -> _UnderWay | None:
        """Send a call on a kept connection; None when there is none that works."""
        while (kept := self._pool.take(peer, tls)) is not None:
            sent = _UnderWay(peer, attempt, kept)
            try:
                self._send(sent)
            except NodeUnreachable:
                continue  # it has died unseen, and nothing arrived
            except OutcomeUnknown:
                if attempt.changes:
                    raise
                continue
            return sent
        return None

    def _finish(self, sent: _UnderWay) -> Any:
        try:
            return self._await(sent)
        except (NodeUnreachable, OutcomeUnknown):
            if not self._may_ask_again(sent):
                raise
        return self._afresh(sent.peer, sent.attempt)

    def _may_ask_again(self, sent: _UnderWay) -> bool:
        """Whether a question whose answer is lost is to be asked over another connection.

        The one that it had may have died unseen, unless the node is slow rather than gone.
        """
        attempt = sent.attempt
        if attempt.changes or sent.connection.timed_out or self._gone(attempt.owner):
            return False
        self.drop(sent.peer.uuid)
        return True

    def _afresh(self, peer: Peer, attempt: _Attempt) -> Any:
        sent = _UnderWay(peer, attempt, Connection.open(peer, self._tls()))
        self._send(sent)
        return self._await(sent)

    def _send(self, sent: _UnderWay) -> None:
        connection, attempt = sent.connection, sent.attempt
        with self._guard:
            if attempt.owner in self._abandoned:
                connection.close()
                raise JobCanceled("the job was killed")
            self._busy[connection] = attempt.owner
        try:
            connection.ask(attempt.body, attempt.timeout, changes=attempt.changes,
                           trace=attempt.trace)
        except BaseException:
            self._let_go(connection, good=False)
            raise

    def _await(self, sent: _UnderWay, within: float | None = None) -> Any:
        good = False
        try:
            envelope = sent.connection.answer(self._watch(sent), within=within)
            good = True
        finally:
            self._let_go(sent.connection, good=good)
        return envelope

    def _watch(self, sent: _UnderWay) -> Callable[[], bool] | None:
        """What the wait for an answer asks: a long one also whether the node is still there."""
        attempt, peer = sent.attempt, sent.peer
        if attempt.timeout <= self.liveness.silence:
            return attempt.cancelled
        return self.liveness.watch(
            peer.uuid, lambda: self._deliver(peer, self._attempt(_PING)), attempt.cancelled)

    def _let_go(self, connection: Connection, *, good: bool) -> None:
        with self._guard:
            self._busy.pop(connection, None)
        if good:
            self.liveness.note(connection.peer.uuid)
            self._pool.give_back(connection)
        else:
            connection.close()
            self._pool.lost(connection.peer.uuid)

    def hook(  # noqa: PLR0913  # the hook's own arguments are named among the call's
        self, peer: Peer, kind: Kind[Any], driver: str, hook: str, /, *,
        call_id: str = "", owner: str = "", subject: str = "",
        settings: Mapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
        feedback: Callable[[str], None] | None = None, **arguments: Any,
    ) -> Any:
        """Call a plugin's hook at `peer`; the result has the type that the contract names.

        :raises GanetiError: as `call`
        """
        call = hook_call(kind, driver, hook, subject=subject, settings=settings, **arguments)
        result = self.call(peer, call, call_id=call_id, owner=owner, cancelled=cancelled,
                           feedback=feedback)
        return hook_answer(kind, driver, hook, result)

    def fan_out(
        self, calls: Mapping[K, tuple[Peer, Call]], *, owner: str = "",
        cancelled: Callable[[], bool] | None = None,
    ) -> dict[K, Any | GanetiError]:
        """Make many calls at once; a failure is that call's answer and stops no other."""
        sent: dict[K, _UnderWay] = {}
        answers: dict[K, Any | GanetiError] = {}
        late: dict[K, tuple[Peer, _Attempt]] = {}
        spans = {key: begin(call.title, "client", **_told(peer))
                 for key, (peer, call) in calls.items()}
        attempts = self._attempts(calls, spans, owner, cancelled)
        tls: ssl.SSLContext | None = None
        for key, attempt in attempts.items():
            peer = calls[key][0]
            try:
                tls = tls or self._tls()  # which looks at files: once for all
                under_way = None if len(attempt.body) > LARGEST_AT_ONCE else self._start(
                    peer, attempt, tls)
            except GanetiError as exc:
                answers[key] = exc
                continue
            if under_way is None:
                late[key] = peer, attempt
            else:
                sent[key] = under_way
        answers |= self._late(late)
        answers |= {key: _outcome(self._finish, under_way) for key, under_way in sent.items()}
        for key, answer in answers.items():
            if isinstance(answer, GanetiError):
                self.failed(calls[key][0], answer)
            if (opened := spans[key]) is not None:
                opened.error = str(answer) if isinstance(answer, GanetiError) else ""
                opened.close()
        return {key: answers[key] for key in calls}

    def _attempts(
        self, calls: Mapping[K, tuple[Peer, Call]], spans: Mapping[K, Open | None], owner: str,
        cancelled: Callable[[], bool] | None,
    ) -> dict[K, _Attempt]:
        """Encode calls; the very same question to many nodes once."""
        found: dict[K, _Attempt] = {}
        made: dict[int, _Attempt] = {}
        for key, (_, call) in calls.items():
            opened = spans[key]
            with opened.inside() if opened is not None else nullcontext():
                attempt = made.get(id(call)) or self._attempt(call, "", owner, cancelled)
            if opened is None and not call.changes:
                made[id(call)] = attempt
            found[key] = attempt
        return found

    def _late(self, calls: Mapping[K, tuple[Peer, _Attempt]]) -> dict[K, Any | GanetiError]:
        """Make calls for which there is no connection yet: nobody waits for a silent node."""
        if len(calls) <= 1:
            return {key: _outcome(self._deliver, *call) for key, call in calls.items()}
        with ThreadPoolExecutor(min(len(calls), FAN_OUT_THREADS), "rpc-fan-out") as threads:
            futures = {key: threads.submit(_outcome, self._deliver, *call)
                       for key, call in calls.items()}
            return {key: future.result() for key, future in futures.items()}

    def begin(
        self, peers: Iterable[Peer], call: Call, spare: Executor
    ) -> dict[str, Callable[[float], Any]]:
        """Ask many nodes the same question, and go on.

        Gives by uuid a function that awaits the answer for so many seconds, and raises as `call`,
        or `TimeoutError`; each must be called once. What cannot be sent at once, on a kept
        connection, is done in threads of `spare`.
        """
        asked = list(peers)
        if not asked:
            return {}
        attempt = self._attempt(call)
        tls = self._tls() if len(attempt.body) <= LARGEST_AT_ONCE else None
        return {peer.uuid: self._begun(peer, attempt, tls, spare) for peer in asked}

    def _begun(
        self, peer: Peer, attempt: _Attempt, tls: ssl.SSLContext | None, spare: Executor
    ) -> Callable[[float], Any]:
        """:param tls: for a call that is sent at once; None for one that is too large for that"""
        sent = self._start(peer, attempt, tls) if tls is not None else None
        if sent is not None:
            return lambda seconds: wire.unwrap(self._finish_within(sent, seconds, spare))
        future = spare.submit(self._deliver, peer, attempt)
        return lambda seconds: wire.unwrap(future.result(seconds))

    def _finish_within(self, sent: _UnderWay, seconds: float, spare: Executor) -> Any:
        until = time.monotonic() + seconds
        try:
            return self._await(sent, seconds)
        except (NodeUnreachable, OutcomeUnknown):
            if not self._may_ask_again(sent):
                raise
        # In another thread: a host that has just gone takes a new connection's whole time.
        again = spare.submit(self._afresh, sent.peer, sent.attempt)
        return again.result(max(0.0, until - time.monotonic()))

    def outcome(self, peer: Peer, call_id: str) -> dict[str, Any]:
        """Ask what became of a changing call: ``{"state": ...}`` with its result or error."""
        found: dict[str, Any] = self.call(peer, service_call("call.outcome", {"call_id": call_id}))
        return found

    def abandon(self, owner: str) -> None:
        """End all calls of `owner` and refuse its later ones, for a job that is killed.

        Calls under way raise `OutcomeUnknown` in their threads; the nodes may go on. The undo of
        the job needs another owner.
        """
        with self._guard:
            self._abandoned.add(owner)
            mine = [connection for connection, whose in self._busy.items() if whose == owner]
            # Under the guard: a connection that left `_busy` may belong to someone else by now.
            for connection in mine:
                connection.shut()

    def _gone(self, owner: str) -> bool:
        with self._guard:
            return owner in self._abandoned

    def fingerprint(self, peer: Peer) -> str:
        """Return which certificate answers at `peer`.

        :raises NodeUnreachable: it cannot be reached or is someone else
        """
        connection = Connection.open(peer, self._tls())
        try:
            return connection.server_fingerprint
        finally:
            connection.close()

    def losses(self, peers: Iterable[str]) -> dict[str, int]:
        """Return how many connections to nodes (uuids) were lost: another number for each whose
        daemon has ended."""
        return self._pool.losses(peers)

    def drop(self, peer_uuid: str) -> None:
        """Forget the kept connections of a node, for one that left or was renewed."""
        self._pool.drop(peer_uuid)

    def close(self) -> None:
        """Close what is kept; calls under way end by themselves."""
        self._pool.close()

    def _tls(self) -> ssl.SSLContext:
        """The context; made anew when our certificate was replaced."""
        stamp = self.identity.stamp()
        context = self._context
        if context is None or context[0] != stamp:
            try:
                self._context = context = (stamp, self.identity.client_context())
            except ConfigurationError:
                # Certificate and key are being replaced, one after the other.
                if context is None:
                    raise
        return context[1]


def _told(peer: Peer) -> dict[str, str | int | float]:
    """What spans say of the node that is asked."""
    return {"server__address": peer.address, "server__port": peer.port,
            "ganeti__node": peer.name}


def _outcome(ask: Callable[..., Any], *arguments: Any) -> Any | GanetiError:
    """The result of a call, or the error that it ended with."""
    try:
        return wire.unwrap(ask(*arguments))
    except GanetiError as exc:
        return exc
