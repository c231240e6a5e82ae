"""Many instances at once, each taken off its nodes, ready to be tried elsewhere.

A batch is a *grid* (instances down, nodes across) or a *list* (one node per instance). In both
its arrays broadcast against arrays of target nodes, so that the same procedures serve for the
sweep over all targets and for the exact look at a few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .arrays import Bools, Demand, Floats, Ints, Site, View
from .changes import Marks, remove_primary, remove_secondary
from .cluster import Cluster


@dataclass(slots=True)
class Worst:
    """Per node: the largest entry of its row of the peer table, where it is, and the next one."""

    first: Floats
    place: Ints
    second: Floats

    @classmethod
    def of(cls, cluster: Cluster) -> Worst:
        """Read them off the whole table."""
        peers = cluster.peers
        size = len(peers)
        if not size:
            return cls(np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0))
        place = peers.argmax(axis=1)
        first = peers[np.arange(size), place]
        if size == 1:
            return cls(first, place, np.zeros(1))
        return cls(first, place, np.partition(peers, size - 2, axis=1)[:, size - 2])

    def update(self, cluster: Cluster, nodes: Ints) -> None:
        """Read some nodes again."""
        for node in nodes.tolist():
            row = cluster.peers[node]
            place = int(row.argmax())
            self.place[node], self.first[node] = place, row[place]
            rest = np.concatenate([row[:place], row[place + 1 :]])
            self.second[node] = rest.max(initial=0.0)


class Batch:
    """Instances off their nodes; see the module for shapes."""

    def __init__(self, cluster: Cluster, instances: Ints, worst: Worst, *, grid: bool) -> None:
        self.cluster = cluster
        self.grid = grid
        self.instances = instances[:, None] if grid else instances
        self.primary: Ints = cluster.primary[self.instances]
        self.secondary: Ints = cluster.secondary[self.instances]
        self.demand: Demand = cluster.demand_of(self.instances)
        self.demand_there: Demand = self.demand
        """What the instances take from target nodes."""
        self.location_score: Floats = cluster.location_score[self.instances]
        self.primary_site: Site = cluster.site_of(self.primary)
        self.secondary_site: Site = cluster.site_of(self.secondary)
        self.primary_gone: View = remove_primary(
            self.primary_site, cluster.view(self.primary), self.demand, self._marks_off()
        )
        self.reserved_gone = self._reserved_gone(worst)
        self._seen: tuple[Ints, Site, View] | None = None
        self.secondary_gone: View = remove_secondary(
            self.secondary_site, cluster.view(self.secondary), self.demand, self.reserved_gone
        )

    def leave_out_loads(self) -> None:
        """Leave loads on target nodes as they are: nothing checks them, and there are many."""
        nothing = np.zeros((1, 1))
        there = replace(
            self.demand, load_cpu=nothing, load_mem=nothing, load_disk=nothing, load_net=nothing
        )
        if not self.cluster.site.any_forthcoming:
            there.one = np.ones((1, 1))
        self.demand_there = there

    def look(self, nodes: Ints) -> tuple[Site, View]:
        """Properties and state of target nodes; several moves of a batch look at the same."""
        if self._seen is None or self._seen[0] is not nodes:
            self._seen = nodes, self.cluster.site_of(nodes), self.cluster.view(nodes)
        return self._seen[1:]

    def _reserved_gone(self, worst: Worst) -> Floats:
        """What secondaries have to keep reserved without the instances."""
        p, s = self.primary, self.secondary
        left = np.maximum(0.0, self.cluster.peers[s, p] - self.demand.counted)
        return np.where(
            worst.place[s] == p, np.maximum(worst.second[s], left), worst.first[s]
        )

    def _marks_off(self) -> Marks:
        cluster, marks = self.cluster, Marks()
        if cluster.labels.exclusion_names:
            carried = cluster.labels.exclusion[self.instances]
            gone = (carried > 0) & (cluster.tags[self.primary] - carried <= 0)
            marks.clashes = carried.sum(axis=-1) - gone.sum(axis=-1)
        if cluster.has_locations:
            missing = self._missing(self.primary)
            marks.location = (self.location_score + missing) * self.demand.one
        return marks

    def _missing(self, nodes: Ints) -> Floats:
        labels = self.cluster.labels
        wanted = labels.desired[self.instances]
        return labels.desired_count[self.instances] - self._product(wanted, labels.location[nodes])

    def _product(self, left: Floats, right: Floats) -> Floats:
        """Sums over the last axis of products of rows of instances and of nodes."""
        if self.grid and right.shape[0] == 1:
            return np.asarray(left[:, 0] @ right[0].T)
        return np.asarray((left * right).sum(axis=-1))

    def marks_on(self, nodes: Ints, location_score: Floats | float) -> Marks:
        """What putting the instances on nodes other than their primaries adds."""
        cluster, marks = self.cluster, Marks()
        if cluster.labels.exclusion_names:
            carried = cluster.labels.exclusion[self.instances]
            kinds = (carried > 0).astype(np.float64)
            present = (cluster.tags[nodes] > 0).astype(np.float64)
            found = self._product(kinds, present)
            marks.clashes = carried.sum(axis=-1) - kinds.sum(axis=-1) + found
            marks.forbidden = found > 0
        if cluster.has_locations:
            marks.location = (location_score + self._missing(nodes)) * self.demand.one
        return marks

    def marks_back(self, location_score: Floats | float) -> Marks:
        """What putting the instances back on their primaries adds."""
        marks = self._marks_off()
        if self.cluster.has_locations:
            missing = self._missing(self.primary)
            marks.location = (location_score + missing) * self.demand.one
        return marks

    def may_migrate(self, source: Ints, target: Ints) -> Bools | None:
        """Whether migration tags allow the way; None if they allow all."""
        table = self.cluster.labels.migration
        return None if table is None else np.asarray(table[source, target])

    def take(self, rows: Ints) -> Ints:
        """The instances in some rows."""
        return self.instances.reshape(-1)[rows]
