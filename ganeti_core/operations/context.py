"""What an operation gets as `ctx`: everything it may use, nothing else; built by the job engine."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ganeti_core.errors import (
    ECODE_ENVIRON,
    GanetiError,
    JobCanceled,
    OpPrereqError,
)
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.debt import Debt, objects_of, objects_of_call
from ganeti_core.operations.saga import gives_back
from ganeti_core.operations.waiting import Waiting
from ganeti_core.rpc.calls import hook_call
from ganeti_core.rpc.client import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ganeti_core.config.database import Write
    from ganeti_core.config.expected import Expected
    from ganeti_core.config.reservations import Reservation, Reservations
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Change, Store
    from ganeti_core.locking import LockInfo, Want
    from ganeti_core.model import Node
    from ganeti_core.opcodes.base import OpCode
    from ganeti_core.operations.copy_marks import CopyMarks
    from ganeti_core.operations.master_hooks import MasterHooks
    from ganeti_core.operations.node_drivers import NodeDrivers
    from ganeti_core.operations.placement.allocators import Allocators
    from ganeti_core.operations.placement.instance_documents import InstanceDocuments
    from ganeti_core.operations.placement.node_documents import NodeDocuments
    from ganeti_core.operations.saga import Entry, Saga
    from ganeti_core.operations.subscribers import Subscribers
    from ganeti_core.paths import Paths
    from ganeti_core.plugin_api.kinds import Kind
    from ganeti_core.plugins import PluginHost
    from ganeti_core.query.engine import QueryEngine
    from ganeti_core.query.live import LiveSource
    from ganeti_core.rpc.calls import Call
    from ganeti_core.rpc.client import NodeClients
    from ganeti_core.spans import Export

log = logging.getLogger(__name__)


class Spread(Protocol):
    """Bring every node the newest ssconf files and list of members."""

    def __call__(
        self, asked: Collection[str] = (), *, awake: Collection[str] = ()
    ) -> Mapping[str, str]:
        """Wait until all nodes have them; return why not, by names of nodes.

        A node that was silent before is not waited for, but for these:

        :param asked: uuids of nodes that get everything again
        :param awake: uuids of nodes that answer again
        """
        ...


@dataclass(frozen=True)
class Services:
    """What all operations share; built once by the daemon."""

    store: Store
    nodes: NodeClients
    host: PluginHost
    events: Subscribers
    reservations: Reservations
    submit_jobs: Callable[[
        Sequence[Sequence[OpCode]], Sequence[Reservation | None],
        Callable[[list[int]], Sequence[Write]]], list[int]]
    all_debts: Callable[[], list[Entry]]
    pay_debts: Callable[[str, frozenset[str]], list[Entry]]
    """Try to pay what stands before work on some objects of a node (uuid); returns what still does.
    """
    copies: Callable[[float], Mapping[str, bool]]
    """Every master candidate (uuid), and whether its copy is current within so many seconds."""
    remember_debts: Callable[[Sequence[Entry]], None]
    touched: Callable[[str], None]
    live: LiveSource
    drivers: NodeDrivers
    instance_documents: InstanceDocuments
    node_documents: NodeDocuments
    allocators: Allocators
    on_master: MasterHooks
    paths: Paths
    locks: Callable[[], list[LockInfo]]
    settings: Callable[[Snapshot], dict[str, Any]]
    queries: QueryEngine
    spread: Spread
    marks: CopyMarks
    spans: Export | None = None
    """Takes what is done for tracing systems; None: nobody wants to know."""


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
    take_locks: Callable[[Sequence[Want]], Callable[[], None]]
    cancelled: Callable[[], bool] = lambda: False
    reason: tuple[Any, ...] = ()
    chosen: frozenset[str] | None = None
    """The nodes that an opportunistic request got; None when there was none."""
    caller: str = ""
    """As whom nodes are called, if not as `owner`: the undo of a killed job is somebody else."""
    waiting: Waiting = field(default_factory=Waiting)
    expected: Expected | None = None
    """The version of its object that the opcode is for: its first change is made to no other."""
    debug_level: int = 0
    """How much scripts of OS definitions should say, as the opcode has it."""

    @property
    def owner(self) -> str:
        return str(self.job_id)

    @property
    def host(self) -> PluginHost:
        return self.services.host

    @property
    def on_master(self) -> MasterHooks:
        return self.services.on_master

    @property
    def current(self) -> Snapshot:
        return self.services.store.snapshot

    @property
    def settings(self) -> dict[str, Any]:
        """Cluster settings that node hooks may need."""
        return self.services.settings(self.current)

    def feedback(self, message: str) -> None:
        """Return the job's owner what is being done: ``* creating disks``.

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

    def lock_more(self, *wants: Want) -> Callable[[], None]:
        """Wait for further locks, of levels above those that the job has; they end with the opcode.

        Return a function that gives them back before. `snapshot` is older than they are: look at
        `current`.

        :raises JobCanceled: the job's owner asked it to stop
        """
        self.check_cancelled()
        if self.chosen is not None:
            wants = tuple(want for want in wants if want.name not in self.chosen)
        return self.take_locks(wants)

    # Calls to nodes

    def call(self, node: Node, call: Call) -> Any:
        """Make one call; a changing one first pays the node's debts.

        :raises GanetiError: as the node says, or the errors of `NodeClients.call`
        """
        with (self._acting_on(node, lambda: objects_of_call(call), changes=call.changes),
              self.waiting.on(f"{call.title} on node {node.name}")):
            return self.services.nodes.call(
                Peer.of(node), call, owner=self.caller or self.owner, cancelled=self.cancelled,
                feedback=self._hook_tells)

    def hook(
        self, node: Node, kind: Kind[Any], driver: str, hook: str, /, *, subject: str = "",
        **arguments: Any,
    ) -> Any:
        """Call a plugin's hook on a node and decode its typed answer."""
        with (self._acting_on(node, lambda: objects_of(subject, arguments),
                              changes=kind.hook_where(hook).changes),
              self.waiting.on(f"{kind.name} {driver}: {hook} on node {node.name}")):
            try:
                return self.services.nodes.hook(
                    Peer.of(node), kind, driver, hook, subject=subject, settings=self.settings,
                    owner=self.caller or self.owner, cancelled=self.cancelled,
                    feedback=self._hook_tells, **arguments)
            except OpPrereqError as exc:
                if problem := self.services.drivers.absent(node, kind, driver):
                    raise OpPrereqError(problem, ECODE_ENVIRON) from exc
                raise

    def _hook_tells(self, line: str) -> None:
        """Put what a hook tells the job's owner into the job's log."""
        self.log_entry("message", line)

    @contextmanager
    def _acting_on(
        self, node: Node, objects: Callable[[], frozenset[str]], *, changes: bool
    ) -> Iterator[None]:
        """Around a call: pay the node's debts first; what is known of it is old afterwards."""
        if not changes:
            yield
            return
        self.check_cancelled()
        self.settle_debts(node, objects())
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
        calls = {n.uuid: (Peer.of(n), make(n)) for n in nodes}
        titles = ", ".join(sorted({call.title for _, call in calls.values()}))
        with self.waiting.on(f"{titles} on {len(calls)} nodes"):
            answers = self.services.nodes.fan_out(
                calls, owner=self.caller or self.owner, cancelled=self.cancelled)
        self.check_cancelled()
        return answers

    def settle_debts(
        self, node: Node, objects: frozenset[str] = frozenset(), *, despite_refusals: bool = False
    ) -> None:
        """Pay what is owed to a silent node, and what it refused to do to these objects.

        :param despite_refusals: what it refuses once more is not in the way
        :raises OpPrereqError: the node is owed something that still cannot be done
        """
        left = self.services.pay_debts(node.uuid, objects)
        if despite_refusals:
            left = [one for one in left if one.debt is None or one.debt.kind != "refused"]
        if not left:
            return
        first = left[0]
        if first.debt is not None and first.debt.kind == "refused":
            hint = ("repair what is named there, then run gnt-node retry-debts, or give it up with "
                    f"gnt-node forget-debts {first.id}")
        else:
            hint = "see gnt-node list-debts"
        raise OpPrereqError(
            f"Node '{node.name}' must first finish what an earlier job left there "
            f"({first.note}: {first.why}); {hint}", ECODE_ENVIRON)

    # Acting

    def submit_jobs(
        self, op: OpCode, jobs: Sequence[Sequence[OpCode]],
        reservations: Sequence[Reservation | None] = (),
        result: Callable[[list[int]], Any] | None = None,
    ) -> list[int]:
        """Submit the jobs that `op` expands into; return their ids.

        They inherit its reason trail behind their own, its priority and debug level, and a
        comment that tells where they come from.

        :param reservations: what is set aside for each job before anybody else can take it
        :param result: that of the opcode, made of the ids, where this is its pivot: whatever
            becomes of it then, it has done what it was to do
        :raises JobCanceled: the job was killed, or its owner asked it to stop
        """
        self.check_cancelled()
        with self.saga.alive():
            ids = self.services.submit_jobs(
                [[_inheriting(op, child) for child in job] for job in jobs], reservations,
                lambda ids: () if result is None else self._rows_of_pivot(result(ids)))
            if result is not None:
                self.saga.adopt(())
                self.journaling.committed(result(ids))
            return ids

    def _rows_of_pivot(self, result: Any) -> list[Write]:
        return [*self.saga.pivot(())[0], *self.journaling.rows_of_result(result)]

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
        # A second commit finds the version that the first one has made.
        first = changes and not self.saga.changed_config
        with self.saga.alive():
            rows, entries = self.saga.pivot(owed)
            rows.extend(self.journaling.rows_of_result(result))
            with self.services.marks.committing(changes) as made:
                self.services.store.commit(made, rows, self.expected if first else None)
            self.saga.adopt(entries)
            self.saga.changed_config |= bool(changes)
            self.journaling.committed(result)
        for debt in self.settle():
            self.warn(f"{debt.note}: {debt.why}; it is remembered and done as soon as possible")
        return result

    def settle(
        self, perform: Callable[[Entry], Debt | None] | None = None
    ) -> list[Entry]:
        """Make all calls that the saga owes; return those that became debts."""
        debts = self.saga.settle(perform or self.perform)
        self.services.remember_debts(debts)
        return debts

    def perform(self, entry: Entry) -> Debt | None:
        """Make the call of a saga entry; returns why it could not be made, or None."""
        node = self.current.nodes.get(entry.node)
        if node is None:
            return None  # the node left the cluster, and took what it was owed along
        if node.offline:
            return Debt("silent", f"node {node.name} is offline")
        try:
            self.services.nodes.call(Peer.of(node), entry.call)
        except GanetiError as exc:
            debt = Debt.of(exc)
            if debt.kind == "refused" and gives_back(entry):
                self.warn(f"Could not {entry.note}: {exc}; put that right, then run gnt-instance "
                          "startup or reboot")
                return None
            if debt.kind == "refused":
                log.warning("job %d: %s on %s failed: %s", self.job_id, entry.note, node.name, exc)
            return debt
        finally:
            self.services.touched(node.uuid)
        return None


def _inheriting(op: OpCode, child: OpCode) -> OpCode:
    return replace(
        child, reason=[*child.reason, *op.reason], debug_level=op.debug_level,
        priority=child.priority or op.priority,
        comment=child.comment or f"Submitted by {op.op_id}")
