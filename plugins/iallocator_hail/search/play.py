"""Emptying a node in the mind: quickly, with all targets of an instance at once.

Every figure that the score spreads over is linear in what an instance takes, so each choice of
a target is a few operations on small tables. Scores are right to rounding; between targets that
differ by less the last one is taken, as between equal ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..model.arrays import Bools, Floats, Ints
from ..model.cluster import Cluster
from ..model.score import taking_part

_WEIGHTS: Final = np.array([[0.5], [1.0], [1.0], [1.0], [1.0], [1.0], [1.0], [1.0], [1.0], [0.5]])
"""Of free memory, disk, reserved memory, processors, four loads, spindles, memory again."""
_RESERVED: Final = 2
_EQUAL: Final = 1e-10


def can_play(cluster: Cluster) -> bool:
    """Whether the cluster has none of the rare features that this does not know."""
    site = cluster.site
    return not (
        taking_part(site) is not None
        or site.any_forthcoming
        or cluster.has_locations
        or cluster.labels.exclusion_names
        or cluster.labels.migration is not None
    )


class Tables:
    """Figures of all nodes that do not depend on which node is emptied."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        site, state = cluster.site, cluster.state
        exclusive = site.exclusive
        total_disk = np.where(site.total_disk == 0, np.inf, site.total_disk)
        total_spindles = np.where(site.total_spindles == 0, np.inf, site.total_spindles)
        self.disk_rate = np.where(exclusive, 0.0, 1.0 / total_disk)
        self.spindle_rate = np.where(exclusive, 1.0 / total_spindles, 0.0)
        self.mem_rate = 1.0 / site.mem_base
        self.cpu_rate = 1.0 / site.cpu_base / site.speed
        self.use_rate = np.where(exclusive, 0.0, 1.0 / site.spindle_base)
        share = np.where(
            exclusive,
            state.free_spindles * self.spindle_rate,
            state.free_disk * self.disk_rate,
        )
        self.columns = np.stack(
            [
                state.free_mem * self.mem_rate,
                share,
                state.reserved * self.mem_rate,
                state.cpus * self.cpu_rate,
                state.load_cpu,
                state.load_mem,
                state.load_disk,
                state.load_net,
                state.spindles * self.use_rate,
                state.mem_forth * self.mem_rate,
            ]
        )

    def taken(self, instance: int) -> Floats:
        """What an instance's primary changes in each column, on every node."""
        d, i = self.cluster.demand, instance
        one = np.ones(self.cluster.node_count)
        spindles = max(0.0, float(d.spindles[i]))
        storage = -d.disk[i] * self.disk_rate - spindles * self.spindle_rate
        return np.stack(
            [
                -d.running[i] * self.mem_rate,
                storage,
                0.0 * one,
                d.cpus[i] * self.cpu_rate,
                d.load_cpu[i] * one,
                d.load_mem[i] * one,
                d.load_disk[i] * one,
                d.load_net[i] * one,
                d.spindle_use[i] * self.use_rate,
                -d.memory[i] * self.mem_rate,
            ]
        )


