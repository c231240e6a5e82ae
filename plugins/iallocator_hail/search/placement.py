"""Where one new instance can go: every node, or every pair of nodes, with failure or score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..model.arrays import Bools, Floats, Ints, View, parts_of_view
from ..model.changes import Failure, Secondary, add_primary, add_secondary, first_failure
from ..model.cluster import Cluster
from ..model.score import COMPONENTS, COUNTS, SPREADS, Changed, Scorer, bounded, equal_rows
from .policy import violation

_CELLS: Final = 400_000
"""Pairs that are scored together, to bound memory."""


@dataclass(slots=True)
class Candidates:
    """All places that were tried, in the order that decides ties (later ones win).

    `failure` holds codes of `Failure`, 0 for a success; `score` is infinite for failures.
    A pair's table has one row per primary; on its diagonal nothing is tried.
    """

    instance: int
    primary: Ints
    secondary: Ints | None
    failure: Ints
    score: Floats

    @property
    def tried(self) -> int:
        """How many places there are."""
        return int((self.failure >= 0).sum())

    def failures(self) -> list[int]:
        """How often each failure occurred, by its code (place 0 is unused)."""
        codes = self.failure[self.failure > 0]
        return list(map(int, np.bincount(codes, minlength=len(Failure) + 1)))

    @property
    def successes(self) -> int:
        """In how many places the instance fits."""
        return int((self.failure == 0).sum())

    def nodes(self, place: int) -> tuple[int, int]:
        """Primary and secondary (or -1) of a place in the flattened table."""
        if self.secondary is None:
            return int(self.primary[place]), -1
        row, column = divmod(place, len(self.secondary))
        return int(self.primary[row]), int(self.secondary[column])


def policy_failures(cluster: Cluster, instance: int, nodes: Ints) -> Ints:
    """What the policies of the nodes' groups object to, as codes (0: nothing)."""
    what, description = cluster.instances[instance], cluster.description
    known: dict[tuple[int, bool], int] = {}
    codes = []
    for node in nodes.tolist():
        key = description.nodes[node].group, bool(cluster.site.exclusive[node])
        if key not in known:
            known[key] = int(violation(what, description.groups[key[0]].policy, key[1]) or 0)
        codes.append(known[key])
    return np.array(codes, dtype=np.int64)


def on_single(
    cluster: Cluster, scorer: Scorer, instance: int, nodes: Ints, *, soft: bool
) -> Candidates:
    """Try an instance on every node."""
    view, failure = _primary_on(cluster, instance, nodes, soft=soft)
    score = np.full(len(nodes), np.inf)
    fits = np.flatnonzero(failure == 0)
    if len(fits):
        changes = [Changed(nodes[fits], _rows(view, fits))]
        values = _map_values(cluster, scorer, instance, nodes[fits])
        score[fits] = scorer.scores(changes, values)
    return Candidates(instance, nodes, None, failure, score)


def _primary_on(
    cluster: Cluster, instance: int, nodes: Ints, *, soft: bool
) -> tuple[View, Ints]:
    demand = cluster.demand_of(instance)
    marks = cluster.marks_on(instance, nodes, 0.0)
    view, checks = add_primary(cluster.site_of(nodes), cluster.view(nodes), demand, soft, marks)
    policy = policy_failures(cluster, instance, nodes)
    return view, np.where(policy > 0, policy, first_failure(checks))


def _rows(view: View, rows: Ints) -> View:
    return View(*[np.asarray(part)[rows] for part in parts_of_view(view)])


def _map_values(
    cluster: Cluster, scorer: Scorer, instance: int, nodes: Ints
) -> Floats | float:
    """The component for equal services in one location, with the instance on each node."""
    counts = scorer.map_counts
    if not counts.size or not cluster.demand.real[instance]:
        return scorer.map_value()
    carried = cluster.labels.exclusion[instance]
    more = np.maximum(0.0, counts + carried - 1.0) - np.maximum(0.0, counts - 1.0)
    online = scorer.place[nodes] >= 0
    gained = (cluster.labels.location[nodes] @ more.sum(axis=1)) * online
    return np.asarray(scorer.map_value() + gained)


