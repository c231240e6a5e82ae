"""The best place for one of very many new instances, by classes of equal nodes."""

from __future__ import annotations

import numpy as np

from ..model.arrays import Floats, Ints
from ..model.cluster import Cluster, all_nodes
from ..model.score import Scorer
from .placement import score_pairs, score_singles
from .rooms import Rooms, Want

_PLAIN_TIES = 250
"""Clusters above this many nodes take the last of equal nodes without looking at rounding."""
_NEAR = 1e-9


def best_place(
    cluster: Cluster, rooms: Rooms, want: Want, position: int
) -> tuple[int, int] | None:
    """The place with the lowest score, the last of equals."""
    if want.instance.kind == "drbd":
        places = rooms.pair_places(want)
    else:
        places = [(node, -1) for node in rooms.single_places(want)]
    if not places:
        return None
    places.sort()
    table = np.array(places, dtype=np.int64)
    scorer = Scorer(cluster, all_nodes(cluster))
    if want.instance.kind == "drbd":
        scores = score_pairs(cluster, scorer, position, table[:, 0], table[:, 1])
    else:
        scores = score_singles(cluster, scorer, position, table[:, 0])
    best = len(scores) - 1 - int(scores[::-1].argmin())
    if want.instance.kind == "drbd" or cluster.node_count > _PLAIN_TIES:
        return places[best]
    return _last_of_equals(cluster, rooms, scorer, (position, scores, table[:, 0]))


def _last_of_equals(
    cluster: Cluster, rooms: Rooms, scorer: Scorer, found: tuple[int, Floats, Ints]
) -> tuple[int, int]:
    """Of nodes equal to the best ones, the one whose score rounds lowest.

    Scores of single places are sums over all nodes, which round differently by position.
    """
    position, scores, nodes = found
    near = nodes[scores <= scores.min() + _NEAR]
    members = [node for best in near.tolist() for node in rooms.members[rooms.class_of[best]]]
    every = np.array(sorted(members), dtype=np.int64)
    exact = score_singles(cluster, scorer, position, every)
    return int(every[len(exact) - 1 - int(exact[::-1].argmin())]), -1