class Play:
    """One node being emptied; its mirrored instances are known to be able to fail over."""

    def __init__(self, tables: Tables, node: int) -> None:
        cluster = tables.cluster
        self.tables = tables
        self.cluster = cluster
        self.node = node
        self.columns = tables.columns.copy()
        state = cluster.state
        self.free_mem = state.free_mem.copy()
        self.free_disk = state.free_disk.copy()
        self.free_spindles = state.free_spindles.copy()
        self.reserved = state.reserved.copy()
        self.members = state.primaries + state.secondaries
        self.failing: Bools = state.failing.copy()

    def fail_over(self, mirrored: list[int]) -> None:
        """Swap the roles of the nodes of all mirrored primaries."""
        cluster, node = self.cluster, self.node
        row = cluster.peers[node].copy()
        touched = [node]
        for instance in mirrored:
            other = int(cluster.secondary[instance])
            change = self.tables.taken(instance)
            change[[1, 6, 8]] = 0.0
            self.columns[:, node] -= change[:, node]
            self.columns[:, other] += change[:, other]
            running = cluster.demand.running[instance]
            self.free_mem[node] += running
            self.free_mem[other] -= running
            row[other] += cluster.demand.counted[instance]
            self.reserved[other] = np.delete(cluster.peers[other], node).max(initial=0.0)
            touched.append(other)
        self.reserved[node] = row.max(initial=0.0)
        for index in set(touched) if mirrored else ():
            rate = self.tables.mem_rate[index]
            self.columns[_RESERVED, index] = self.reserved[index] * rate
            self.failing[index] = self.free_mem[index] <= self.reserved[index]

    def place(self, instance: int, targets: Ints, scope: Ints, *, leaves: bool) -> bool:
        """Put an instance on the best target, judged by the nodes in `scope`.

        `leaves` tells whether it disappears from the emptied node before that.

        :return: whether there is a target at all.
        """
        fits = self._fits(instance, targets)
        targets = targets[fits]
        if not len(targets):
            return False
        change = self.tables.taken(instance)
        if leaves:
            self._take_off(instance, change)
        scores = self._scores(change, instance, targets, scope)
        best = np.flatnonzero(scores <= scores.min() + _EQUAL)[-1] if len(targets) > 1 else 0
        self._put_on(instance, int(targets[best]), change)
        return True

    def _fits(self, instance: int, targets: Ints) -> Bools:
        demand, site = self.cluster.demand, self.cluster.site
        fits: Bools = self.free_mem[targets] - demand.running[instance] > 0
        if not demand.local[instance]:
            return fits
        fits &= self.free_disk[targets] - demand.disk[instance] > 0
        spindles = demand.spindles[instance]
        enough = (spindles >= 0) & (self.free_spindles[targets] - spindles >= 0)
        return np.asarray(fits & (~site.exclusive[targets] | enough))

    def _take_off(self, instance: int, change: Floats) -> None:
        node, demand = self.node, self.cluster.demand
        self.columns[:, node] -= change[:, node]
        self.free_mem[node] += demand.running[instance]
        self.members[node] -= 1
        self.failing[node] = self.free_mem[node] <= self.reserved[node]

    def _put_on(self, instance: int, target: int, change: Floats) -> None:
        demand = self.cluster.demand
        self.columns[:, target] += change[:, target]
        self.free_mem[target] -= demand.running[instance]
        self.free_disk[target] -= demand.disk[instance]
        self.free_spindles[target] -= max(0.0, float(demand.spindles[instance]))
        self.members[target] += 1
        self.failing[target] = self.free_mem[target] <= self.reserved[target]

    def _scores(self, change: Floats, instance: int, targets: Ints, scope: Ints) -> Floats:
        """Scores of the targets, up to what is the same for all of them."""
        offline = self.cluster.site.offline
        online = scope[~offline[scope]]
        size = max(1, len(online))
        base = self.columns[:, online]
        means = base.mean(axis=1, keepdims=True) if len(online) else np.zeros((10, 1))
        squares = ((base - means) ** 2).sum(axis=1, keepdims=True)
        counts = ~offline[targets]
        moved = np.where(counts, change[:, targets], 0.0)
        old = self.columns[:, targets] - means
        variance = (squares + moved * (2.0 * old + moved)) / size - (moved / size) ** 2
        scores = (_WEIGHTS * np.sqrt(np.maximum(variance, 0.0))).sum(axis=0)
        left = self.free_mem[targets] - self.cluster.demand.running[instance]
        failing = left <= self.reserved[targets]
        members = self.members[targets]
        unhappy = (members + 1) * failing - members * self.failing[targets]
        return np.asarray(scores + np.where(counts, unhappy, 20.0))
