"""The cluster score: what it is made of, and its exact value for changed states.

Sums run over nodes in ascending order and components are added in the order of `COMPONENTS`,
one by one, since rounding decides ties (`numpy.sum` adds pairwise and would not do).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .arrays import Bools, Demand, Floats, Ints, Site, View, parts_of_view
from .cluster import Cluster

COMPONENTS: Final = (
    ("free_mem_cv", 0.5),
    ("free_disk_cv", 0.5),
    ("n1_cnt", 1.0),
    ("reserved_mem_cv", 1.0),
    ("offline_all_cnt", 4.0),
    ("offline_pri_cnt", 16.0),
    ("vcpu_ratio_cv", 0.5),
    ("cpu_load_cv", 1.0),
    ("mem_load_cv", 1.0),
    ("disk_load_cv", 1.0),
    ("net_load_cv", 1.0),
    ("pri_tags_score", 2.0),
    ("spindles_cv", 0.5),
    ("free_mem_cv_forth", 0.5),
    ("free_disk_cv_forth", 0.5),
    ("vcpu_ratio_cv_forth", 0.5),
    ("spindles_cv_forth", 0.5),
    ("location_score", 1.0),
    ("location_exclusion_score", 1.0),
    ("reserved_mem_rtotal", 0.25),
)
"""Name and weight of every component."""


def free_disk_share(site: Site, view: View) -> Floats:
    """Free part of a node's storage, by spindles where it is exclusive."""
    share = np.where(site.total_disk == 0, 1.0, view.free_disk / site.total_disk)
    if not site.any_exclusive:
        return share
    return np.where(site.exclusive, _spindle_share(site, view.free_spindles), share)


def _free_disk_share_forth(site: Site, view: View) -> Floats:
    share = np.where(site.total_disk == 0, 1.0, view.disk_forth / site.total_disk)
    if not site.any_exclusive:
        return share
    return np.where(site.exclusive, _spindle_share(site, view.free_spindles_forth), share)


def _spindle_share(site: Site, free: Floats) -> Floats:
    return np.where(site.total_spindles == 0, 1.0, free / site.total_spindles)


Column = Callable[[Site, View], Floats]

SPREADS: Final[tuple[tuple[int, Column], ...]] = (
    (0, lambda site, view: view.free_mem / site.mem_base),
    (1, free_disk_share),
    (3, lambda site, view: view.reserved / site.mem_base),
    (6, lambda site, view: view.cpus / site.cpu_base / site.speed),
    (7, lambda _, view: view.load_cpu),
    (8, lambda _, view: view.load_mem),
    (9, lambda _, view: view.load_disk),
    (10, lambda _, view: view.load_net),
    (12, lambda site, view: view.spindles / site.spindle_base),
    (13, lambda site, view: view.mem_forth / site.mem_base),
    (14, _free_disk_share_forth),
    (15, lambda site, view: view.cpus_forth / site.cpu_base / site.speed),
    (16, lambda site, view: view.spindles_forth / site.spindle_base),
)
"""Components that are standard deviations, with the node's value."""

BASES: Final[Mapping[int, str]] = {
    0: "mem_base", 2: "mem_base", 9: "mem_base", 3: "cpu_base", 11: "cpu_base",
    8: "spindle_base", 12: "spindle_base",
}
"""By row of `SPREADS`: what the row divides by, infinite on nodes that take no part in it."""

_WORST: Final = 1e300
"""The score of a state whose figures are out of all bounds: worse than any other."""

RESERVED_ROW: Final = 2
"""Row of `SPREADS` whose sum is the component `reserved_mem_rtotal`."""

COUNTS: Final[tuple[tuple[int, Column, bool], ...]] = (
    (2, lambda _, view: (view.primaries + view.secondaries) * view.failing, False),
    (4, lambda _, view: view.primaries + view.secondaries, True),
    (5, lambda _, view: view.primaries, True),
    (11, lambda _, view: view.clashes, False),
    (17, lambda _, view: view.location, False),
)
"""Components that are sums of whole numbers, and whether of offline nodes."""


