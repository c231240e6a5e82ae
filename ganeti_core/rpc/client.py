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
from ganeti_core.rpc.connection import Connection, Peer, Pool
from ganeti_core.rpc.pyro import configure

if TYPE_CHECKING:
    import ssl

    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.rpc.certs import TlsIdentity

__all__ = ["NodeClients", "Peer"]

K = TypeVar("K", bound=Hashable)
FAN_OUT_THREADS = 64

@dataclass(frozen=True)
class _Attempt:
    """What one call needs on whichever connection it is made."""

    arguments: tuple[Any, ...]
    changes: bool
    timeout: float
    owner: str
    cancelled: Callable[[], bool] | None


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
        wire.check_plain(call.args)
        if call.changes and not call_id:
            call_id = str(uuid.uuid4())
        arguments = (call.service, call.args, call_id, self.epoch(), call.subject, call.timeout)
        envelope = self._deliver(
            peer, _Attempt(arguments, call.changes, call.timeout, owner, cancelled))
        if feedback is not None and isinstance(envelope, dict):
            for line in envelope.get("feedback", ()):
                feedback(str(line))
        return wire.unwrap(envelope)

    def _deliver(self, peer: Peer, attempt: _Attempt) -> Any:
        kept = self._pool.take(peer)
        if kept is not None:
            try:
                return self._use(kept, attempt)
            except (NodeUnreachable, OutcomeUnknown) as exc:
                # A kept connection may have died unseen. What never arrived is sent again, and so
                # is a question, unless the node is slow rather than gone.
                arrived = isinstance(exc, OutcomeUnknown)
                if (arrived and (attempt.changes or kept.timed_out)) or self._gone(attempt.owner):
                    raise
                self.drop(peer.uuid)
        return self._use(Connection.open(peer, self._tls()), attempt)

    def _use(self, connection: Connection, attempt: _Attempt) -> Any:
        good = False
        try:
            with self._guard:
                if attempt.owner in self._abandoned:
                    raise JobCanceled("the job was killed")
                self._busy[connection] = attempt.owner
            envelope = connection.invoke(attempt.arguments, attempt.timeout, attempt.cancelled)
            good = True
        finally:
            with self._guard:
                self._busy.pop(connection, None)
            if good:
                self._pool.give_back(connection)
            else:
                connection.close()
        return envelope

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
        if len(calls) <= 1:
            return {key: self._answer(peer, call, owner, cancelled)
                    for key, (peer, call) in calls.items()}
        with ThreadPoolExecutor(min(len(calls), FAN_OUT_THREADS), "rpc-fan-out") as threads:
            futures = {key: threads.submit(self._answer, peer, call, owner, cancelled)
                       for key, (peer, call) in calls.items()}
            return {key: future.result() for key, future in futures.items()}

    def _answer(
        self, peer: Peer, call: Call, owner: str, cancelled: Callable[[], bool] | None
    ) -> Any | GanetiError:
        try:
            return self.call(peer, call, owner=owner, cancelled=cancelled)
        except GanetiError as exc:
            return exc

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
