"""How copies of the database and notes about them reach other nodes: over RPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.config.replica import Group, Position
from ganeti_core.errors import NodeUnreachable
from ganeti_core.operations.ssconf import candidates_of
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import NodeClients, Peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.config.store import Store
    from ganeti_core.paths import Paths

APPEND_SECONDS = 5.0
"""A candidate that takes longer is stale: nobody waits for it a second time."""


@dataclass(frozen=True)
class RpcLink:
    """See `config.replicate.Link`. Works on the newest published configuration."""

    store: Store
    nodes: NodeClients
    paths: Paths

    def candidates(self) -> list[str]:
        master = self.store.snapshot.cluster.master_node
        return [node.uuid for node in candidates_of(self.store.snapshot)
                if node.uuid != master and not node.offline]

    def voters(self) -> list[str]:
        master = self.store.snapshot.cluster.master_node
        return [node.uuid for node in self.store.snapshot.nodes.values()
                if node.uuid != master and not node.offline]

    def others(self) -> list[str]:
        master = self.store.snapshot.cluster.master_node
        return [uuid for uuid in self.store.snapshot.nodes if uuid != master]

    def position(self, node: str) -> Position:
        epoch, serial = self._call(node, "replica.position", {})["position"]
        return Position(int(epoch), int(serial))

    def append(self, node: str, group: Group) -> bool:
        return bool(self._call(node, "replica.append", group.to_dict(), APPEND_SECONDS))

    def send_copy(self, node: str, cut: Sequence[tuple[int, str]]) -> None:
        key = self.paths.ca_key.read_text(encoding="ascii")
        for number, (offset, chunk) in enumerate(cut):
            last = number == len(cut) - 1
            self._call(node, "replica.copy", {
                "offset": offset, "chunk": chunk, "last": last,
                "epoch": self.store.snapshot.epoch, "ca_key": key if last else ""})

    def mark(self, node: str, stale: frozenset[str]) -> None:
        self._call(node, "replica.mark",
                   {"epoch": self.store.snapshot.epoch, "stale": sorted(stale)})

    def _call(
        self, node: str, service: str, args: dict[str, Any], timeout: float | None = None
    ) -> Any:
        found = self.store.snapshot.nodes.get(node)
        if found is None:
            raise NodeUnreachable(f"the node {node} left the cluster")
        return self.nodes.call(Peer.of(found), service_call(service, args, timeout=timeout))
