"""What the data collectors of nodes report as bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.query.live import NODE_FACTS, NodeLive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Node
    from ganeti_core.query.live import LiveSource

Alarms = dict[str, str]
"""A message by the name of the collector."""


def alarms_of(live: LiveSource, nodes: Sequence[Node]) -> dict[str, Alarms | None]:
    """Ask nodes; return by name what is bad there, None where a node is offline or silent."""
    answers = live.gather([node for node in nodes if not node.offline], frozenset({NODE_FACTS}))
    return {node.name: answer.node_facts.get("alarms")
            if isinstance(answer := answers.get(node.uuid), NodeLive) else None for node in nodes}