def equal_rows(cluster: Cluster, demand: Demand) -> dict[int, int]:
    """Rows of `SPREADS` that are and stay equal to others while such instances move."""
    state = cluster.state
    pairs = [(9, 0, "mem_forth", "free_mem", demand.memory, demand.running)]
    pairs += [
        (5, 4, "load_mem", "load_cpu", demand.load_mem, demand.load_cpu),
        (7, 4, "load_net", "load_cpu", demand.load_net, demand.load_cpu),
    ]
    if not cluster.site.any_forthcoming:
        nothing = np.zeros(0)
        pairs += [
            (10, 1, "disk_forth", "free_disk", nothing, nothing),
            (11, 3, "cpus_forth", "cpus", nothing, nothing),
            (12, 8, "spindles_forth", "spindles", nothing, nothing),
        ]
    return {
        row: other
        for row, other, name, other_name, taken, other_taken in pairs
        if np.array_equal(taken, other_taken)
        and np.array_equal(getattr(state, name), getattr(state, other_name))
    }


@dataclass(slots=True)
class Changed:
    """For each of several candidates, one node that it changes and the node's new state."""

    node: Ints
    view: View


class Scorer:
    """Scores of states that differ in a few nodes from one base state.

    Only the given nodes count, in ascending order; `online` are the positions of the ones that
    take part in balancing.
    """

    def __init__(self, cluster: Cluster, nodes: Ints) -> None:
        self.cluster = cluster
        self.nodes = nodes
        offline = cluster.site.offline[nodes]
        self.online = nodes[~offline]
        self.place = np.full(cluster.node_count, -1, dtype=np.int64)
        self.place[self.online] = np.arange(len(self.online))
        self.site = cluster.site_of(self.online)
        view = cluster.view(self.online)
        shape = (len(SPREADS), len(self.online))
        self.columns = np.empty(shape)
        for row, (_, column) in enumerate(SPREADS):
            self.columns[row] = column(self.site, view)
        self.part = taking_part(self.site)
        """Rows of `SPREADS` by online nodes; None if all nodes take part in all rows."""
        self.sizes = self._sizes()
        parts = {False: (self.site, view)}
        off = nodes[offline & ~cluster.site.silent[nodes]]
        if len(off):
            parts[True] = cluster.site_of(off), cluster.view(off)
        self.counts = [
            float(column(*parts[of_offline]).sum()) if of_offline in parts else 0.0
            for _, column, of_offline in COUNTS
        ]
        is_offline = np.zeros(cluster.node_count, dtype=np.bool_)
        is_offline[off] = True
        self.counted = (self.place >= 0, is_offline)
        """Masks of all nodes: which count as online, and which as offline."""
        self.map_counts = self._map_counts()

    def _sizes(self) -> Floats:
        """How many nodes take part in each row."""
        if self.part is None:
            return np.full(len(SPREADS), float(max(1, len(self.online))))
        return np.asarray(np.maximum(1.0, self.part.sum(axis=1)))

    def _map_counts(self) -> Floats:
        """How many pairs of location tag and exclusion tag there are, per pair."""
        labels = self.cluster.labels
        return labels.location[self.online].T @ self.cluster.real_tags[self.online]

    def map_value(self) -> float:
        """The component for equal services in one location."""
        return float(np.maximum(0.0, self.map_counts - 1.0).sum())

    def components(
        self, changes: Sequence[Changed] = (), map_values: Floats | float | None = None
    ) -> Floats:
        """All components (rows) for candidates (columns); without changes: of the base state."""
        count = changes[0].node.shape[0] if changes else 1
        out = np.zeros((len(COMPONENTS), count))
        if not len(self.online):
            return out
        step = max(1, 2_000_000 // self.columns.size)
        for start in range(0, count, step):
            part = slice(start, min(count, start + step))
            self._spreads(out[:, part], changes, part)
        self._count(out, changes)
        out[18] = self.map_value() if map_values is None else map_values
        return out

    def _spreads(self, out: Floats, changes: Sequence[Changed], part: slice) -> None:
        count = out.shape[1]
        shape = (self.columns.shape[0], count, self.columns.shape[1])
        values = np.empty(shape)
        values[:] = self.columns[:, None, :]
        for change in changes:
            self._patch(values, change, part)
        sums = np.add.accumulate(values, axis=2)[:, :, -1]
        sizes = self.sizes[:, None]
        values -= (sums / sizes)[:, :, None]
        if self.part is not None:
            values *= self.part[:, None, :]
        values *= values
        variances = np.add.accumulate(values, axis=2, out=values)[:, :, -1] / sizes
        spreads = np.sqrt(variances)
        for row, (component, _) in enumerate(SPREADS):
            out[component] = spreads[row]
        out[19] = sums[RESERVED_ROW]

    def _patch(self, values: Floats, change: Changed, part: slice) -> None:
        place = self.place[change.node[part]]
        site = self.cluster.site_of(change.node[part])
        view = _part(change.view, part)
        here = np.flatnonzero(place >= 0)
        if len(here) == len(place):
            for row, (_, column) in enumerate(SPREADS):
                values[row, here, place] = column(site, view)
            return
        for row, (_, column) in enumerate(SPREADS):
            new = np.broadcast_to(column(site, view), place.shape)
            values[row, here, place[here]] = new[here]

    def _count(self, out: Floats, changes: Sequence[Changed]) -> None:
        """Fill in the components that are counts."""
        before = [
            (self.cluster.site_of(change.node), self.cluster.view(change.node))
            for change in changes
        ]
        for base, (component, column, of_offline) in zip(self.counts, COUNTS, strict=True):
            total: Floats | float = base
            for change, (site, old_view) in zip(changes, before, strict=True):
                matters = self.counted[of_offline][change.node]
                more = column(site, change.view) - column(site, old_view)
                total = total + np.where(matters, more, 0.0)
            out[component] = total

    def scores(
        self, changes: Sequence[Changed] = (), map_values: Floats | float | None = None
    ) -> Floats:
        """The score of every candidate, always a number."""
        return bounded(weigh(self.components(changes, map_values)))

    def base(self) -> float:
        """The score of the base state."""
        return float(self.scores()[0])


def weigh(components: Floats) -> Floats:
    """Scores from components, added up in their order."""
    total = np.zeros(components.shape[1:])
    for (_, weight), values in zip(COMPONENTS, components, strict=True):
        total = total + weight * values
    return total


def bounded(scores: Floats) -> Floats:
    """Scores that can be compared: those that are no finite number become the worst ones."""
    return np.asarray(
        np.nan_to_num(scores, copy=False, nan=_WORST, posinf=_WORST, neginf=_WORST)
    )


def taking_part(site: Site) -> Bools | None:
    """Which nodes take part in each row of `SPREADS`; None if all do in all.

    A node without memory, processors or spindles has no share of them to be compared with the
    other nodes' shares.
    """
    if np.isfinite([site.mem_base, site.cpu_base, site.spindle_base]).all():
        return None
    part = np.ones((len(SPREADS), *site.mem_base.shape), dtype=np.bool_)
    for row, base in BASES.items():
        part[row] = np.isfinite(getattr(site, base))
    return part


def _part(view: View, part: slice) -> View:
    def cut(values: Floats) -> Floats:
        array = np.asarray(values)
        return array[part] if array.ndim and array.shape[0] > 1 else array

    rows: list[Any] = [cut(row) for row in parts_of_view(view)]
    return View(*rows)


def optimal_score(cluster: Cluster, nodes: Ints) -> float:
    """The part of some nodes' score that no balancing can remove: the reserved memory itself."""
    total = cluster.site.total_mem[nodes]
    whole = float(np.add.accumulate(total)[-1]) if len(total) else 0.0
    rest = whole - float(total.max(initial=0.0))
    if len(total) < 2 or rest <= 0:
        return 0.0
    reserved = float(cluster.peers[nodes].sum())
    return 0.25 * (reserved / rest - reserved / whole)
