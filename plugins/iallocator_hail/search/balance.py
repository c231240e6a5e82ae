"""Balancing: step by step the one move that lowers the score most.

Of all moves of all instances the first with the lowest score is made. Estimates of every move
find the few that can be it, which are then scored exactly. Large clusters remember what an
instance's best move would have gained and look again only where that may still matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from ..model.arrays import Bools, Floats, Ints
from ..model.batch import Batch, Worst
from ..model.cluster import Cluster
from ..model.score import Scorer
from ..records import FREELY_MOVABLE
from .estimate import SLACK, Estimator, Plan, map_values
from .moves import MOVES, Kind, Trial
from .remembered import Remembered

_CHUNK: Final = 24_000
"""Cells (instances by targets) that are looked at together: temporaries stay in the cache."""
_LARGE: Final = 250_000
"""Cells from which on it pays not to look at all of them in each step."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which moves may be made, and when to stop."""

    disk_moves: bool = True
    instance_moves: bool = True
    restricted_migration: bool = False
    evacuation: bool = False
    soft: bool = False
    min_gain: float = 1e-2
    min_gain_limit: float = 1e-1


@dataclass(frozen=True, slots=True)
class Move:
    """One move that was made."""

    instance: int
    kind: Kind
    target: int
    """The node named in the move, -1 for a plain failover."""
    source: tuple[int, int]
    """Primary and secondary before."""
    result: tuple[int, int]
    score: float
    """The cluster's score afterwards."""


@dataclass(slots=True)
class _Best:
    """Candidates near the lowest estimate, in the order in which they have to be compared."""

    instance: Ints
    kind: Ints
    target: Ints


