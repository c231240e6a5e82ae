"""What is odd about a cluster's nodes, in one sentence for each thing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..records import Description, Node

_NAMED: Final = 5
"""How many nodes one sentence names."""

_LACKS: Final[tuple[tuple[str, Callable[[Node, float], bool]], ...]] = (
    ("memory", lambda node, _: node.total_memory == 0),
    ("processors", lambda node, _: node.total_cpus == 0 or node.cpu_speed == 0),
    ("spindles", lambda node, ratio: node.spindles * ratio == 0),
)


def remarks(description: Description) -> list[str]:
    """Which nodes are left out, and which ones lack something that the score divides by."""
    told = left_out(description)
    for what, lacks in _LACKS:
        names = [
            node.name
            for node in description.nodes
            if not node.offline
            and lacks(node, description.groups[node.group].policy.spindle_ratio)
        ]
        if names:
            told.append(
                f"{nodes_called(names)} no {what}: not counted where the score compares them"
            )
    return told


def left_out(description: Description) -> list[str]:
    """A sentence on the nodes that do not answer, where there are some."""
    names = [node.name for node in description.nodes if node.silent]
    if not names:
        return []
    verb = "does" if len(names) == 1 else "do"
    return [f"{listed(names)} {verb} not answer; left out"]


def nodes_called(names: list[str]) -> str:
    """The nodes as what begins a sentence on what they have."""
    return f"{listed(names)} {'has' if len(names) == 1 else 'have'}"


def listed(names: list[str]) -> str:
    """Nodes by their names, of which very many are only counted."""
    if len(names) == 1:
        return f"node {names[0]}"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"nodes {', '.join(names[:_NAMED])}{more}"
