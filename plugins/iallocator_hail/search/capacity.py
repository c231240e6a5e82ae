"""Global N+1: whether every node could be emptied onto the rest of the cluster.

To empty a node, its mirrored instances fail over, the ones on shared storage move to the best
other node of the group, and the rest would be created anew there, largest first. Only what is
physically impossible counts.

Playing that through is slow, so two shortcuts decide most cases: failovers need only a
comparison of sums, and instances surely find a place if one single node could take them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from ..model.arrays import Floats, Ints
from ..model.cluster import Cluster
from ..model.score import Scorer
from ..records import FREELY_MOVABLE
from .moves import Kind
from .placement import on_single
from .play import Play, Tables, can_play
from .policy import violation
from .single import move_checked, try_targets

_MOVED = FREELY_MOVABLE - {"blockdev"}


@dataclass(frozen=True, slots=True)
class CapacityRules:
    """Which nodes need not be emptied."""

    online_only: bool = False
    ignored_groups: frozenset[int] = frozenset()


def nodes_to_check(cluster: Cluster, nodes: Ints, rules: CapacityRules) -> Ints:
    """The nodes of which each has to be emptied in the mind."""
    checked = ~np.isin(cluster.figures.group[nodes], list(rules.ignored_groups))
    if rules.online_only:
        checked &= ~cluster.site.offline[nodes]
    return nodes[checked]


class Capacity:
    """The redundancy of one state of the cluster, of which only `nodes` exist."""

    def __init__(self, cluster: Cluster, nodes: Ints, checked: Ints) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.checked = checked
        self.sums = FailoverSums.of(cluster) if cluster.labels.migration is None else None
        self.tables = Tables(cluster) if can_play(cluster) else None

    def redundant(self) -> bool:
        """Whether every node to check can be emptied."""
        return next(self.stuck(), None) is None

    def stuck(self) -> Iterator[int]:
        """The nodes that cannot be emptied."""
        state = self.cluster.state
        # The fullest first: if some node is stuck it is likely one of these.
        order = np.argsort(state.free_mem[self.checked], kind="stable")
        for node in self.checked[order].tolist():
            if not self.evacuable(node):
                yield node

    def evacuable(self, node: int) -> bool:
        """Whether one node can be emptied."""
        if self.sums is None:
            return self._play(node)
        if not self.sums.can_fail_over(node):
            return False
        rest = self.rest(node)
        if not rest:
            return True
        allowed = self.allowed(node, rest)
        if allowed is None:
            return self._play_fully(node)
        if not allowed:
            return False
        decided = self._decide(node, rest)
        return self._play(node) if decided is None else decided

    def rest(self, node: int) -> list[int]:
        """Primaries of a node that cannot fail over."""
        drbd = self.cluster.demand.drbd
        return [i for i in self.cluster.primaries[node] if not drbd[i]]

    def others(self, node: int) -> Ints:
        """Where instances from a node may go."""
        group = self.cluster.figures.group
        others = self.nodes[group[self.nodes] == group[node]]
        return np.asarray(others[others != node])

    def _decide(self, node: int, rest: list[int]) -> bool | None:
        """Whether these instances find places whatever the order, or surely do not."""
        cluster, others = self.cluster, self.others(node)
        if not len(others):
            return False
        sums = cast("FailoverSums", self.sums)
        demand = cluster.demand_of(np.array(rest))
        room = cluster.state.free_mem[others] - sums.memory[others, node]
        room = np.maximum(0.0, room)
        sizes = np.array(sorted(set(demand.running.tolist())))
        if room.sum() <= demand.running.sum() or _too_many(room, sizes, demand.running):
            return False
        if demand.local.any() and cluster.site.exclusive[others].any():
            return None
        if demand.local.any():
            roomy = cluster.state.free_disk[others] - demand.disk.sum() > 0
            return True if _surely(room[roomy], sizes, demand.running.sum()) else None
        if len(sizes) == 1 and sizes[0] > 0:
            slots = np.floor((room - 1.0) / sizes[0])
            return bool(np.maximum(0.0, slots).sum() >= len(rest))
        return True if _surely(room, sizes, demand.running.sum()) else None

    def allowed(self, node: int, rest: list[int]) -> bool | None:
        """Whether the group's policy lets the instances that have to be created anew be.

        None if it does so on some of the other nodes only.
        """
        cluster = self.cluster
        policy = cluster.description.groups[int(cluster.figures.group[node])].policy
        anew = [cluster.instances[i] for i in rest if cluster.instances[i].kind not in _MOVED]
        kinds = set(cluster.site.exclusive[self.others(node)].tolist()) or {False}
        found = [
            {violation(instance, policy, kind) is None for kind in kinds} for instance in anew
        ]
        if any(True not in verdicts for verdicts in found):
            return False
        return True if all(False not in verdicts for verdicts in found) else None

    # The long way

    def _play(self, node: int) -> bool:
        return self._play_fast(node) if self.tables is not None else self._play_fully(node)

    def _play_fast(self, node: int) -> bool:
        mirrored, shared, rest = self._sorted(node)
        play = Play(cast("Tables", self.tables), node)
        play.fail_over(mirrored)
        others = self.others(node)
        group = np.sort(np.append(others, node))
        return all(play.place(i, others, group, leaves=True) for i in shared) and all(
            play.place(i, others, self.nodes, leaves=False) for i in rest
        )

    def _play_fully(self, node: int) -> bool:
        cluster = self.cluster.copy()
        mirrored, shared, rest = self._sorted(node)
        for instance in mirrored:
            if move_checked(cluster, instance, Kind.FAILOVER, -1, soft=True) is not None:
                return False
        others = self.others(node)
        group = self.nodes[cluster.figures.group[self.nodes] == cluster.figures.group[node]]
        for instance in shared:
            tried = try_targets(cluster, instance, Kind.FAILOVER_TO, others, group, soft=True)
            if tried.best is None:
                return False
            move_checked(cluster, instance, Kind.FAILOVER_TO, tried.best, soft=True)
        return all(self._recreate(cluster, instance, others) for instance in rest)

    def _sorted(self, node: int) -> tuple[list[int], list[int], list[int]]:
        """Primaries that fail over, that move, and that are created anew (largest first)."""
        instances = self.cluster.instances
        here = self.cluster.primaries[node]
        # Whether a node that does not answer could take over is not known: it is not asked for.
        silent = np.append(self.cluster.site.silent, False)
        mirrored = [
            i
            for i in here
            if instances[i].kind == "drbd" and not silent[self.cluster.secondary[i]]
        ]
        shared = [i for i in here if instances[i].kind in _MOVED]
        left = set(mirrored) | set(shared)
        rest = [i for i in here if i not in left and instances[i].kind != "drbd"]
        return mirrored, shared, sorted(rest, key=lambda i: -instances[i].memory)

    def _recreate(self, cluster: Cluster, instance: int, others: Ints) -> bool:
        scorer = Scorer(cluster, self.nodes)
        candidates = on_single(cluster, scorer, instance, others, soft=True)
        flat = candidates.score
        if not flat.size or not np.isfinite(flat.min()):
            return False
        place = len(flat) - 1 - int(flat[::-1].argmin())
        cluster.put(cluster.add_twin(instance), int(others[place]), -1, 0.0)
        return True


def _too_many(room: Floats, sizes: Floats, wanted: Floats) -> bool:
    """Whether for some size there are more instances of at least that size than places."""
    for size in sizes[sizes > 0]:
        places = np.maximum(0.0, np.floor((room - 1.0) / size)).sum()
        if places < (wanted >= size).sum():
            return True
    return False


def _surely(room: Floats, sizes: Floats, total: float) -> bool:
    """Whether instances fit in any order, at any choice of nodes.

    One of a size fails only if every node has at most that much left; but then so little would
    be left together that more than all the others must have been placed.
    """
    together = room.sum()
    return all(together - total + size > np.minimum(room, size).sum() for size in sizes)


@dataclass(slots=True)
class FailoverSums:
    """What would come to a node (row) if another one (column) failed over to it."""

    cluster: Cluster
    memory: Floats
    """Memory of running mirrored instances, MiB."""
    count: Floats
    """Number of mirrored instances."""

    @classmethod
    def of(cls, cluster: Cluster) -> FailoverSums:
        """Add them up."""
        size = cluster.node_count
        known = len(cluster.instances)
        demand = cluster.demand
        rows = np.flatnonzero(
            demand.drbd[:known] & demand.real[:known] & (cluster.secondary[:known] >= 0)
        )
        where = cluster.secondary[rows], cluster.primary[rows]
        memory, count = np.zeros((size, size)), np.zeros((size, size))
        np.add.at(memory, where, demand.running[rows])
        np.add.at(count, where, 1.0)
        return cls(cluster, memory, count)

    def can_fail_over(self, node: int) -> bool:
        """Whether all secondaries of a node's primaries can take over."""
        state = self.cluster.state
        used = (self.count[:, node] > 0) & ~self.cluster.site.silent
        if not used.any():
            return True
        short = used & (state.free_mem - self.memory[:, node] <= 0)
        full = used & (state.free_disk <= 0)
        lost = state.free_disk[node] <= 0 and not self.cluster.site.offline[node]
        if short.any() or full.any() or lost:
            return False
        return not self.cluster.site.any_exclusive or self._spindles_suffice(node)

    def _spindles_suffice(self, node: int) -> bool:
        """Whether both nodes of all mirrored primaries know of enough spindles."""
        cluster = self.cluster
        for instance in cluster.primaries[node]:
            other = int(cluster.secondary[instance])
            if not cluster.demand.drbd[instance] or cluster.site.silent[other]:
                continue
            for place in (node, other):
                free = cluster.state.free_spindles[place]
                unknown = cluster.demand.spindles[instance] < 0
                if cluster.site.exclusive[place] and (unknown or free < 0):
                    return False
        return True

    def worst_arrival(self, checked: Ints) -> Floats:
        """Per node, the most memory that any one checked node's failure brings."""
        if not len(checked):
            return np.zeros(len(self.memory))
        used = self.count[:, checked] > 0
        return np.asarray(np.where(used, self.memory[:, checked], -np.inf).max(axis=1))
