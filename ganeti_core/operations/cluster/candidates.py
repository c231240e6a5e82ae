"""Keep the pool of master candidates full."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ganeti_core.operations.ssconf import candidates_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ganeti_core.config.snapshot import Snapshot
    from ganeti_core.model import Node


def promoted(
    snapshot: Snapshot, pool_size: int, changed: Iterable[Node] = ()
) -> list[Node]:
    """The nodes that must become candidates, as they will be, so that the pool is full.

    :param changed: nodes as they will be after the change that is being planned
    """
    nodes: Mapping[str, Node] = {**snapshot.nodes, **{node.uuid: node for node in changed}}
    master = snapshot.cluster.master_node
    count = sum(node.master_candidate or node.uuid == master for node in nodes.values())
    able = sorted((node for node in nodes.values()
                   if node.master_capable and not node.master_candidate and not node.offline
                   and not node.drained and node.uuid != master), key=lambda node: node.name)
    explicitly = {node.uuid for node in changed}
    able = [node for node in able if node.uuid not in explicitly]
    return [replace(node, master_candidate=True) for node in able[:max(0, pool_size - count)]]


def demoted(snapshot: Snapshot, pool_size: int) -> list[Node]:
    """The candidates that are too many, as they will be; the master is never one of them."""
    master = snapshot.cluster.master_node
    others = sorted((node for node in candidates_of(snapshot) if node.uuid != master),
                    key=lambda node: node.name)
    return [replace(node, master_candidate=False) for node in others[max(0, pool_size - 1):]]
