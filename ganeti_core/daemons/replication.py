"""How copies of the database and notes about them reach other nodes: over RPC."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any

from ganeti_core.config.replica import Group, Position
from ganeti_core.errors import NodeUnreachable, StaleEpoch
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.node.services.replica import MarkArgs, note
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ganeti_core.config.marks import Mark
    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Store
    from ganeti_core.paths import Paths

log = logging.getLogger(__name__)

APPEND_SECONDS = 5.0
"""A candidate that takes longer is stale: nobody waits for it a second time."""
_THREADS = 128


@dataclass
class RpcLink:
    """See `config.replicate.Link`. Works on the newest published configuration."""

    store: Store
    nodes: NodeClients
    paths: Paths
    _members: _Members | None = None
    _spare: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="replicate"))

    def close(self) -> None:
        self._spare.shutdown(wait=False, cancel_futures=True)

    def _known(self) -> _Members:
        """Asked several times a commit, so it is kept as long as no node changes."""
        snapshot = self.store.snapshot
        members = self._members
        if members is None or not members.fits(snapshot):
            self._members = members = _Members.of(snapshot)
        return members

    def candidates(self) -> list[str]:
        return self._known().candidates

    def voters(self) -> list[str]:
        return self._known().voters

    def others(self) -> list[str]:
        return self._known().others

    def position(self, node: str) -> Position:
        answer = self._call(node, "replica.position", {})
        if answer["epoch"] > self.store.snapshot.epoch:
            raise StaleEpoch(f"the node {node} follows a newer master (epoch {answer['epoch']})")
        epoch, serial = answer["position"]
        return Position(int(epoch), int(serial))

    def append(self, node: str, group: Group) -> bool:
        return bool(self._call(node, "replica.append", group.to_dict(), APPEND_SECONDS))

    def append_all(
        self, nodes: Iterable[str], group: Group
    ) -> dict[str, Callable[[float], bool]]:
        known = self.store.snapshot.nodes
        call = service_call("replica.append", group.to_dict(), timeout=APPEND_SECONDS)
        return self.nodes.begin([Peer.of(known[node]) for node in nodes], call, self._spare)

    def send_copy(self, node: str, cut: Sequence[tuple[int, str]]) -> None:
        key = self.paths.ca_key.read_text(encoding="ascii")
        for number, (offset, chunk) in enumerate(cut):
            last = number == len(cut) - 1
            self._call(node, "replica.copy", {
                "offset": offset, "chunk": chunk, "last": last,
                "epoch": self.store.snapshot.epoch, "ca_key": key if last else ""})

    def mark(self, node: str, mark: Mark) -> bool:
        return bool(self._call(node, "replica.mark", asdict(self._mark(mark))))

    def mark_here(self, mark: Mark) -> bool:
        try:
            note(self.paths, self._mark(mark))
        except OSError as exc:
            log.warning("this node cannot note which candidates are stale: %s", exc)
            return False
        return True

    def _mark(self, mark: Mark) -> MarkArgs:
        return MarkArgs(self.store.snapshot.epoch, mark.number, sorted(mark.stale))

    def _call(
        self, node: str, service: str, args: dict[str, Any], timeout: float | None = None
    ) -> Any:
        found = self.store.snapshot.nodes.get(node)
        if found is None:
            raise NodeUnreachable(f"the node {node} left the cluster")
        return self.nodes.call(Peer.of(found), service_call(service, args, timeout=timeout))


@dataclass(frozen=True)
class _Members:
    """Who is what, besides the master itself, as long as neither nodes nor cluster change."""

    nodes: object
    cluster: object
    candidates: list[str]
    voters: list[str]
    others: list[str]

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Members:
        others = [node for node in snapshot.nodes.values()
                  if node.uuid != snapshot.cluster.master_node]
        voters = [node for node in others if not node.offline]
        return cls(snapshot.nodes, snapshot.of_kind("cluster"),
                   [node.uuid for node in voters if node.master_candidate],
                   [node.uuid for node in voters], [node.uuid for node in others])

    def fits(self, snapshot: Snapshot) -> bool:
        return self.nodes is snapshot.nodes and self.cluster is snapshot.of_kind("cluster")