def on_pairs(
    cluster: Cluster, scorer: Scorer, instance: int, primaries: Ints, secondaries: Ints, *,
    soft: bool,
) -> Candidates:
    """Try a mirrored instance on every pair of different nodes of one group."""
    view, first = _primary_on(cluster, instance, primaries, soft=soft)
    shape = (len(primaries), len(secondaries))
    failure = np.empty(shape, dtype=np.int64)
    score = np.empty(shape)
    group = cluster.figures.group
    pairs = PairScores(cluster, scorer, instance, primaries, view)
    step = max(1, _CELLS // max(1, len(secondaries)))
    for start in range(0, len(primaries), step):
        part = slice(start, start + step)
        added, second = _secondary_on(cluster, instance, primaries[part], secondaries)
        both = np.where(first[part, None] > 0, first[part, None], second)
        first_group, second_group = group[primaries[part, None]], group[secondaries]
        other = (primaries[part, None] == secondaries) | (first_group != second_group)
        both = np.where(other, -1, both)
        failure[part] = both
        rows = np.arange(len(primaries))[part, None]
        values = pairs.scores(rows, secondaries[None, :], added)
        score[part] = np.where(both == 0, values, np.inf)
    return Candidates(instance, primaries, secondaries, failure, score)


def _secondary_on(
    cluster: Cluster, instance: int, primaries: Ints, secondaries: Ints
) -> tuple[View, Ints]:
    demand = cluster.demand_of(instance)
    view, site = cluster.view(secondaries[None, :]), cluster.site_of(secondaries[None, :])
    how = Secondary(cluster.peers[np.ix_(secondaries, primaries)].T)
    added, checks = add_secondary(site, view, demand, how)
    return added, first_failure(checks)


class PairScores:
    """Scores of pairs, by replacing first the primary's and then the secondary's values.

    The formulas, and their order, are Ganeti's: they round differently from a fresh sum.
    """

    def __init__(
        self, cluster: Cluster, scorer: Scorer, instance: int, primaries: Ints, view: View
    ) -> None:
        self.cluster = cluster
        self.scorer = scorer
        self.instance = instance
        self.primaries = primaries
        columns = scorer.columns
        self.sizes = scorer.sizes
        self.sums = np.add.accumulate(columns, axis=1)[:, -1]
        centred = columns - (self.sums / self.sizes)[:, None]
        if scorer.part is not None:
            centred *= scorer.part
        self.variances = np.add.accumulate(centred * centred, axis=1)[:, -1] / self.sizes
        # Equal columns need to be looked at once only.
        self.same = equal_rows(cluster, cluster.demand_of(instance))
        self._replace_primary(view)

    def _replace_primary(self, view: View) -> None:
        cluster, nodes = self.cluster, self.primaries
        site, old = cluster.site_of(nodes), cluster.view(nodes)
        self.online = self.scorer.place[nodes] >= 0
        self.row_sums: list[Floats] = []
        self.row_variances: list[Floats] = []
        for row, (_, column) in enumerate(SPREADS):
            if row in self.same:
                self.row_sums.append(self.row_sums[self.same[row]])
                self.row_variances.append(self.row_variances[self.same[row]])
                continue
            before, after = column(site, old), column(site, view)
            total, variance = self._update(
                row, (self.sums[row], self.variances[row]), before, after, self.online
            )
            self.row_sums.append(total)
            self.row_variances.append(variance)
        self.row_counts = [
            self.scorer.counts[row]
            + np.where(self._matters(nodes, of_offline), column(site, view) - column(site, old), 0)
            for row, (_, column, of_offline) in enumerate(COUNTS)
        ]
        self.row_maps = np.broadcast_to(
            _map_values(cluster, self.scorer, self.instance, nodes), nodes.shape
        )

    def _matters(self, nodes: Ints, of_offline: bool) -> Floats:
        return np.asarray(self.scorer.counted[of_offline][nodes], dtype=np.float64)

    def _update(
        self, row: int, spread: tuple[Floats, Floats], old: Floats, new: Floats, online: Bools
    ) -> tuple[Floats, Floats]:
        """Sum and variance of a row of `SPREADS` once a node's value is another one."""
        total, variance = spread
        size = float(self.sizes[row])
        moved = new - old
        squares = new * new - old * old
        change = ((size * squares - 2.0 * total * moved) - moved * moved) / (size * size)
        updated = np.maximum(0.0, variance + change)
        if online.all():
            return total + moved, updated
        return np.where(online, total + moved, total), np.where(online, updated, variance)

    def scores(self, rows: Ints, nodes: Ints, view: View) -> Floats:
        """Scores for primaries (by row) with secondaries, whose new state is given."""
        cluster = self.cluster
        site, old = cluster.site_of(nodes), cluster.view(nodes)
        online = self.scorer.place[nodes] >= 0
        parts: dict[int, Floats] = {}
        for row, (component, column) in enumerate(SPREADS):
            if row in self.same:
                parts[component] = parts[SPREADS[self.same[row]][0]]
                continue
            total, variance = self._update(
                row,
                (self.row_sums[row][rows], self.row_variances[row][rows]),
                column(site, old),
                column(site, view),
                online,
            )
            parts[component] = np.sqrt(variance)
            if row == 2:
                parts[19] = total
        for row, (component, column, of_offline) in enumerate(COUNTS):
            more = (column(site, view) - column(site, old)) * self._matters(nodes, of_offline)
            parts[component] = self.row_counts[row][rows] + more
        parts[17] = parts[17] + self._shared(self.primaries[rows], nodes)
        parts[18] = self.row_maps[rows]
        result: Floats = np.zeros(())
        for component, (_, weight) in enumerate(COMPONENTS):
            result = result + weight * parts[component]
        return bounded(np.asarray(result))

    def _shared(self, primaries: Ints, secondaries: Ints) -> Floats:
        """Location tags that both nodes of a pair have; they count on an online primary."""
        counted = self._matters(primaries, False) * self.cluster.demand.one[self.instance]
        return np.asarray(self.cluster.shared_locations(primaries, secondaries) * counted)


def score_pairs(
    cluster: Cluster, scorer: Scorer, instance: int, primaries: Ints, secondaries: Ints
) -> Floats:
    """Scores of a list of pairs, all of them possible."""
    demand = cluster.demand_of(instance)
    marks = cluster.marks_on(instance, primaries, 0.0)
    site, view = cluster.site_of(primaries), cluster.view(primaries)
    first, _ = add_primary(site, view, demand, True, marks)
    how = Secondary(cluster.peers[secondaries, primaries], forced=True)
    site, view = cluster.site_of(secondaries), cluster.view(secondaries)
    second, _ = add_secondary(site, view, demand, how)
    pairs = PairScores(cluster, scorer, instance, primaries, first)
    return pairs.scores(np.arange(len(primaries)), secondaries, second)


def score_singles(cluster: Cluster, scorer: Scorer, instance: int, nodes: Ints) -> Floats:
    """Scores of a list of nodes, all of them possible."""
    demand = cluster.demand_of(instance)
    marks = cluster.marks_on(instance, nodes, 0.0)
    view, _ = add_primary(cluster.site_of(nodes), cluster.view(nodes), demand, True, marks)
    values = _map_values(cluster, scorer, instance, nodes)
    return scorer.scores([Changed(nodes, view)], values)
