"""Fast scores of very many moves: from sums over nodes and what each move changes in them.

Right to about 1e-9 (see `SLACK`); ties are decided afterwards by the exact `Scorer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..model.arrays import Bools, Floats, Ints
from ..model.batch import Batch
from ..model.cluster import Cluster
from ..model.score import COMPONENTS, COUNTS, RESERVED_ROW, SPREADS, Changed, Scorer, equal_rows
from .linear import Proportions, Spreads, proportional
from .moves import ROLES, Kind, Role

SLACK: Final = 2e-7
"""How far an estimate may be off: variances near zero lose half of their digits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which columns have to be looked at, with weights: equal columns are looked at once."""

    spreads: tuple[tuple[int, float], ...]
    """Rows of `SPREADS`."""
    counts: tuple[int, ...]
    """Rows of `COUNTS`."""
    proportions: Proportions | None
    """The quick way for most columns, where there is one."""

    @classmethod
    def of(cls, cluster: Cluster) -> Plan:
        """Find columns that are equal now and stay so whatever moves."""
        same = equal_rows(cluster, cluster.demand)
        weights: dict[int, float] = {}
        for row, (component, _) in enumerate(SPREADS):
            target = same.get(row, row)
            weights[target] = weights.get(target, 0.0) + COMPONENTS[component][1]
        spreads = tuple(weights.items())
        quick = Proportions(cluster, spreads) if proportional(cluster) else None
        return cls(spreads, tuple(cls._counts(cluster)), quick)

    @staticmethod
    def _counts(cluster: Cluster) -> list[int]:
        rows = [0]
        if cluster.site.offline.any():
            rows += [1, 2]
        if cluster.labels.exclusion_names:
            rows.append(3)
        if cluster.has_locations:
            rows.append(4)
        return rows


class Estimator:
    """Estimates for moves from the present state of a cluster."""

    def __init__(self, cluster: Cluster, scorer: Scorer, plan: Plan) -> None:
        self.cluster = cluster
        self.scorer = scorer
        self.plan = plan
        online = scorer.online
        self.sizes = scorer.sizes
        self.is_online: Bools = scorer.place >= 0
        self.all_online = bool(self.is_online.all())
        self.is_offline = scorer.counted[True]
        self.means = scorer.columns.sum(axis=1) / self.sizes
        # Centred, so that differences of squares keep their digits.
        self.centred = np.zeros((len(SPREADS), cluster.node_count))
        self.centred[:, online] = scorer.columns - self.means[:, None]
        self.part = np.broadcast_to(self.is_online, self.centred.shape)
        """Rows of `SPREADS` by nodes: which take part."""
        if scorer.part is not None:
            self.part = self.part.copy()
            self.part[:, online] = scorer.part
            self.centred *= self.part
        self.squares = (self.centred * self.centred).sum(axis=1)
        self.reserved_sum = scorer.columns[RESERVED_ROW].sum()
        self.constant = self._constant()
        self.counted = [
            COUNTS[row][1](cluster.site, cluster.state) for row in plan.counts
        ]
        self.reserved_scale = np.where(self.is_online, 1.0 / cluster.site.mem_base, 0.0)
        self.spreads = self._quick_spreads()

    def _quick_spreads(self) -> Spreads | None:
        if self.plan.proportions is None:
            return None
        spreads = Spreads(self.plan.proportions, self.scorer, self.centred)
        return spreads if spreads.usable else None

    def _constant(self) -> float:
        """What the counts of the present state contribute."""
        total = 0.0
        for row in self.plan.counts:
            component, _, _ = COUNTS[row]
            total += COMPONENTS[component][1] * self.scorer.counts[row]
        return total

    def table(
        self,
        batch: Batch,
        kind: Kind,
        changes: list[Changed],
        targets: Ints,
        map_values: Floats | float,
    ) -> Floats:
        """Estimated scores of one kind of move of a grid's instances to targets."""
        if self.spreads is None:
            return self.scores(changes, map_values)
        total = self.spreads.scores(batch, kind, targets)
        total = total + (self.constant + map_values) + self._count_changes(changes)
        # Only secondaries keep memory reserved for others.
        joins = ROLES[kind].target
        return self._reserved(total, changes[:-1] if joins is Role.PRIMARY else changes)

    def _reserved(self, total: Floats, changes: list[Changed]) -> Floats:
        """Add the part of the score that memory reserved for other nodes makes.

        Where it depends on the target it mostly stays what it was, so only the rest is computed.
        """
        moved: Floats = np.zeros((len(total), 1))
        squared: Floats = np.zeros((len(total), 1))
        wide: tuple[Changed, Floats] | None = None
        for change in changes:
            more = change.view.reserved - self.cluster.state.reserved[change.node]
            if more.shape[1] > 1:
                wide = change, more
                continue
            more = more * self.reserved_scale[change.node]
            moved = moved + more
            squared = squared + (2.0 * self.centred[RESERVED_ROW][change.node] + more) * more
        result: Floats = total + self._reserved_part(moved, squared)
        if wide is not None:
            row, column = wide[1].nonzero()
            node = np.broadcast_to(wide[0].node, wide[1].shape)[row, column]
            more = wide[1][row, column] * self.reserved_scale[node]
            moved = moved[row, 0] + more
            squared = squared[row, 0] + (2.0 * self.centred[RESERVED_ROW][node] + more) * more
            part = self._reserved_part(moved, squared)
            result[row, column] = np.broadcast_to(total, result.shape)[row, column] + part
        return result

    def _reserved_part(self, moved: Floats, squared: Floats) -> Floats:
        size = self.sizes[RESERVED_ROW]
        share = moved / size
        variance = (self.squares[RESERVED_ROW] + squared) / size - share * share
        return np.asarray(
            np.sqrt(np.maximum(variance, 0.0)) + 0.25 * (self.reserved_sum + moved)
        )

    def scores(self, changes: list[Changed], map_values: Floats | float) -> Floats:
        """Estimated scores, of the shape that the changes broadcast to."""
        total: Floats = np.asarray(self.constant + map_values)
        total = total + self._count_changes(changes)
        for row, weight in self.plan.spreads:
            moved, squared = self._deltas(row, changes)
            moved_share = moved / self.sizes[row]
            variance = (self.squares[row] + squared) / self.sizes[row] - moved_share * moved_share
            total = total + weight * np.sqrt(np.maximum(variance, 0.0))
            if row == RESERVED_ROW:
                total = total + 0.25 * (self.reserved_sum + moved)
        return total

    def _deltas(self, row: int, changes: list[Changed]) -> tuple[Floats, Floats]:
        """Changes of the sum and of the sum of squares of one column."""
        column = SPREADS[row][1]
        moved: Floats = np.zeros(())
        squared: Floats = np.zeros(())
        for change in changes:
            site = self.cluster.site_of(change.node)
            new = column(site, change.view) - self.means[row]
            old = self.centred[row][change.node]
            more = new - old
            more_squared = new * new - old * old
            if not self.all_online or self.scorer.part is not None:
                here = self.part[row][change.node]
                more = np.where(here, more, 0.0)
                more_squared = np.where(here, more_squared, 0.0)
            moved = moved + more
            squared = squared + more_squared
        return moved, squared

    def _count_changes(self, changes: list[Changed]) -> Floats:
        total: Floats = np.zeros(())
        for row, before in zip(self.plan.counts, self.counted, strict=True):
            component, column, of_offline = COUNTS[row]
            weight = COMPONENTS[component][1]
            for change in changes:
                more = weight * (column(self.cluster.site, change.view) - before[change.node])
                if of_offline or not self.all_online:
                    counted = self.is_offline if of_offline else self.is_online
                    more = np.where(counted[change.node], more, 0.0)
                total = total + more
        return total


def map_values(batch: Batch, scorer: Scorer, primary: Ints) -> Floats | float:
    """The component for equal services in one location, if the primaries went there."""
    cluster, counts = batch.cluster, scorer.map_counts
    if not counts.size:
        return 0.0
    labels = cluster.labels
    carried = labels.exclusion[batch.instances] * batch.demand.one[..., None]
    online = scorer.place >= 0
    here = labels.location[batch.primary] * online[batch.primary][..., None]
    left = counts - here[..., :, None] * carried[..., None, :]
    base = np.maximum(0.0, left - 1.0).sum(axis=(-2, -1))
    more = np.maximum(0.0, left + carried[..., None, :] - 1.0) - np.maximum(0.0, left - 1.0)
    gain = more.sum(axis=-1)
    there = labels.location[primary] * online[primary][..., None]
    if batch.grid and primary.shape[0] == 1:
        return np.asarray(base + gain[:, 0] @ there[0].T)
    return np.asarray(base + (gain * there).sum(axis=-1))

