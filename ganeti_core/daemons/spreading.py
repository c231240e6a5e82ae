"""Bring the configuration's small files (``ssconf``) to every node, however long it was away.

Operations send them at once when nodes or roles change. What a node missed, or what changes more
often (the list of instances), comes from here: each node gets the files that differ from what it
got last.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ganeti_core.errors import GanetiError, StaleEpoch
from ganeti_core.operations.ssconf import candidate_certificates, ssconf_values
from ganeti_core.rpc.calls import service_call
from ganeti_core.rpc.client import Peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.config.store import Store
    from ganeti_core.model import Node
    from ganeti_core.plugins import PluginHost
    from ganeti_core.rpc.calls import Call
    from ganeti_core.rpc.client import NodeClients

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Content:
    values: dict[str, str]
    candidates: list[str]


@dataclass
class SsconfKeeper:
    """Remembers what each node got from this master; used by one thread.

    :param fenced: told why, when a node has seen a newer master
    """

    store: Store
    nodes: NodeClients
    host: PluginHost
    fenced: Callable[[str], None]
    _sent: dict[str, _Content] = field(default_factory=dict)
    _content: tuple[int, _Content] = (-1, _Content({}, []))

    def spread(self, only: str = "") -> None:
        """Send what is missing, to all nodes at once, or to the one with the uuid `only`."""
        snapshot = self.store.snapshot
        if self._content[0] != snapshot.serial:
            self._content = (snapshot.serial, _Content(
                ssconf_values(snapshot, self.host), candidate_certificates(snapshot)))
        content = self._content[1]
        behind = {node.uuid: node for node in snapshot.nodes.values()
                  if not node.offline and only in ("", node.uuid)
                  and self._sent.get(node.uuid) != content}
        if not behind:
            return
        calls = {uuid: (Peer.of(node), self._call(node, content, snapshot))
                 for uuid, node in behind.items()}
        for uuid, answer in self.nodes.fan_out(calls).items():
            if isinstance(answer, StaleEpoch):
                self.fenced(str(answer))
            elif isinstance(answer, GanetiError):
                self._sent.pop(uuid, None)
                log.info("%s has not got the newest files yet: %s", behind[uuid].name, answer)
            else:
                self._sent[uuid] = content

    def _call(self, node: Node, content: _Content, snapshot: Snapshot) -> Call:
        had = self._sent.get(node.uuid, _Content({}, []))
        changed = {name: text for name, text in content.values.items()
                   if had.values.get(name) != text}
        return service_call("node.ssconf", {
            "values": changed, "epoch": snapshot.epoch, "serial": snapshot.serial,
            "candidates": content.candidates})
