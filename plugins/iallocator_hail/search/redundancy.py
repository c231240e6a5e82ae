"""Which places for a new instance leave the cluster redundant (see `capacity`).

Judging every place by playing all evacuations through would cost nodes times places; most of
what a new instance changes is known from the state without it.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from ..model.arrays import Bools, Floats, Ints
from ..model.cluster import Cluster
from .capacity import Capacity, CapacityRules, FailoverSums, nodes_to_check


class AfterPlacing:
    """Return for one instance and one state whether a place is good."""

    def __init__(
        self, cluster: Cluster, instance: int, nodes: Ints, rules: CapacityRules
    ) -> None:
        self.cluster = cluster
        self.instance = instance
        self.nodes = nodes
        self.checked = nodes_to_check(cluster, nodes, rules)
        self.base = Capacity(cluster, nodes, self.checked)
        self.is_checked: Bools = np.zeros(cluster.node_count, dtype=np.bool_)
        self.is_checked[self.checked] = True
        self.hopeless = self._hopeless()
        self.easy = not self.hopeless and self._easy()
        if self.easy:
            self.arrival = self._sums.worst_arrival(self.checked)

    @property
    def _sums(self) -> FailoverSums:
        return cast("FailoverSums", self.base.sums)

    def _hopeless(self) -> bool:
        """Whether some node cannot fail over even without the instance."""
        sums = self.base.sums
        return sums is not None and not all(
            sums.can_fail_over(node) for node in self.checked.tolist()
        )

    def _easy(self) -> bool:
        """Whether what cannot fail over finds a place wherever the instance goes."""
        # Spindles of exclusive storage are not weighed below.
        if self.base.sums is None or self.cluster.site.exclusive[self.nodes].any():
            return False
        mirrored = bool(self.cluster.demand.drbd[self.instance])
        return all(self._roomy(node, mirrored) for node in self.checked.tolist())

    def _roomy(self, node: int, mirrored: bool) -> bool:
        base, cluster = self.base, self.cluster
        rest = base.rest(node)
        if not mirrored:
            rest = [*rest, self.instance]
        if not rest:
            return True
        others = base.others(node)
        if not len(others) or not base.allowed(node, rest):
            return False
        return self._two_places(node, rest, others, cluster.demand.running[self.instance])

    def _two_places(self, node: int, rest: list[int], others: Ints, more: Floats) -> bool:
        """Whether two nodes could take all (the instance may fill one), or one twice over."""
        cluster, sums = self.cluster, self._sums
        demand = cluster.demand_of(np.array(rest))
        own = cluster.demand_of(self.instance)
        room = cluster.state.free_mem[others] - sums.memory[others, node] - demand.running.sum()
        if demand.local.any():
            disk = cluster.state.free_disk[others] - demand.disk.sum()
            room = np.where(disk > 0, room, -np.inf)
            roomy = np.where(disk - own.disk > 0, room, -np.inf)
        else:
            roomy = room
        # An arriving mirrored instance takes disk twice, and comes over from `node` too.
        if own.drbd:
            room = roomy = roomy - more
        return bool((room > 0).sum() >= 2 or (roomy - more > 0).any())

    def __call__(self, primary: int, secondary: int) -> bool:
        """Whether the cluster is redundant with the instance there."""
        if self.hopeless:
            return False
        return self._judge(primary, secondary) if self.easy else self._play(primary, secondary)

    def _judge(self, primary: int, secondary: int) -> bool:
        """Only failovers can go wrong: onto the primary, or of the instance itself."""
        state, memory = self.cluster.state, self.cluster.demand.running[self.instance]
        if state.free_mem[primary] - memory - self.arrival[primary] <= 0:
            return False
        if secondary < 0 or not self.is_checked[primary] or self.cluster.site.silent[secondary]:
            return True
        sums = self._sums
        coming = sums.memory[secondary, primary] + memory
        return bool(state.free_mem[secondary] - coming > 0)

    def _play(self, primary: int, secondary: int) -> bool:
        cluster = self.cluster.copy()
        score = 0.0
        if secondary >= 0:
            score = float(cluster.shared_locations(primary, secondary))
        cluster.put(self.instance, primary, secondary, score)
        return Capacity(cluster, self.nodes, self.checked).redundant()
