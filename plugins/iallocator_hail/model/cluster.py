"""The cluster as arrays: where every instance is and what that makes of the nodes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import Description, Instance
from .arrays import (
    DEMAND_FIELDS,
    Demand,
    Floats,
    Ints,
    Site,
    View,
    parts_of_demand,
    parts_of_site,
    parts_of_view,
)
from .changes import (
    Marks,
    Secondary,
    add_primary,
    add_secondary,
    remove_primary,
    remove_secondary,
)
from .labels import Labels

Index = int | npt.NDArray[np.int64] | slice


@dataclass(slots=True)
class NodeFigures:
    """Node figures that only reports need, beside the ones of `Site`."""

    node_mem: Floats
    reported_mem: Floats
    missing_mem: Floats
    """Memory that neither the node, its instances nor the free figure account for."""
    node_cpus: Floats
    group: Ints


@dataclass(slots=True)
class Cluster:
    """All state of one cluster; copies share what does not change.

    Positions of nodes, groups and instances count from 0 in the order of the description.
    """

    description: Description
    """As loaded; its instances may be fewer than this model's (see `add_instance`)."""
    instances: list[Instance]
    site: Site
    figures: NodeFigures
    demand: Demand
    loads: Floats
    """Utilisation as measured or assumed, for reports: four rows, forthcoming ones too."""
    labels: Labels
    state: View
    peers: Floats
    """Memory reserved on a node (row) for the failure of a primary node (column)."""
    primary: Ints
    secondary: Ints
    location_score: Floats
    """Per instance: location tags that its two nodes share."""
    movable: npt.NDArray[np.bool_]
    primaries: list[tuple[int, ...]]
    """Per node, most recently added first."""
    secondaries: list[tuple[int, ...]]
    tags: Floats
    """Nodes by exclusion tags: how many primaries carry each."""
    real_tags: Floats
    """The same without forthcoming instances."""
    owns_peers: bool = True
    standing_for: tuple[int, ...] | None = None
    """Per position, the node whose data it holds, where a planner has mixed them up."""

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return len(self.description.nodes)

    def copy(self) -> Cluster:
        """An independent state; the peer table is copied only when one of both changes it."""
        self.owns_peers = False
        return replace(
            self,
            state=View(*[part.copy() for part in parts_of_view(self.state)]),
            instances=list(self.instances),
            primary=self.primary.copy(),
            secondary=self.secondary.copy(),
            location_score=self.location_score.copy(),
            primaries=list(self.primaries),
            secondaries=list(self.secondaries),
            tags=self.tags.copy(),
            real_tags=self.real_tags.copy(),
        )

    # Views of parts

    def view(self, nodes: Index) -> View:
        """The state of some nodes."""
        return View(*[part[nodes] for part in parts_of_view(self.state)])

    def site_of(self, nodes: Index) -> Site:
        """The properties of some nodes."""
        site = self.site
        rows: list[Any] = [part[nodes] for part in parts_of_site(site)]
        rows += [site.any_exclusive, site.any_forthcoming]
        return Site(*rows)

    def demand_of(self, instances: Index) -> Demand:
        """The demand of some instances."""
        return Demand(*[part[instances] for part in parts_of_demand(self.demand)])

    def store(self, node: Index, view: View) -> None:
        """Make a view the state of a node."""
        for part, value in zip(parts_of_view(self.state), parts_of_view(view), strict=True):
            part[node] = value

    # Marks: what tags do

    def marks_off(self, instance: int) -> Marks:
        """What taking an instance off its primary takes away."""
        node = int(self.primary[instance])
        marks = Marks()
        if self.labels.exclusion_names:
            carried = self.labels.exclusion[instance]
            left = self.tags[node] - carried
            gone = (carried > 0) & (left <= 0)
            marks.clashes = np.asarray(carried.sum() - gone.sum())
        if self.has_locations and self.demand.real[instance]:
            missing = self.missing_locations(instance, node)
            marks.location = np.asarray(self.location_score[instance] + missing)
        return marks

    def marks_on(self, instance: int, node: Index, location_score: Floats | float) -> Marks:
        """What putting an instance on nodes adds; it must be off its primary if that is one."""
        marks = Marks()
        if self.labels.exclusion_names:
            carried = self.labels.exclusion[instance]
            present = self.tags[node] > 0
            kinds = carried > 0
            marks.clashes = np.asarray(carried.sum() - (kinds & ~present).sum(axis=-1))
            marks.forbidden = np.asarray((kinds & present).any(axis=-1))
        if self.has_locations and self.demand.real[instance]:
            missing = self.missing_locations(instance, node)
            marks.location = np.asarray(location_score + missing)
        return marks

    @property
    def has_locations(self) -> bool:
        """Whether locations matter for the score at all."""
        return self.labels.common is not None or self.labels.any_desired

    def missing_locations(self, instance: int, node: Index) -> Floats:
        """How many locations that the instance desires the nodes do not have."""
        found = self.labels.location[node] @ self.labels.desired[instance]
        return np.asarray(self.labels.desired_count[instance] - found)

    def shared_locations(self, first: Index, second: Index) -> Floats:
        """Location tags that nodes have in common."""
        common = self.labels.common
        return np.zeros(()) if common is None else np.asarray(common[first, second])

    # Changes

    def take_off(self, instance: int) -> None:
        """Remove an instance from its nodes."""
        node, other = int(self.primary[instance]), int(self.secondary[instance])
        demand = self.demand_of(instance)
        off = remove_primary(
            self.site_of(node), self.view(node), demand, self.marks_off(instance)
        )
        self.store(node, off)
        self._forget_spindles(node, instance)
        self._list(self.primaries, node, instance, present=False)
        self._count_tags(instance, node, -1)
        if other >= 0:
            self._reserve(other, node, -float(demand.counted))
            off = remove_secondary(
                self.site_of(other), self.view(other), demand, self.reserved(other)
            )
            self.store(other, off)
            self._forget_spindles(other, instance)
            self._list(self.secondaries, other, instance, present=False)
        self.primary[instance] = self.secondary[instance] = -1

    def put(self, instance: int, node: int, other: int, location_score: float) -> None:
        """Put an instance on a primary and a secondary (-1: none), whatever the checks say."""
        demand = self.demand_of(instance)
        marks = self.marks_on(instance, node, location_score)
        view, _ = add_primary(self.site_of(node), self.view(node), demand, True, marks)
        self.store(node, view)
        self._forget_spindles(node, instance)
        self._list(self.primaries, node, instance, present=True)
        self._count_tags(instance, node, 1)
        if other >= 0:
            how = Secondary(self.peers[other, node], forced=True)
            view, _ = add_secondary(self.site_of(other), self.view(other), demand, how)
            self.store(other, view)
            self._forget_spindles(other, instance)
            self._list(self.secondaries, other, instance, present=True)
            self._reserve(other, node, float(demand.counted))
        self.primary[instance], self.secondary[instance] = node, other
        self.location_score[instance] = location_score

    def _forget_spindles(self, node: int, instance: int) -> None:
        """Count no free spindles where storage is not exclusive, once an instance came or went.

        Ganeti does, and its capacity reports show it; nothing else looks at them there.
        """
        if not self.site.any_exclusive and self.demand.real[instance]:
            self.state.free_spindles[node] = 0.0

    def _list(
        self, lists: list[tuple[int, ...]], node: int, instance: int, *, present: bool
    ) -> None:
        if not self.demand.real[instance]:
            return
        old = lists[node]
        lists[node] = (instance, *old) if present else tuple(i for i in old if i != instance)

    def _count_tags(self, instance: int, node: int, sign: int) -> None:
        if self.labels.exclusion_names:
            change = sign * self.labels.exclusion[instance]
            self.tags[node] += change
            if self.demand.real[instance]:
                self.real_tags[node] += change

    def _reserve(self, node: int, primary: int, memory: float) -> None:
        if memory == 0:
            return
        if not self.owns_peers:
            self.peers = self.peers.copy()
            self.owns_peers = True
        self.peers[node, primary] = max(0.0, self.peers[node, primary] + memory)

    def reserved(self, node: int) -> Floats:
        """The memory that a node has to keep for the worst failure of one other node."""
        row = self.peers[node]
        return np.asarray(row.max() if row.size else 0.0)

    def add_instance(self, instance: Instance, demand: Demand) -> int:
        """Append an instance without tags that is nowhere yet; return its position.

        `demand` is the instance's alone.
        """
        if len(self.instances) == self.primary.shape[0]:
            self._grow(max(64, len(self.instances)))
        position = len(self.instances)
        self.instances.append(instance)
        for name in DEMAND_FIELDS:
            value = getattr(demand, name)
            getattr(self.demand, name)[position] = value[0] if value.ndim else value
        return position

    def add_twin(self, instance: int) -> int:
        """Append a copy of an instance that is nowhere yet; return its position."""
        twin = self.add_instance(self.instances[instance], self.demand_of(instance))
        self.labels = self.labels.copy_row(instance, twin)
        return twin

    def convert(self, instance: int, record: Instance, demand: Demand) -> None:
        """Make an instance that is nowhere one of another kind; `demand` has one entry."""
        self.instances[instance] = record
        for name in DEMAND_FIELDS:
            getattr(self.demand, name)[instance] = getattr(demand, name)[0]

    def _grow(self, count: int) -> None:
        def longer(array: npt.NDArray[np.generic], fill: int = 0) -> npt.NDArray[np.generic]:
            return np.concatenate([array, np.full(count, fill, dtype=array.dtype)])

        self.demand = copy.copy(self.demand)
        for name in DEMAND_FIELDS:
            setattr(self.demand, name, longer(getattr(self.demand, name)))
        for name in ("location_score", "movable"):
            setattr(self, name, longer(getattr(self, name)))
        self.primary = np.concatenate([self.primary, np.full(count, -1)])
        self.secondary = np.concatenate([self.secondary, np.full(count, -1)])
        self.labels = self.labels.extended(count)


def nodes_of(cluster: Cluster, group: int) -> Ints:
    """The nodes of a group."""
    return np.flatnonzero(cluster.figures.group == group)


def all_nodes(cluster: Cluster) -> Ints:
    """All nodes."""
    return np.arange(cluster.node_count)
