"""What an operation gets as `ctx`: everything it may use, nothing else; built by the job engine."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import (
    ECODE_ENVIRON,
    GanetiError,
    JobCanceled,
    NodeUnreachable,
    OpPrereqError,
    OutcomeUnknown,
)
from ganeti_core.rpc.calls import hook_call
from ganeti_core.rpc.client import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ganeti_core.config.reservations import Reservations
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Change, Store
    from ganeti_core.locking import LockInfo
    from ganeti_core.model import Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.allocators import Allocators
    from ganeti_core.operations.placement import InstanceDocuments
    from ganeti_core.operations.saga import Entry, Saga
    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import Events, PluginHost
    from ganeti_core.query.engine import QueryEngine
    from ganeti_core.query.live import LiveSource
    from ganeti_core.rpc.calls import Call
    from ganeti_core.rpc.client import NodeClients

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What all operations share; built once by the daemon."""

    store: Store
    nodes: NodeClients
    host: PluginHost
    events: Events
    reservations: Reservations
    submit_jobs: Callable[[Sequence[Sequence[OpCode]]], list[int]]
    debts_of: Callable[[str], list[Entry]]
    all_debts: Callable[[], list[Entry]]
    pay_debts: Callable[[str], list[Entry]]
    copies: Callable[[float], Mapping[str, bool]]
    """Every master candidate (uuid), and whether its copy is current within so many seconds."""
    remember_debts: Callable[[Sequence[Entry]], None]
    touched: Callable[[str], None]
    live: LiveSource
    instance_documents: InstanceDocuments
    allocators: Allocators
    paths: Paths
    locks: Callable[[], list[LockInfo]]
    settings: Callable[[Snapshot], dict[str, Any]]
    queries: QueryEngine


@dataclass(frozen=True)
class Journaling:
    """How a commit marks the opcode's result; filled by the engine."""

    rows_of_result: Callable[[Any], Sequence[Any]]
    committed: Callable[[Any], None]


