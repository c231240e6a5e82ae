"""Ask nodes: one at a time or many at once, over kept connections, with typed errors.

Errors say what is known: `NodeUnreachable` means that nothing happened, `OutcomeUnknown` that the
node must be asked. A changing call is never repeated here once it may have arrived.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ganeti_core.errors import (
    ConfigurationError,
    GanetiError,
    JobCanceled,
    NodeUnreachable,
    OutcomeUnknown,
)
from ganeti_core.plugin_api import codec
from ganeti_core.rpc import wire
from ganeti_core.rpc.calls import Call, hook_call, service_call
from ganeti_core.rpc.connection import Connection, Peer, Pool, encode
from ganeti_core.rpc.pyro import configure

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from concurrent.futures import Executor

    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.rpc.certs import TlsIdentity

__all__ = ["NodeClients", "Peer"]

K = TypeVar("K", bound=Hashable)
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


@dataclass(frozen=True)
class _UnderWay:
    """A call that was sent, whose answer is to be awaited on `connection`."""

    peer: Peer
    attempt: _Attempt
    connection: Connection


@dataclass
class NodeClients:
    """Calls nodes as one identity; all methods may be used from any thread.

    :param epoch: tells the master's epoch, which goes with every call
    """

    identity: TlsIdentity
    epoch: Callable[[], int]
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
        :param feedback: gets the lines that the hook told the job's owner, when it has ended
        :raises NodeUnreachable: never delivered, nothing happened
        :raises OutcomeUnknown: delivered, but no answer in time, or the connection was lost
        :raises StaleEpoch: the node has seen a newer master
        :raises JobCanceled: `cancelled` said yes (the node may go on), or the owner was abandoned
        :raises GanetiError: what the node answered
        """
        envelope = self._deliver(peer, self._attempt(call, call_id, owner, cancelled))
        if feedback is not None and isinstance(envelope, dict):
            for line in envelope.get("feedback", ()):
                feedback(str(line))
        return wire.unwrap(envelope)

    def _attempt(
        self, call: Call, call_id: str = "", owner: str = "",
        cancelled: Callable[[], bool] | None = None,
    ) -> _Attempt:
        wire.check_plain(call.args)
        if call.changes and not call_id:
            call_id = str(uuid.uuid4())
        body = encode(
            (call.service, call.args, call_id, self.epoch(), call.subject, call.timeout))
        return _Attempt(body, call.changes, call.timeout, owner, cancelled)

    def _deliver(self, peer: Peer, attempt: _Attempt) -> Any:
        sent = self._start(peer, attempt)
        return self._afresh(peer, attempt) if sent is None else self._finish(sent)

    def _start(self, peer: Peer, attempt: _Attempt) -> _UnderWay | None:
        """Send a call on a kept connection; None when there is none that works."""
        while (kept := self._pool.take(peer, self._tls())) is not None:
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

    def _finish(self, sent: _UnderWay, within: float | None = None) -> Any:
        try:
            return self._await(sent, within)
        except (NodeUnreachable, OutcomeUnknown):
            # The connection may have died unseen: a question is asked again, unless the node is
            # slow rather than gone.
            attempt = sent.attempt
            if attempt.changes or sent.connection.timed_out or self._gone(attempt.owner):
                raise
            self.drop(sent.peer.uuid)
        return self._afresh(sent.peer, sent.attempt)

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
            connection.ask(attempt.body, attempt.timeout)
        except BaseException:
            self._let_go(connection, good=False)
            raise

    def _await(self, sent: _UnderWay, within: float | None = None) -> Any:
        good = False
        try:
            envelope = sent.connection.answer(sent.attempt.cancelled, within=within)
            good = True
        finally:
            self._let_go(sent.connection, good=good)
        return envelope

    def _let_go(self, connection: Connection, *, good: bool) -> None:
        with self._guard:
            self._busy.pop(connection, None)
        if good:
            self._pool.give_back(connection)
        else:
            connection.close()

    def hook(  # noqa: PLR0913  # the hook's own arguments are named among the call's
        self, peer: Peer, kind: Kind[Any], driver: str, hook: str, /, *,
        call_id: str = "", owner: str = "", subject: str = "",
        settings: Mapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None, **arguments: Any,
    ) -> Any:
        """Call a plugin's hook at `peer`; the result has the type that the contract names.

        :raises GanetiError: as `call`
        """
        call = hook_call(kind, driver, hook, subject=subject, settings=settings, **arguments)
        result = self.call(peer, call, call_id=call_id, owner=owner, cancelled=cancelled)
        return codec.decode_result(kind.hooks()[hook], result)

    def fan_out(
        self, calls: Mapping[K, tuple[Peer, Call]], *, owner: str = "",
        cancelled: Callable[[], bool] | None = None,
    ) -> dict[K, Any | GanetiError]:
        """Make many calls at once; a failure is that call's answer and stops no other."""
        sent: dict[K, _UnderWay] = {}
        answers: dict[K, Any | GanetiError] = {}
        late: dict[K, tuple[Peer, _Attempt]] = {}
        attempts = {key: (peer, self._attempt(call, "", owner, cancelled))
                    for key, (peer, call) in calls.items()}
        for key, (peer, attempt) in attempts.items():
            try:
                under_way = None if len(attempt.body) > LARGEST_AT_ONCE else self._start(
                    peer, attempt)
            except GanetiError as exc:
                answers[key] = exc
                continue
            if under_way is None:
                late[key] = peer, attempt
            else:
                sent[key] = under_way
        answers |= self._late(late)
        answers |= {key: _outcome(self._finish, under_way) for key, under_way in sent.items()}
        return {key: answers[key] for key in calls}

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
        attempt = self._attempt(call)
        return {peer.uuid: self._begun(peer, attempt, spare) for peer in peers}

    def _begun(
        self, peer: Peer, attempt: _Attempt, spare: Executor
    ) -> Callable[[float], Any]:
        sent = self._start(peer, attempt) if len(attempt.body) <= LARGEST_AT_ONCE else None
        if sent is not None:
            return lambda seconds: wire.unwrap(self._finish(sent, seconds))
        future = spare.submit(self._deliver, peer, attempt)
        return lambda seconds: wire.unwrap(future.result(seconds))

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
        """Tell which certificate answers at `peer`.

        :raises NodeUnreachable: it cannot be reached or is someone else
        """
        connection = Connection.open(peer, self._tls())
        try:
            return connection.server_fingerprint
        finally:
            connection.close()

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


def _outcome(ask: Callable[..., Any], *arguments: Any) -> Any | GanetiError:
    """The result of a call, or the error that it ended with."""
    try:
        return wire.unwrap(ask(*arguments))
    except GanetiError as exc:
        return exc
