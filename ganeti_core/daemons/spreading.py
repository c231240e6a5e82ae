"""Bring what all nodes have alike to every node: the small files of the configuration (``ssconf``),
the list of members, and key files such as that of confd.

Every commit that changes them is followed at once, in threads of their own: neither the commit nor
one node waits for another node that hangs. A node gets what differs from what it got last. One that
was silent is asked again every few seconds, and gets what it has missed when it answers.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.bootstrap.renew import file_call, shared_files
from ganeti_core.errors import GanetiError, StaleEpoch
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.operations.ssconf import ssconf_values
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Store
    from ganeti_core.model import Node
    from ganeti_core.operations.members import Roster
    from ganeti_core.paths import Paths
    from ganeti_core.plugins import PluginHost
    from ganeti_core.rpc.client import NodeClients

log = logging.getLogger(__name__)

PAUSE = 0.8
"""Seconds between two rounds: many commits in a row are told in few, and each within a second."""
RETRY_SECONDS = 2.0
CALL_SECONDS = 10.0
PATIENCE = 5.0
"""Seconds for which a job waits for a node that does not answer; at most once."""
SILENT = "it does not answer"
_THREADS = 32
_OWNER = "spreading"


@dataclass(frozen=True)
class _Content:
    values: dict[str, str] = field(default_factory=dict)
    members: str = ""
    keys: dict[str, bytes] = field(default_factory=dict)


@dataclass
class _Node:
    """What a node got last from this master, and why it did not get the rest."""

    sent: _Content = _Content()
    busy: bool = False
    tries: int = 0
    error: str = ""
    again: float = 0.0
    forgotten: bool = False

    def forget(self) -> None:
        """Send everything again; what is under way just now may not be all."""
        self.again, self.sent, self.forgotten = 0.0, _Content(), self.busy

    def done(self, content: _Content, error: str) -> None:
        """Note how an attempt to send what differs has ended."""
        self.sent = _Content() if error or self.forgotten else content
        self.again = time.monotonic() + RETRY_SECONDS if error and not self.forgotten else 0.0
        self.busy = self.forgotten = False
        self.error = error
        self.tries += 1


class Spreader:
    """Remembers what each node got; all methods may be used from any thread.

    :param fenced: told why, when a node has seen a newer master
    """

    def __init__(
        self, store: Store, nodes: NodeClients, host: PluginHost, roster: Roster,
        fenced: Callable[[str], None], paths: Paths,
    ) -> None:
        self._store = store
        self._clients = nodes
        self._host = host
        self._roster = roster
        self._fenced = fenced
        self._paths = paths
        self._nodes: dict[str, _Node] = {}
        self._content = _Content()
        self._serial = -1
        self._changed = threading.Condition()
        self._due = True
        self._urgent = False
        self._trouble = ""
        """Why the last round failed on this node, before any other was asked."""
        self._stopping = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="spread")
        self._thread = threading.Thread(target=self._run, name="spread", daemon=True)

    def start(self) -> None:
        """Follow the store's commits from now on."""
        self._store.watch(lambda _snapshot, _changes: self._wake(urgent=False))
        self._thread.start()

    def stop(self) -> None:
        """End; calls under way are given up."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._clients.abandon(_OWNER)
        if self._thread.is_alive():
            self._thread.join()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def spread(
        self, asked: Collection[str] = (), *, awake: Collection[str] = (),
        only: Sequence[str] = (),
    ) -> dict[str, str]:
        """Wait until the nodes have what the newest configuration says; why not, by their names.

        A node that was silent before is not waited for.

        :param asked: uuids of nodes that get everything again, and are waited for in any case
        :param awake: uuids of nodes that answer again: they are tried at once, and waited for
        :param only: uuids; empty for all nodes that are not offline
        """
        wanted = self._store.snapshot
        with self._changed:
            before = {uuid: node.tries for uuid, node in self._nodes.items()
                      if not node.error or uuid in asked or uuid in awake}
            for uuid in self._nodes.keys() & set(asked):
                self._nodes[uuid].forget()
            for uuid in self._nodes.keys() & set(awake):
                self._nodes[uuid].again = 0.0
        self._wake(urgent=True)
        nodes = [node for node in wanted.nodes.values() if not node.offline
                 and (not only or node.uuid in only)]
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping or (self._serial >= wanted.serial and all(
                    self._is_settled(node.uuid, before) for node in nodes)),
                CALL_SECONDS if asked or awake else PATIENCE)
            for node in nodes:
                if not self._is_settled(node.uuid, before):
                    # Nobody waits for it a second time, until it has answered.
                    self._nodes[node.uuid].error = SILENT
            own = self._trouble if self._serial < wanted.serial else ""
            return {node.name: problem for node in nodes
                    if (problem := own or self._problem(node.uuid))}

    def _is_settled(self, uuid: str, before: dict[str, int]) -> bool:
        """Whether there is nothing to wait for: it has all, or has failed."""
        node = self._nodes.get(uuid)
        if node is None or node.sent == self._content:
            return True
        if node.error and uuid not in before:
            return True
        return bool(node.error) and not node.busy and node.tries > before.get(uuid, 0)

    def _problem(self, uuid: str) -> str:
        node = self._nodes.get(uuid)
        if node is None or (node.sent == self._content and not self._stopping):
            return ""
        return node.error or SILENT

    def _wake(self, *, urgent: bool) -> None:
        with self._changed:
            self._due = True
            self._urgent = self._urgent or urgent
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._due, self._rest())
                if self._stopping:
                    return
                self._due = self._urgent = False
            trouble = ""
            try:
                self._round(self._store.snapshot)
            except Exception as exc:  # wall: the loop outlives whatever one round met
                trouble = f"the master cannot make it: {type(exc).__name__}: {exc}"
                if trouble != self._trouble:
                    log.exception("spreading the configuration's files")
            with self._changed:
                self._trouble = trouble
                # Nobody else might ask for another round: the next commit may be days away.
                self._due = self._due or bool(trouble)
                self._changed.wait_for(lambda: self._stopping or self._urgent,
                                       RETRY_SECONDS if trouble else PAUSE)

    def _rest(self) -> float | None:
        """Seconds until a node is to be asked again; None when none is."""
        waiting = [node.again for node in self._nodes.values() if node.error and not node.busy]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _round(self, snapshot: Snapshot) -> None:
        content = _Content(ssconf_values(snapshot, self._host), self._roster.signed(snapshot),
                           shared_files(self._paths))
        online = {node.uuid: node for node in snapshot.nodes.values() if not node.offline}
        now = time.monotonic()
        with self._changed:
            if content == self._content:
                content = self._content  # found equal at a glance from here on
            self._content, self._serial = content, snapshot.serial
            # Whoever comes back may be another host: it gets everything.
            self._nodes = {uuid: self._nodes.get(uuid) or _Node() for uuid in online}
            due = [(online[uuid], node) for uuid, node in self._nodes.items()
                   if node.sent != content and not node.busy and node.again <= now]
            for _, state in due:
                state.busy = True
            self._changed.notify_all()
        for node, state in due:
            self._threads.submit(self._send, node, state, content, snapshot)

    def _send(self, node: Node, state: _Node, content: _Content, snapshot: Snapshot) -> None:
        error = ""
        try:
            self._make_calls(node, state.sent, content, snapshot)
        except StaleEpoch as exc:
            error = str(exc)
            self._fenced(error)
        except GanetiError as exc:
            error = exc.message
            log.info("%s has not got the newest files yet: %s", node.name, error)
        except Exception as exc:  # wall: one node's trouble is not that of the others
            error = f"{type(exc).__name__}: {exc}"
            log.exception("spreading the configuration's files to %s", node.name)
        with self._changed:
            state.done(content, error)
            self._due = self._due or (not error and state.sent != self._content)
            self._changed.notify_all()

    def _make_calls(
        self, node: Node, had: _Content, content: _Content, snapshot: Snapshot
    ) -> None:
        peer = Peer.of(node)
        members = content.members if content.members != had.members else ""
        if members and not had.members:
            # First, and by itself: the node may know this one as no candidate yet.
            members = ""
            self._clients.call(peer, service_call(
                "node.members", {"signed": content.members}, timeout=CALL_SECONDS), owner=_OWNER)
        for name, key in content.keys.items():
            if had.keys.get(name) != key:
                self._clients.call(peer, file_call(name, key), owner=_OWNER)
        changed = {name: text for name, text in content.values.items()
                   if had.values.get(name) != text}
        self._clients.call(peer, service_call("node.ssconf", {
            "values": changed, "members": members,
            "epoch": snapshot.epoch, "serial": snapshot.serial},
            timeout=CALL_SECONDS), owner=_OWNER)