@dataclass(frozen=True)
class OpContext:
    """The world of one opcode's execution.

    :param snapshot: the configuration when the locks were granted; `current` is the newest
    :param owner: the job as locks and reservations know it
    """

    services: Services
    snapshot: Snapshot
    job_id: int
    op_index: int
    saga: Saga
    journaling: Journaling
    log_entry: Callable[[str, Any], None]
    cancelled: Callable[[], bool] = lambda: False
    reason: tuple[Any, ...] = ()
    chosen: frozenset[str] | None = None
    """The nodes that an opportunistic request got; None when there was none."""
    caller: str = ""
    """As whom nodes are called, if not as `owner`: the undo of a killed job is somebody else."""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return str(self.job_id)

    @property
    def host(self) -> PluginHost:
        return self.services.host

    @property
    def current(self) -> Snapshot:
        return self.services.store.snapshot

    @property
    def settings(self) -> dict[str, Any]:
        """Cluster settings that node hooks may need."""
        return self.services.settings(self.current)

    def feedback(self, message: str) -> None:
        """Tell the job's owner what is being done: ``* creating disks``.

        :raises JobCanceled: the job's owner asked it to stop
        """
        self.check_cancelled()
        self.log_entry("message", message)

    def info(self, message: str) -> None:
        self.log_entry("message", f" - INFO: {message}")

    def warn(self, message: str) -> None:
        self.log_entry("message", f" - WARNING: {message}")

    def check_cancelled(self) -> None:
        """:raises JobCanceled: the job's owner asked it to stop"""
        if self.cancelled():
            raise JobCanceled("Job canceled by request")

    # Calls to nodes

    def call(self, node: Node, call: Call) -> Any:
        """Make one call; a changing one first pays the node's debts.

        :raises GanetiError: as the node says, or the errors of `NodeClients.call`
        """
        with self._acting_on(node, changes=call.changes):
            return self.services.nodes.call(
                Peer.of(node), call, owner=self.caller or self.owner, cancelled=self.cancelled)

    def hook(
        self, node: Node, kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "",
        **arguments: Any,
    ) -> Any:
        """Call a plugin's hook on a node and decode its typed answer."""
        with self._acting_on(node, changes=kind.hook_where(hook).changes):
            return self.services.nodes.hook(
                Peer.of(node), kind, driver, hook, subject=subject, settings=self.settings,
                owner=self.caller or self.owner, cancelled=self.cancelled, **arguments)

    @contextmanager
    def _acting_on(self, node: Node, *, changes: bool) -> Iterator[None]:
        """Around a call: pay the node's debts first; what is known of it is old afterwards."""
        if not changes:
            yield
            return
        self.check_cancelled()
        self.settle_debts(node)
        self.saga.begin()
        try:
            yield
        finally:
            self.services.touched(node.uuid)

    def hook_call(
        self, kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "", **arguments: Any
    ) -> Call:
        """The call as data, to be recorded in the saga."""
        return hook_call(kind, driver, hook, subject=subject, settings=self.settings, **arguments)

    def fan_out(
        self, nodes: Iterable[Node], make: Callable[[Node], Call]
    ) -> Mapping[str, Any | GanetiError]:
        """Ask several nodes at once; by node uuid, each failure is that node's answer."""
        self.check_cancelled()
        answers = self.services.nodes.fan_out(
            {n.uuid: (Peer.of(n), make(n)) for n in nodes}, owner=self.caller or self.owner,
            cancelled=self.cancelled)
        self.check_cancelled()
        return answers

    def settle_debts(self, node: Node) -> None:
        """:raises OpPrereqError: the node is owed something that still cannot be done"""
        if not self.services.debts_of(node.uuid):
            return
        left = self.services.pay_debts(node.uuid)
        if left:
            raise OpPrereqError(
                f"Node '{node.name}' must first finish what an earlier job left there "
                f"({left[0].note}: {left[0].debt}); see gnt-cluster verify", ECODE_ENVIRON)

    # Acting

    def submit_jobs(self, op: OpCode, jobs: Sequence[Sequence[OpCode]]) -> list[int]:
        """Submit the jobs that `op` expands into; answers their ids.

        They inherit its reason trail behind their own, its priority and debug level, and a
        comment that tells where they come from.

        :raises JobCanceled: the job was killed, or its owner asked it to stop
        """
        self.check_cancelled()
        with self.saga.alive():
            return self.services.submit_jobs(
                [[_inheriting(op, child) for child in job] for job in jobs])

    def act(self, node: Node, do: Call, undo: Call, note: str) -> Any:
        """Make a changing call whose undo is durable before it begins."""
        self.check_cancelled()
        self.saga.record(node.uuid, undo, note)
        return self.call(node, do)

    def commit(
        self, changes: Sequence[Change], result: Any = None,
        forward: Sequence[tuple[Node, Call, str]] = (),
    ) -> Any:
        """The pivot: config changes, the opcode's result and the forgotten undo in one commit.

        Then the `forward` calls are made. One that cannot be made becomes a debt and a warning,
        not an error: the operation is done, and its rest is remembered.
        """
        owed = [(node.uuid, call, note) for node, call, note in forward]
        with self.saga.alive():
            rows, entries = self.saga.pivot(owed)
            rows.extend(self.journaling.rows_of_result(result))
            self.services.store.commit(changes, rows)
            self.saga.adopt(entries)
            self.saga.changed_config |= bool(changes)
            self.journaling.committed(result)
        for debt in self.settle():
            self.warn(f"{debt.note}: {debt.debt}; it is remembered and done as soon as possible")
        return result

    def settle(self, perform: Callable[[Entry], str] | None = None) -> list[Entry]:
        """Make all calls that the saga owes; answers those that became debts."""
        debts = self.saga.settle(perform or self.perform)
        self.services.remember_debts(debts)
        return debts

    def perform(self, entry: Entry) -> str:
        """Make the call of a saga entry; answers why it could not be made, or nothing."""
        node = self.current.nodes.get(entry.node)
        if node is None:
            return ""  # the node left the cluster, and took what it was owed along
        if node.offline:
            return f"node {node.name} is offline"
        try:
            self.services.nodes.call(Peer.of(node), entry.call)
        except (NodeUnreachable, OutcomeUnknown) as exc:
            return str(exc)
        except GanetiError as exc:
            log.warning("job %d: %s on %s failed: %s", self.job_id, entry.note, node.name, exc)
            return str(exc)
        finally:
            self.services.touched(node.uuid)
        return ""


def _inheriting(op: OpCode, child: OpCode) -> OpCode:
    return replace(
        child, reason=[*child.reason, *op.reason], debug_level=op.debug_level,
        priority=child.priority or op.priority,
        comment=child.comment or f"Submitted by {op.op_id}")
