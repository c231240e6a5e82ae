"""Debts: calls owed to nodes that were silent when a job undid or finished its work.

They are saga rows whose job has ended. They are shown by verify, and paid when the node answers
again: before it takes new work, and by a look every few seconds.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from ganeti_core.config.database import Write
from ganeti_core.errors import GanetiError, NodeUnreachable, OutcomeUnknown
from ganeti_core.operations.saga import is_void
from ganeti_core.rpc.client import Peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.store import Store
    from ganeti_core.operations.saga import Entry
    from ganeti_core.rpc.client import NodeClients

log = logging.getLogger(__name__)


class Debts:
    """All debts of the cluster. Every method may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._paying: dict[str, threading.Lock] = {}
        self._entries: dict[tuple[int, int, int], Entry] = {}

    def remember(self, entries: Sequence[Entry]) -> None:
        """Take over entries that their job leaves behind."""
        with self._mutex:
            for entry in entries:
                self._entries[entry.key] = entry

    def all(self) -> list[Entry]:
        with self._mutex:
            return [entry for _, entry in sorted(self._entries.items())]

    def of(self, node: str) -> list[Entry]:
        """What is owed to the node with this uuid, in the order in which it must be paid."""
        with self._mutex:
            owed = [entry for entry in self._entries.values() if entry.node == node]
        # Older opcodes first; what one has to undo, backwards.
        return sorted(owed, key=lambda entry: (
            entry.job, entry.op, entry.direction == "forward",
            entry.seq if entry.direction == "forward" else -entry.seq))

    def pay(self, node: str, nodes: NodeClients) -> list[Entry]:
        """Try to pay what is owed to a node; answers what is left."""
        with self._mutex:
            lock = self._paying.setdefault(node, threading.Lock())
        with lock:
            for entry in self.of(node):
                if not self._pay_one(entry, nodes):
                    break
            return self.of(node)

    def _pay_one(self, entry: Entry, nodes: NodeClients) -> bool:
        """Answers whether it was paid: the next one may depend on it."""
        snapshot = self._store.snapshot
        peer = snapshot.nodes.get(entry.node)
        if peer is not None and peer.offline:
            return False
        if peer is not None and not is_void(entry, snapshot):
            try:
                nodes.call(Peer.of(peer), entry.call)
            except (NodeUnreachable, OutcomeUnknown):
                return False
            except GanetiError as exc:
                log.warning("debt of job %d (%s) on %s: %s", entry.job, entry.note, peer.name, exc)
                return False
            log.info("paid on %s for job %d: %s", peer.name, entry.job, entry.note)
        self._store.journal.write([Write("saga", entry.key, None)])
        with self._mutex:
            self._entries.pop(entry.key, None)
        return True

    def pay_all(self, nodes: NodeClients) -> None:
        """Try every node that is owed something."""
        for node in {entry.node for entry in self.all()}:
            self.pay(node, nodes)
