"""Spreads of whole tables of moves, for figures that grow in proportion to what instances take.

A node's value of such a column is a figure of its state times a constant of the node. What a
move does to the column's variance is then a sum of four products of something of the instance
and something of the target, so that a table of all moves is one small matrix product.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from ..model.arrays import Demand, Floats, Ints, Site
from ..model.batch import Batch
from ..model.cluster import Cluster
from ..model.score import SPREADS, Scorer
from .moves import ROLES, Kind, Role, Roles


class _Figure(NamedTuple):
    """What divides a figure of the state, and what instances add to it (`-`: take)."""

    divisors: tuple[str, ...]
    primary: str
    secondary: str = ""


_FIGURES: Final = {
    0: _Figure(("mem_base",), "-running"),
    1: _Figure(("total_disk",), "-disk", "-disk"),
    3: _Figure(("cpu_base", "speed"), "cpus"),
    4: _Figure((), "load_cpu"),
    5: _Figure((), "load_mem"),
    6: _Figure((), "load_disk", "load_disk"),
    7: _Figure((), "load_net"),
    8: _Figure(("spindle_base",), "spindle_use", "spindle_use"),
    9: _Figure(("mem_base",), "-memory"),
    10: _Figure(("total_disk",), "-disk_forth", "-disk_forth"),
    11: _Figure(("cpu_base", "speed"), "cpus_forth"),
    12: _Figure(("spindle_base",), "spindle_use_forth", "spindle_use_forth"),
}
"""By row of `SPREADS`: all columns but the one of reserved memory."""


def _signed(demand: Demand, name: str) -> Floats:
    """What instances add to a figure."""
    values: Floats = getattr(demand, name.lstrip("-"))
    return -values if name.startswith("-") else values


def _scale(site: Site, figure: _Figure) -> Floats:
    """What a unit of a figure makes of the column; 0 where a node has no storage at all."""
    scale = np.ones(site.mem_base.shape)
    for name in figure.divisors:
        divisor = getattr(site, name)
        if name == "total_disk":
            divisor = np.where(divisor == 0, np.inf, divisor)
        scale = scale / divisor
    return scale


class Proportions:
    """The columns in question and what instances add to them; stays true while moves are made."""

    def __init__(self, cluster: Cluster, weighted: tuple[tuple[int, float], ...]) -> None:
        chosen = [(row, weight) for row, weight in weighted if row in _FIGURES]
        self.rows = [row for row, _ in chosen]
        self.weights = np.array([weight for _, weight in chosen])
        self.figures = [_FIGURES[row] for row in self.rows]
        primary = [figure.primary for figure in self.figures]
        secondary = [figure.secondary for figure in self.figures]
        self.added = {
            Role.PRIMARY: _added(cluster, primary),
            Role.SECONDARY: _added(cluster, secondary),
        }
        """Instances by columns."""
        self.touched = {
            Role.PRIMARY: _where(primary),
            Role.SECONDARY: _where(secondary),
        }
        """Columns that a role changes, and the others."""
        self._buffer: Floats = np.zeros(0)

    def room(self, *shape: int) -> Floats:
        """An array to work in, which the next call reuses: fresh memory is slow to come by."""
        count = math.prod(shape)
        if count > len(self._buffer):
            self._buffer = np.empty(count)
        return self._buffer[:count].reshape(shape)


def _added(cluster: Cluster, names: list[str]) -> Floats:
    nothing = np.zeros_like(cluster.demand.memory)
    return np.stack([_signed(cluster.demand, name) if name else nothing for name in names], axis=1)


def _where(names: list[str]) -> tuple[Ints, Ints]:
    used = np.array([bool(name) for name in names])
    return np.flatnonzero(used), np.flatnonzero(~used)


class Spreads:
    """Weighted spreads of the columns after moves from one state of the cluster."""

    def __init__(self, proportions: Proportions, scorer: Scorer, centred: Floats) -> None:
        self.proportions = proportions
        cluster = scorer.cluster
        online = scorer.place >= 0
        self.sizes = scorer.sizes[proportions.rows]
        # Nodes that do not count have a scale of 0, so that nothing about them matters.
        self.scale = np.zeros((cluster.node_count, len(proportions.rows)))
        for row, figure in enumerate(proportions.figures):
            self.scale[online, row] = _scale(cluster.site, figure)[online]
        self.centred = centred[proportions.rows].T
        self.squares = (self.centred * self.centred).sum(axis=0)
        self._targets: Ints | None = None
        self._factors: dict[Role, Floats] = {}
        self._batch: Batch | None = None
        self._known: dict[tuple[Role, Role | None], tuple[Floats, Floats]] = {}

    @property
    def usable(self) -> bool:
        """Whether all columns are proportional, and finite."""
        return bool(np.isfinite(self.scale).all() and np.isfinite(self.centred).all())

    def _across(self, targets: Ints, role: Role) -> Floats:
        """What moves multiply with: per column that the role changes, four rows of the targets."""
        if self._targets is not targets:
            self._targets, self._factors = targets, {}
        if role not in self._factors:
            rows, _ = self.proportions.touched[role]
            scale, centred = self.scale[targets].T[rows], self.centred[targets].T[rows]
            ones = np.ones_like(scale)
            self._factors[role] = np.stack([ones, centred * scale, scale * scale, scale], axis=1)
        return self._factors[role]

    def _left(self, batch: Batch, was: Role, now: Role | None) -> tuple[Floats, Floats]:
        """Changes of sums and of sums of squares where the instances are: rows by columns."""
        if self._batch is not batch:
            self._batch, self._known = batch, {}
        if (was, now) not in self._known:
            nodes = (batch.primary if was is Role.PRIMARY else batch.secondary)[:, 0]
            instances, added = batch.instances[:, 0], self.proportions.added
            amount = -added[was][instances]
            if now is not None:
                amount += added[now][instances]
            more = amount * self.scale[nodes]
            self._known[was, now] = more, (2.0 * self.centred[nodes] + more) * more
        return self._known[was, now]

    def _fixed(self, batch: Batch, roles: Roles) -> tuple[Floats, Floats]:
        """Changes by all that does not depend on the target."""
        shape = (len(batch.instances), len(self.proportions.rows))
        moved, squared = np.zeros(shape), np.zeros(shape)
        mirrored = roles.target is not Role.PRIMARY or roles[:2] != (None, None)
        for was, now in zip(Role, roles[: 2 if mirrored else 1], strict=False):
            if was is not now:
                more, more_squared = self._left(batch, was, now)
                moved += more
                squared += more_squared
        return moved, squared

    def scores(self, batch: Batch, kind: Kind, targets: Ints) -> Floats:
        """Instances by targets: this part of the score; one column where there is no target."""
        roles, weights = ROLES[kind], self.proportions.weights
        moved, squared = self._fixed(batch, roles)
        share = moved / self.sizes
        constant = (self.squares + squared) / self.sizes - share * share
        if roles.target is None:
            return np.asarray(np.sqrt(np.maximum(constant, 0.0)) @ weights)[:, None]
        rows, others = self.proportions.touched[roles.target]
        rest = np.sqrt(np.maximum(constant[:, others], 0.0)) @ weights[others]
        added = self.proportions.added[roles.target][batch.instances[:, 0]][:, rows]
        size = self.sizes[rows, None]
        down = np.empty((len(rows), len(added), 4))
        down[:, :, 0] = constant[:, rows].T
        down[:, :, 1] = added.T * (2.0 / size)
        down[:, :, 2] = (added * added).T * (1.0 / size - 1.0 / (size * size))
        down[:, :, 3] = (share[:, rows] * added).T * (-2.0 / size)
        variances = self.proportions.room(len(rows), len(added), len(targets))
        np.matmul(down, self._across(targets, roles.target), out=variances)
        np.maximum(variances, 0.0, out=variances)
        np.sqrt(variances, out=variances)
        spreads = weights[rows] @ variances.reshape(len(rows), -1)
        return np.asarray(spreads.reshape(variances.shape[1:]) + rest[:, None])


def proportional(cluster: Cluster) -> bool:
    """Whether columns can be proportional at all: exclusive storage counts differently."""
    return not cluster.site.any_exclusive and len(SPREADS) == len(_FIGURES) + 1
