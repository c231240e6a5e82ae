"""Debts: calls owed to nodes that were silent, or refused, when a job undid or finished its work.

They are saga rows whose job has ended. They are shown by verify and ``gnt-node list-debts``, and
paid when the node answers again: before it takes new work, and by a look every few seconds. Calls
for one object of one node are a *chain*, made in order; the first that fails holds up its chain
only. What a chain says of its state is what its first entry says.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.database import Write
from ganeti_core.errors import ECODE_NOENT, ECODE_STATE, GanetiError, OpPrereqError
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.debt import Debt, name_of_call
from ganeti_core.operations.saga import gives_back, is_void

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Store
    from ganeti_core.model import Node
    from ganeti_core.operations.saga import Entry
    from ganeti_core.rpc.calls import Call

    Caller = Callable[[Node, Call], Any]

log = logging.getLogger(__name__)

FORGET_SECONDS = 30.0
"""How long forgetting waits for a call that is just being made."""


@dataclass
class _Alone:
    """Held by who works on one chain; kept while somebody does, or waits to."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class Debts:
    """All debts of the cluster. Every method may be called from any thread.

    :param call: makes a call at a node
    """

    def __init__(self, store: Store, call: Caller) -> None:
        self._store = store
        self._call = call
        self._mutex = threading.Lock()
        self._paying: dict[tuple[str, str], _Alone] = {}
        self._entries: dict[tuple[int, int, int], Entry] = {}

    def remember(self, entries: Sequence[Entry]) -> None:
        """Take over entries that their job leaves behind."""
        with self._mutex:
            for entry in entries:
                self._entries[entry.key] = entry

    def all(self) -> list[Entry]:
        with self._mutex:
            return [entry for _, entry in sorted(self._entries.items())]

    def chains(self, node: str) -> dict[tuple[str, str], list[Entry]]:
        """What is owed to the node with this uuid, each chain in the order in which it is paid."""
        with self._mutex:
            owed = [entry for entry in self._entries.values() if entry.node == node]
        # Older opcodes first; what one has to undo, backwards.
        owed.sort(key=lambda entry: (
            entry.job, entry.op, entry.direction == "forward",
            entry.seq if entry.direction == "forward" else -entry.seq))
        found: dict[tuple[str, str], list[Entry]] = {}
        for entry in owed:
            found.setdefault(entry.chain, []).append(entry)
        return found

    def blocking(self, node: str, objects: frozenset[str]) -> list[Entry]:
        """First entries of the chains that stand before work on these objects of the node."""
        return [chain[0] for chain in self.chains(node).values()
                if not _is_refused(chain[0]) or any(entry.objects & objects for entry in chain)]

    def clear(self, node: str, objects: frozenset[str]) -> list[Entry]:
        """Try to pay what stands before work on these objects; returns what still does."""
        before = self.blocking(node, objects)
        if not before:
            return []
        self._pay(node, [entry.chain for entry in before])
        return self.blocking(node, objects)

    def pay_due(self) -> None:
        """Try what is owed to silent nodes, and what was refused long enough ago."""
        for node in {entry.node for entry in self.all()}:
            due = [chain for chain, entries in self.chains(node).items()
                   if entries[0].debt is None or entries[0].debt.is_due]
            self._pay(node, due)

    def retry(self, ids: Collection[str]) -> list[Entry]:
        """Try these at once, after what comes before them in their chains; returns what is left.

        :raises OpPrereqError: there is no such debt
        """
        wanted = {entry.id: entry for entry in self._named(ids)}
        for node in {entry.node for entry in wanted.values()}:
            self._pay(node, [entry.chain for entry in wanted.values() if entry.node == node])
        return [entry for entry in self.all() if entry.id in wanted]

    def forget(self, ids: Collection[str]) -> list[Entry]:
        """Give debts up for good; returns them.

        :raises OpPrereqError: there is no such debt, or it is just being paid
        """
        gone: list[Entry] = []
        for entry in self._named(ids):
            with self._alone(entry.chain, FORGET_SECONDS) as mine:
                if not mine:
                    raise OpPrereqError(
                        f"Debt {entry.id} ({entry.note}) is being paid right now: try again later",
                        ECODE_STATE)
                if self._remove(entry):
                    log.warning("debt %s of job %d to %s is given up by request: %s (%s); its call "
                                "was %s of %s", entry.id, entry.job, self._name_of(entry.node),
                                entry.note, entry.why, entry.call.title,
                                ", ".join(sorted(entry.objects)))
                    gone.append(entry)
        return gone

    def _named(self, ids: Collection[str]) -> list[Entry]:
        known = {entry.id: entry for entry in self.all()}
        if unknown := sorted(set(ids) - known.keys()):
            raise OpPrereqError(
                f"There is no debt {', '.join(unknown)}: gnt-node list-debts shows those that are",
                ECODE_NOENT)
        return [entry for id_, entry in known.items() if id_ in ids]

    def _name_of(self, node: str) -> str:
        found = self._store.snapshot.nodes.get(node)
        return found.name if found is not None else node

    # Paying

    @contextmanager
    def _alone(self, chain: tuple[str, str], seconds: float = -1) -> Iterator[bool]:
        """Around work on a chain, one thread at a time; gives whether it was to be had in time."""
        with self._mutex:
            alone = self._paying.setdefault(chain, _Alone())
            alone.users += 1
        mine = alone.lock.acquire(timeout=seconds)
        try:
            yield mine
        finally:
            if mine:
                alone.lock.release()
            with self._mutex:
                alone.users -= 1
                if not alone.users:
                    del self._paying[chain]

    def _pay(self, node: str, chains: Collection[tuple[str, str]]) -> None:
        """Try to pay chains of a node, each as far as it goes, until the node is silent."""
        for chain in chains:
            with self._alone(chain):
                for entry in self.chains(node).get(chain, ()):
                    problem = self._pay_one(entry)
                    if problem is None:
                        continue
                    if problem.kind == "silent":
                        return
                    break  # what follows may depend on it

    def _pay_one(self, entry: Entry) -> Debt | None:
        """Pay one debt; returns why it is still owed, or None."""
        snapshot = self._store.snapshot
        node = snapshot.nodes.get(entry.node)
        if node is not None and node.offline:
            return Debt("silent", f"node {node.name} is offline")
        if node is not None and not is_void(entry, snapshot):
            try:
                self._call(node, entry.call)
            except GanetiError as exc:
                if not (gives_back(entry) and Debt.of(exc).kind == "refused"):
                    return self._still_owed(entry, node.name, exc)
                log.warning("%s refuses to %s for job %d, which is given up: %s",
                            node.name, entry.note, entry.job, exc)
            else:
                log.info("paid on %s for job %d: %s", node.name, entry.job, entry.note)
        self._remove(entry)
        return None

    def _still_owed(self, entry: Entry, node: str, exc: GanetiError) -> Debt:
        debt = Debt.of(exc, entry.debt)
        if debt.kind == "silent":
            # Nothing new is known of the call: one that was refused blocks no more than before.
            return debt
        log.warning("debt %s of job %d (%s) on %s, attempt %d: %s",
                    entry.id, entry.job, entry.note, node, debt.attempts, exc)
        later = replace(entry, debt=debt)
        self.remember([later])
        # Not waited for: if it is lost, the call is merely tried again earlier.
        self._store.journal.submit([later.to_write()], lambda _error: None)
        return debt

    def _remove(self, entry: Entry) -> bool:
        """Forget an entry durably; False when it is gone already."""
        with self._mutex:
            if entry.key not in self._entries:
                return False
        self._store.journal.write([Write("saga", entry.key, None)])
        with self._mutex:
            return self._entries.pop(entry.key, None) is not None


def _is_refused(entry: Entry) -> bool:
    return entry.debt is not None and entry.debt.kind == "refused"


def debt_document(entry: Entry, snapshot: Snapshot) -> dict[str, Any]:
    """A debt as clients see it."""
    debt = entry.debt or Debt("silent", "")
    node = snapshot.nodes.get(entry.node)
    return {
        "id": entry.id, "job": entry.job, "node": entry.node,
        "node_name": node.name if node is not None else entry.node,
        "note": entry.note, "call": entry.call.title, "subject": entry.call.subject,
        "object": name_of_call(entry.call), "kind": debt.kind,
        "reason": debt.reason, "attempts": debt.attempts, "next_try": debt.next_try}
