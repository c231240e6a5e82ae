"""The undo log of one opcode: what to take back if it fails, what to finish after its pivot.

Each entry is data: a node and the RPC call to make there. Undo entries are durable before the step
that they undo begins. The commit of the pivot replaces them, in one transaction with the config
change, by the calls that remain to be made (*forward* entries). Both survive the master. An entry
whose node is silent, or refuses it, stays behind as a *debt* after its job has ended.

All changing calls are idempotent by contract and a node makes calls for one object one after the
other, so replaying an entry whose outcome is unknown is safe: the node first ends the call it had.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any, Literal

from ganeti_core.config.database import Write
from ganeti_core.errors import JobCanceled
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.debt import Debt, objects_of_call
from ganeti_core.operations.earlier_calls import as_of_now
from ganeti_core.plugin_api.hypervisor import HYPERVISORS
from ganeti_core.rpc.calls import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ganeti_core.config.journal import Journal
    from ganeti_core.config.snapshot import Snapshot

Direction = Literal["undo", "forward"]


@unique
class Tag(StrEnum):
    """What a call means for recovery and for debts, which know no hooks."""

    MAY_START = "may_start"
    """It lets a guest run."""
    GIVES_BACK = "gives_back"
    """It gives a guest back what was taken from it."""
    ENDS_RECEIVER = "ends_receiver"
    """It ends what waits for a migrating guest on its node."""


_GIVING_BACK = frozenset({"start", "plug_disk", "plug_nic", "modify_nic", "set_memory"})


def tags_of(call: Call) -> frozenset[Tag]:
    """Return what a call means."""
    if call.args.get("kind") != HYPERVISORS.name:
        return frozenset()
    hook, arguments = call.args.get("hook"), call.args.get("arguments") or {}
    tags = {Tag.GIVES_BACK} if hook in _GIVING_BACK else set()
    if hook == "start":
        tags.add(Tag.MAY_START)
    if hook == "migration_finish":
        # The guest runs on at the target after a success, at the source after a failure.
        if arguments.get("source") != arguments.get("success"):
            tags.add(Tag.MAY_START)
        if not arguments.get("source"):
            tags.add(Tag.ENDS_RECEIVER)
    return frozenset(tags)


@dataclass(frozen=True)
class Entry:
    """One call that is owed to a node.

    :param note: what it does, for people: ``remove disk 0 of inst1``
    :param debt: why it could not be made; None while its job runs
    :param tags: what the call means
    """

    job: int
    op: int
    seq: int
    direction: Direction
    node: str
    call: Call
    note: str
    debt: Debt | None = None
    tags: frozenset[Tag] = frozenset()

    @property
    def key(self) -> tuple[int, int, int]:
        return self.job, self.op, self.seq

    @property
    def id(self) -> str:
        """How people name it: ``JOB-OPCODE-STEP``."""
        return "-".join(str(part) for part in self.key)

    @property
    def objects(self) -> frozenset[str]:
        """The uuid and names of what it is about."""
        return objects_of_call(self.call)

    @property
    def why(self) -> str:
        return self.debt.reason if self.debt is not None else ""

    @property
    def chain(self) -> tuple[str, str]:
        """Entries with the same node and object are made in order; the others are independent."""
        return self.node, self.call.subject

    def to_write(self) -> Write:
        doc = {"direction": self.direction, "node": self.node, "call": self.call.to_dict(),
               "note": self.note, "tags": sorted(self.tags),
               "debt": self.debt.to_dict() if self.debt is not None else None}
        return Write("saga", self.key, json.dumps(doc, separators=(",", ":")))

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Entry:
        job, op, seq, text = row
        doc = json.loads(text)
        call = as_of_now(Call.from_dict(doc["call"]), doc["node"])
        # Entries of older databases have no tags.
        tags = frozenset(map(Tag, doc["tags"])) if "tags" in doc else tags_of(call)
        return cls(job, op, seq, doc["direction"], doc["node"], call, doc["note"],
                   Debt.from_doc(doc.get("debt")), tags)


def is_void(entry: Entry, snapshot: Snapshot) -> bool:
    """Whether a debt must not be paid any more: it would start a guest that is elsewhere by now.

    While its node was silent the instance may have failed over, been stopped or removed.
    """
    if Tag.MAY_START not in entry.tags:
        return False
    instance = snapshot.instances.get(entry.call.subject)
    return (instance is None or instance.primary_node != entry.node
            or instance.admin_state != "up")


def gives_back(entry: Entry) -> bool:
    """Return whether a node that refuses the call is owed nothing.

    Nothing is left behind then: the guest does not run, or lacks a device, and its next start puts
    that right, with the parameters of that day, and not those that were refused.
    """
    return Tag.GIVES_BACK in entry.tags


class Saga:
    """The entries of one opcode, in memory and in the journal.

    A killed job leaves its thread behind. `poison` takes the saga from that thread: what it wants
    to record or commit afterwards is refused, and the entries are settled by a new saga.

    :param running: the row of the journal that says that the opcode runs
    """

    def __init__(
        self, journal: Journal, job: int, op: int, entries: Sequence[Entry] = (),
        running: Write | None = None,
    ) -> None:
        self._journal = journal
        self._running = [running] if running is not None else []
        self._job = job
        self._op = op
        self._entries = list(entries)
        self._begun = bool(entries)
        self._next = max((entry.seq for entry in entries), default=-1) + 1
        self._guard = threading.RLock()
        self._settling = False
        self.poisoned = False
        self.closing = False
        """Set once the opcode only undoes or finishes: it cannot be canceled any more."""
        self.changed_config = False
        """Set by a commit that changes the configuration."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Around what must happen wholly before the saga is poisoned, or not at all.

        :raises JobCanceled: it was poisoned
        """
        with self._guard:
            if self.poisoned:
                raise JobCanceled("the job was killed")
            yield

    def poison(self) -> tuple[Entry, ...] | None:
        """Refuse everything from now on; return what is left to be settled.

        Waits for a commit under way. None, and no effect, while the saga is being settled: the job
        ends by itself then.
        """
        with self._guard:
            if self._settling:
                return None
            self.poisoned = True
            return self.entries

    def begin(self) -> None:
        """Before the first act: be sure that a restart will know that the opcode has begun.

        The row that says so was submitted before, but may have met a full disk. An undo entry
        says the same.
        """
        if not self._begun:
            self._journal.write(self._running)
            self._begun = True

    def record(self, node: str, call: Call, note: str) -> Entry:
        """Make an undo entry durable; the step that it undoes may begin when this returns."""
        with self.alive():
            entry = self._new("undo", node, call, note)
            self._journal.write([entry.to_write()])
            self._begun = True
            self._entries.append(entry)
            return entry

    def forget(self, entries: Sequence[Entry]) -> None:
        """Drop undo entries whose steps the operation has taken back itself, before it goes on.

        Needed where making such a call later would do harm.
        """
        with self.alive():
            self._journal.write([Write("saga", entry.key, None) for entry in entries])
            gone = {entry.key for entry in entries}
            self._entries = [entry for entry in self._entries if entry.key not in gone]

    def record_all(self, steps: Sequence[tuple[str, Call, str]]) -> None:
        """As `record`, for steps that run in parallel: one commit for all."""
        with self.alive():
            entries = [self._new("undo", node, call, note) for node, call, note in steps]
            self._journal.write([entry.to_write() for entry in entries])
            self._begun = True
            self._entries.extend(entries)

    def pivot(self, forward: Sequence[tuple[str, Call, str]]) -> tuple[list[Write], list[Entry]]:
        """The rows of a commit that forgets all undo and records what remains to be done.

        Call `adopt` with the entries once that commit is durable.
        """
        entries = [self._new("forward", node, call, note) for node, call, note in forward]
        writes = [Write("saga", entry.key, None) for entry in self._entries]
        return [*writes, *(entry.to_write() for entry in entries)], entries

    def adopt(self, entries: Sequence[Entry]) -> None:
        self._entries = list(entries)

    def _new(self, direction: Direction, node: str, call: Call, note: str) -> Entry:
        entry = Entry(
            self._job, self._op, self._next, direction, node, call, note, tags=tags_of(call))
        self._next += 1
        return entry

    def settle(self, perform: Callable[[Entry], Debt | None]) -> list[Entry]:
        """Make every call that is owed: undo entries backwards, forward entries in order.

        :param perform: makes one call; returns None, or why it could not be made
        :returns: the entries that became debts
        :raises JobCanceled: the saga was poisoned
        """
        with self.alive():
            self._settling = True
        try:
            return self._settle(perform)
        finally:
            self._settling = False

    def _settle(self, perform: Callable[[Entry], Debt | None]) -> list[Entry]:
        undo = [entry for entry in reversed(self._entries) if entry.direction == "undo"]
        forward = [entry for entry in self._entries if entry.direction == "forward"]
        debts: list[Entry] = []
        done: list[Write] = []
        silent: dict[str, Debt] = {}
        stuck: dict[tuple[str, str], Debt] = {}
        for entry in [*undo, *forward]:
            # Order counts for an object: no disk is removed below a guest that was not stopped.
            debt = silent.get(entry.node) or stuck.get(entry.chain) or perform(entry)
            if debt is None:
                done.append(Write("saga", entry.key, None))
                continue
            debts.append(replace(entry, debt=debt))
            if debt.kind == "silent":
                silent[entry.node] = debt
            stuck[entry.chain] = debt
        if done or debts:
            self._journal.write_patiently([*done, *(debt.to_write() for debt in debts)])
        self._entries = debts
        return debts
