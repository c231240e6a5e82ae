"""Which moves can run at the same time: sets of moves that share no node."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.cluster import Cluster
from .balance import Move
from .moves import Kind


def job_sets(cluster: Cluster, moves: Sequence[Move]) -> list[list[Move]]:
    """Sort moves into sets, to be run one set after the other.

    Formed from the end: each move joins the set that comes first so far, if it can.
    """
    sets: list[list[Move]] = []
    busy: set[int] = set()
    for move in reversed(moves):
        nodes = _involved(cluster, move)
        if sets and not nodes & busy:
            sets[0].insert(0, move)
            busy |= nodes
        else:
            sets.insert(0, [move])
            busy = nodes
    return sets


def _involved(cluster: Cluster, move: Move) -> set[int]:
    nodes = {*move.result, move.source[0]}
    if cluster.instances[move.instance].kind == "drbd":
        nodes.add(move.source[1])
    return nodes - {-1}


def steps(move: Move) -> list[tuple[Kind, int]]:
    """A move as a sequence of simple ones: failovers and replacements of the secondary."""
    replace = (Kind.REPLACE_SECONDARY, move.target)
    over = (Kind.FAILOVER, -1)
    return {
        Kind.FAILOVER: [over],
        Kind.FAILOVER_TO: [(Kind.FAILOVER_TO, move.target)],
        Kind.REPLACE_SECONDARY: [replace],
        Kind.REPLACE_FAILOVER: [replace, over],
        Kind.REPLACE_PRIMARY: [over, replace, over],
        Kind.FAILOVER_REPLACE: [over, replace],
    }[move.kind]
