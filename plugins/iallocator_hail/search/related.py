"""Pairs of nodes that memory reserved by one for the other tells apart from other pairs."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import NamedTuple

Pair = tuple[int, int]
"""A primary node, and one that keeps memory reserved for it."""


class Kind(NamedTuple):
    """What makes pairs equal: the classes of both nodes, and the memory reserved."""

    first: int
    second: int
    entry: float


class Related:
    """Such pairs by kind. Few change at a time, so they are sorted as they come."""

    def __init__(self) -> None:
        self.kinds: dict[Kind, list[Pair]] = {}
        """Pairs in ascending order."""
        self._kind_of: dict[Pair, Kind] = {}
        self._of_node: dict[int, list[Pair]] = {}

    def of_nodes(self, *nodes: int) -> Iterator[Pair]:
        """The pairs that some nodes are part of."""
        for node in nodes:
            yield from self._of_node.get(node, ())

    def put(self, pair: Pair, kind: Kind) -> None:
        """Add a pair, or tell of what kind it is now."""
        old = self._kind_of.get(pair)
        if old == kind:
            return
        if old is None:
            for node in pair:
                self._of_node.setdefault(node, []).append(pair)
        else:
            equals = self.kinds[old]
            equals.pop(bisect_left(equals, pair))
            if not equals:
                del self.kinds[old]
        self._kind_of[pair] = kind
        insort(self.kinds.setdefault(kind, []), pair)

    def copy(self) -> Related:
        """An independent copy."""
        other = Related()
        other.kinds = {kind: list(pairs) for kind, pairs in self.kinds.items()}
        other._kind_of = dict(self._kind_of)
        other._of_node = {node: list(pairs) for node, pairs in self._of_node.items()}
        return other
