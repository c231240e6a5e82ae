"""Moves of a single instance, tried against several targets and scored exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.arrays import Floats, Ints
from ..model.batch import Batch, Worst
from ..model.changes import Failure, first_failure
from ..model.cluster import Cluster
from ..model.score import Scorer
from .balance import apply_move
from .estimate import map_values
from .moves import MOVES, Kind, Outcome, Trial


@dataclass(slots=True)
class Tried:
    """Failure codes (0: possible) and scores of one kind of move, per target."""

    targets: Ints
    failure: Ints
    score: Floats

    @property
    def best(self) -> int | None:
        """The target with the lowest score, the last of equals; None if all fail."""
        if not len(self.score):
            return None
        place = len(self.score) - 1 - int(self.score[::-1].argmin())
        return int(self.targets[place]) if np.isfinite(self.score[place]) else None


def attempt(
    cluster: Cluster, instance: int, kind: Kind, targets: Ints, *, soft: bool
) -> tuple[Batch, Outcome]:
    """What a move of an instance to each of the targets would lead to."""
    batch = Batch(cluster, np.full(len(targets), instance), _worst(cluster, instance), grid=False)
    return batch, MOVES[kind](Trial(batch, targets, soft))


def _worst(cluster: Cluster, instance: int) -> Worst:
    """Ganeti table's extremes, read for the instance's secondary only."""
    size = cluster.node_count
    worst = Worst(np.zeros(size), np.zeros(size, dtype=np.int64), np.zeros(size))
    secondary = int(cluster.secondary[instance])
    if secondary >= 0:
        worst.update(cluster, np.array([secondary]))
    return worst


def try_targets(
    cluster: Cluster,
    instance: int,
    kind: Kind,
    targets: Ints,
    scored: Ints | Scorer,
    *,
    soft: bool,
) -> Tried:
    """Try targets; scores are of the nodes `scored` (or by a scorer made before).

    The instance is taken to be elsewhere than on the targets.
    """
    batch, outcome = attempt(cluster, instance, kind, targets, soft=soft)
    failure = np.broadcast_to(first_failure(outcome.checks), targets.shape)
    score = np.full(len(targets), np.inf)
    fits = np.flatnonzero(failure == 0)
    if len(fits):
        if len(fits) < len(targets):
            batch, outcome = attempt(cluster, instance, kind, targets[fits], soft=soft)
        scorer = scored if isinstance(scored, Scorer) else Scorer(cluster, scored)
        values = map_values(batch, scorer, outcome.primary)
        score[fits] = scorer.scores(outcome.changes, values)
    return Tried(targets, failure, score)


def move_checked(
    cluster: Cluster, instance: int, kind: Kind, target: int, *, soft: bool
) -> Failure | None:
    """Make a move if its checks allow it; else tell why not."""
    _, outcome = attempt(cluster, instance, kind, np.array([target]), soft=soft)
    failure = int(np.broadcast_to(first_failure(outcome.checks), (1,))[0])
    if failure:
        return Failure(failure)
    apply_move(cluster, instance, kind, target)
    return None
