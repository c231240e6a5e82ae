"""Dedicated clusters: of all places take the one that spoils fewest standard-sized slots.

Where every node has exclusive storage, instances take whole fractions of a node. A place is
judged by how many instances of each minimum size of the policy would no longer fit.
"""

from __future__ import annotations

import numpy as np

from ..model.arrays import Site, View
from ..model.build import BuildOptions, demand_of
from ..model.changes import NO_MARKS, Secondary, add_primary, add_secondary, any_failure
from ..model.cluster import Cluster
from ..records import Instance, Policy
from .outcome import Found, Place
from .placement import Candidates

Lost = tuple[tuple[int, ...], int]


def test_instances(policy: Policy) -> list[Instance]:
    """One instance of every minimum size, largest disk first."""
    lows = sorted((low for low, _ in policy.pairs), key=lambda spec: -spec.disk_size)
    return [
        Instance(
            name="",
            memory=low.memory,
            disk=low.disk_size,
            vcpus=low.cpus,
            template="plain",
            spindle_use=low.spindles,
        )
        for low in lows
    ]


class Slots:
    """Counts how many test instances fit on nodes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.before: dict[int, tuple[int, ...]] = {}

    def choose(self, candidates: Candidates) -> Found:
        """The place that loses least; of equal ones the last."""
        best: Place | None = None
        instance = candidates.instance
        flat = candidates.failure.reshape(-1)
        for position in np.flatnonzero(flat == 0).tolist():
            primary, secondary = candidates.nodes(position)
            lost = self._lost(instance, primary, secondary)
            if best is None or lost <= best.score:  # type: ignore[operator]  # all of this form
                best = Place(primary, secondary, lost)
        return Found(best, candidates.successes, candidates.failures(), candidates)

    def _lost(self, instance: int, primary: int, secondary: int) -> Lost:
        vector, disk = self._lost_on(instance, primary, None)
        if secondary >= 0:
            more, more_disk = self._lost_on(instance, secondary, primary)
            vector = tuple(a + b for a, b in zip(vector, more, strict=True))
            disk += more_disk
        return vector, disk

    def _lost_on(self, instance: int, node: int, primary: int | None) -> Lost:
        """What is lost on a node that becomes primary, or secondary of another one."""
        cluster = self.cluster
        site, view = cluster.site_of(node), cluster.view(node)
        demand = cluster.demand_of(instance)
        if primary is None:
            after, _ = add_primary(site, view, demand, True, NO_MARKS)
        else:
            how = Secondary(cluster.peers[node, primary], forced=True)
            after, _ = add_secondary(site, view, demand, how)
        if node not in self.before:
            self.before[node] = self._capacity(node, view)
        left = self._capacity(node, after)
        lost = tuple(a - b for a, b in zip(self.before[node], left, strict=True))
        return lost, int(after.free_disk)

    def _capacity(self, node: int, view: View) -> tuple[int, ...]:
        cluster = self.cluster
        group = cluster.description.groups[cluster.description.nodes[node].group]
        site = cluster.site_of(node)
        return tuple(
            _fitting(site, view, instance) for instance in test_instances(group.policy)
        )


def _runs_out(site: Site, instance: Instance) -> bool:
    """Whether a node can hold only so many instances of a size."""
    counted = instance.vcpus > 0 and bool(site.max_ratio >= 0)
    return counted or instance.memory > 0 or instance.disk > 0


def _fitting(site: Site, view: View, instance: Instance) -> int:
    if not _runs_out(site, instance):
        return 0
    demand = demand_of([instance], BuildOptions())
    count = 0
    while True:
        view, checks = add_primary(site, view, demand, False, NO_MARKS)
        if any_failure(checks).any():
            return count
        count += 1