class Balancer:
    """Balances the given nodes of a cluster, whose state it changes as it goes."""

    def __init__(self, cluster: Cluster, nodes: Ints, rules: Rules) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.rules = rules
        self.plan = Plan.of(cluster)
        self.worst = Worst.of(cluster)
        self.scorer = Scorer(cluster, nodes)
        self.score = self.scorer.base()
        self.targets = self.scorer.online
        self.candidates = self._candidates()
        self.is_drbd = cluster.demand.drbd[: len(cluster.instances)]
        self.is_free = np.array([i.kind in FREELY_MOVABLE for i in cluster.instances])
        self.estimator: Estimator | None = None
        large = len(self.candidates) * len(self.targets) > _LARGE
        self.memory = Remembered(self.candidates, self.sweep) if large else None

    def _candidates(self) -> Ints:
        cluster = self.cluster
        inside = np.zeros(cluster.node_count + 1, dtype=np.bool_)
        inside[self.nodes] = True
        balanced = np.array([item.auto_balance for item in cluster.instances], dtype=np.bool_)
        count = len(cluster.instances)
        chosen = cluster.movable[:count] & balanced & inside[cluster.primary[:count]]
        # Nobody knows what goes on on a node that does not answer: nothing is moved from there.
        silent = np.append(cluster.site.silent, False)
        chosen &= ~(silent[cluster.primary[:count]] | silent[cluster.secondary[:count]])
        return np.flatnonzero(chosen).astype(np.int64)

    def _now(self) -> Ints:
        """Instances that may be moved in this step."""
        if not self.rules.evacuation:
            return self.candidates
        cluster, chosen = self.cluster, self.candidates
        offline = np.append(cluster.site.offline, False)
        second = np.where(cluster.demand.drbd[chosen], cluster.secondary[chosen], -1)
        return np.asarray(chosen[offline[cluster.primary[chosen]] | offline[second]])

    def run(self, limit: int = -1, lowest: float = -np.inf) -> Iterator[Move]:
        """Make moves until none is worth it, the score is that low, or so many are made (-1: all).
        """
        while limit != 0 and self.score > lowest:
            move = self.step()
            if move is None:
                return
            yield move
            limit -= 1

    def step(self) -> Move | None:
        """Make the best move, if it gains enough."""
        best = self._best()
        if self.memory is not None and (best is None or not self._worth(best.score)):
            self.memory.gains = None
            best = self._best()
        if best is None or not self._worth(best.score):
            return None
        self._apply(best)
        return best

    def best_left(self) -> Move | None:
        """The move that would lower the score most, worth it or not; None if none does."""
        if self.memory is not None:
            self.memory.gains = None
        best = self._best()
        return best if best is not None and best.score < self.score else None

    def _worth(self, score: float) -> bool:
        gain = self.score - score
        return score < self.score and (
            self.score > self.rules.min_gain_limit or gain >= self.rules.min_gain
        )

    def _apply(self, move: Move) -> None:
        cluster, instance = self.cluster, move.instance
        apply_move(cluster, instance, move.kind, move.target)
        nodes = {*move.source, *move.result} - {-1}
        changed = np.array(sorted(nodes))
        self.worst.update(cluster, changed)
        if self.memory is not None:
            self.memory.moved(changed)
        self.scorer = Scorer(cluster, self.nodes)
        self.score = move.score
        self.estimator = None

    def _best(self) -> Move | None:
        instances = self._now()
        if not len(instances) or not len(self.targets):
            return None
        self.estimator = self.estimator or Estimator(self.cluster, self.scorer, self.plan)
        if self.memory is None and len(instances) * len(self.targets) <= _CHUNK:
            tables = list(self._tables(instances))
            least = np.min([scores.min(initial=np.inf) for _, _, scores in tables], initial=np.inf)
            return self._exactly(self._near(tables, least)) if self._promises(least) else None
        if self.memory is not None and not self.rules.evacuation:
            where = self.cluster.primary[instances], self.cluster.secondary[instances]
            instances, lowest = self.memory.lowest(self.score, *where)
        else:
            lowest = self.sweep(instances)
        least = lowest.min(initial=np.inf)
        if not self._promises(least):
            return None
        near = instances[lowest <= least + 2 * SLACK]
        return self._exactly(self._near(self._tables(near), least))

    def _promises(self, least: float) -> bool:
        """Whether a lowest estimate may be an improvement."""
        return bool(least < self.score + SLACK)

    def _tables(self, instances: Ints) -> Iterator[tuple[Ints, Kind, Floats]]:
        """Estimates of all moves to all targets: instances down, targets across."""
        step = max(1, _CHUNK // max(1, len(self.targets)))
        for start in range(0, len(instances), step):
            part = instances[start : start + step]
            for rows, kind, scores in self._estimates(part, self.targets):
                yield part[rows], kind, scores

    def sweep(self, instances: Ints, targets: Ints | None = None) -> Floats:
        """The lowest estimate of each instance, over some or all targets."""
        targets = self.targets if targets is None else targets[self._is_target(targets)]
        out = np.full(len(instances), np.inf)
        if not len(targets):
            return out
        step = max(1, _CHUNK // max(1, len(targets)))
        for start in range(0, len(instances), step):
            part = slice(start, start + step)
            for rows, _, scores in self._estimates(instances[part], targets):
                lowest = scores.min(axis=1)
                out[part][rows] = np.minimum(out[part][rows], lowest)
        return out

    def _estimates(
        self, instances: Ints, targets: Ints
    ) -> Iterator[tuple[Ints, Kind, Floats]]:
        """Estimated scores per kind of move: rows of `instances`, scores by target."""
        for rows, kinds in self._groups(instances):
            batch = Batch(self.cluster, instances[rows], self.worst, grid=True)
            other = (targets != batch.primary) & (targets != batch.secondary)
            across = targets[None, :]
            estimator = cast("Estimator", self.estimator)
            if estimator.spreads is not None:
                batch.leave_out_loads()
            for kind in kinds:
                target = batch.secondary if kind is Kind.FAILOVER else across
                outcome = MOVES[kind](Trial(batch, target, self.rules.soft))
                allowed = outcome.possible
                if kind is not Kind.FAILOVER:
                    allowed = allowed & other
                values = map_values(batch, self.scorer, outcome.primary)
                scores = estimator.table(batch, kind, outcome.changes, targets, values)
                yield rows, kind, np.where(allowed, scores, np.inf)

    def _groups(self, instances: Ints) -> Iterator[tuple[Ints, list[Kind]]]:
        """Rows of instances that may make the same kinds of moves."""
        rules, cluster = self.rules, self.cluster
        free = self.is_free[instances]
        if rules.instance_moves and free.any():
            yield np.flatnonzero(free), [Kind.FAILOVER_TO]
        drbd = self.is_drbd[instances]
        dead = cluster.site.offline[cluster.primary[instances]]
        alive = self._is_target(cluster.secondary[instances])
        for p_dead in (False, True):
            for s_alive in (False, True):
                rows = np.flatnonzero(drbd & (dead == p_dead) & (alive == s_alive))
                kinds = self._kinds(p_dead, s_alive)
                if len(rows) and kinds:
                    yield rows, kinds

    def _is_target(self, nodes: Ints) -> Bools:
        online = np.append(self.scorer.place >= 0, False)
        return np.asarray(online[nodes])

    def _kinds(self, p_dead: bool, s_alive: bool) -> list[Kind]:
        rules = self.rules
        s_alive = s_alive and rules.instance_moves
        kinds = [Kind.FAILOVER] if s_alive else []
        if not rules.disk_moves:
            return kinds
        if not rules.instance_moves or (rules.restricted_migration and not p_dead):
            return [*kinds, Kind.REPLACE_SECONDARY]
        kinds += [Kind.REPLACE_SECONDARY, Kind.REPLACE_FAILOVER]
        if s_alive and not rules.restricted_migration:
            kinds.append(Kind.REPLACE_PRIMARY)
        if s_alive:
            kinds.append(Kind.FAILOVER_REPLACE)
        return kinds

    def _near(self, tables: Iterable[tuple[Ints, Kind, Floats]], least: float) -> _Best:
        """All moves whose estimate may be the lowest one's, or below."""
        found: list[Ints] = []
        for instances, kind, scores in tables:
            row, column = np.nonzero(scores <= least + 2 * SLACK)
            columns = np.full_like(column, -1) if kind is Kind.FAILOVER else column
            found.append(np.stack([instances[row], columns, np.full_like(row, int(kind))]))
        table = np.concatenate(found, axis=1)
        table = table[:, np.lexsort(table[::-1])]
        targets = np.where(table[1] < 0, -1, self.targets[table[1]])
        return _Best(table[0], table[2], targets)

    def _exactly(self, best: _Best) -> Move | None:
        """The first of the candidates with the lowest exact score."""
        count = len(best.instance)
        scores = np.full(count, np.inf)
        for kind in sorted(set(best.kind.tolist())):
            rows = np.flatnonzero(best.kind == kind)
            scores[rows] = self._exact_scores(best, rows, Kind(kind))
        scores = np.where(np.isnan(scores), np.inf, scores)
        place = int(scores.argmin())
        if not np.isfinite(scores[place]):
            return None
        return self._move(
            int(best.instance[place]),
            Kind(int(best.kind[place])),
            int(best.target[place]),
            float(scores[place]),
        )

    def _exact_scores(self, best: _Best, rows: Ints, kind: Kind) -> Floats:
        batch = Batch(self.cluster, best.instance[rows], self.worst, grid=False)
        outcome = MOVES[kind](Trial(batch, best.target[rows], self.rules.soft))
        values = map_values(batch, self.scorer, outcome.primary)
        return self.scorer.scores(outcome.changes, values)

    def _move(self, instance: int, kind: Kind, target: int, score: float) -> Move:
        cluster = self.cluster
        source = int(cluster.primary[instance]), int(cluster.secondary[instance])
        return Move(instance, kind, target, source, result_of(kind, source, target), score)


def result_of(kind: Kind, source: tuple[int, int], target: int) -> tuple[int, int]:
    """The nodes of an instance after a move."""
    p, s = source
    return {
        Kind.FAILOVER: (s, p),
        Kind.FAILOVER_TO: (target, -1),
        Kind.REPLACE_SECONDARY: (p, target),
        Kind.REPLACE_FAILOVER: (target, p),
        Kind.REPLACE_PRIMARY: (target, s),
        Kind.FAILOVER_REPLACE: (s, target),
    }[kind]


def apply_move(cluster: Cluster, instance: int, kind: Kind, target: int) -> None:
    """Change the cluster's state as a move does."""
    source = int(cluster.primary[instance]), int(cluster.secondary[instance])
    node, other = result_of(kind, source, target)
    score = float(cluster.location_score[instance])
    if kind not in (Kind.FAILOVER, Kind.FAILOVER_TO):
        score = float(cluster.shared_locations(node, other))
    cluster.take_off(instance)
    cluster.put(instance, node, other, score)


def policy_violations(cluster: Cluster, nodes: Ints) -> Bools:
    """Nodes whose processors or spindles are overcommitted."""
    site, view = cluster.site_of(nodes), cluster.view(nodes)
    busy = view.spindles > site.max_spindles
    return busy | (view.cpus / site.total_cpus > site.max_ratio)
