"""The result of looking for a place, how several are compared, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..formats.haskell import fixed
from ..model.arrays import Floats
from ..model.changes import Failure
from .placement import Candidates

Score = float | tuple[tuple[int, ...], int]
"""Lower is better; the second form is for dedicated clusters (see `dedicated`)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place for an instance; `secondary` is -1 for none."""

    primary: int
    secondary: int
    score: Score

    @property
    def nodes(self) -> list[int]:
        """The nodes, primary first."""
        return [self.primary] if self.secondary < 0 else [self.primary, self.secondary]


@dataclass(slots=True)
class Found:
    """What came out of trying all places."""

    best: Place | None
    successes: int
    failures: list[int]
    """Counts by code of `Failure`; place 0 is unused."""
    candidates: Candidates | None = field(default=None, repr=False)
    dropped: list[int] = field(default_factory=list)
    """Places in the flattened table that the cluster's redundancy forbids, of those looked at."""

    def reasons(self) -> list[tuple[Failure, int]]:
        """Failures that occurred, in the order of reports."""
        return [(kind, self.failures[kind]) for kind in Failure if self.failures[kind]]


Good = Callable[[int, int], bool]
"""Whether the cluster can still lose any node with the instance on (primary, secondary)."""


def choose(candidates: Candidates, good: Good | None) -> Found:
    """The best place; with `good`, of those that pass it.

    Places are dropped in ascending order of score until one passes: per primary for pairs,
    over all for single nodes. Of equal scores the later place wins.
    """
    failures = candidates.failures()
    if good is None:
        return _lowest(candidates, failures)
    rows = candidates.score if candidates.score.ndim > 1 else candidates.score[None, :]
    width = rows.shape[1]
    best: Place | None = None
    successes = 0
    gone: list[int] = []
    for number, row in enumerate(rows):
        fitting = int(np.isfinite(row).sum())
        for dropped, column in enumerate(_ascending(row, fitting)):
            nodes = candidates.nodes(number * width + column)
            if good(*nodes):
                successes += fitting - dropped
                if best is None or row[column] <= best.score:
                    best = Place(*nodes, float(row[column]))
                break
            failures[Failure.N1] += 1
            gone.append(number * width + column)
    return Found(best, successes, failures, candidates, gone)


def _ascending(row: Floats, count: int) -> list[int]:
    """Places in ascending order of score, later ones first among equals."""
    order = np.argsort(row[::-1], kind="stable")[:count]
    return [len(row) - 1 - int(place) for place in order]


def _lowest(candidates: Candidates, failures: list[int]) -> Found:
    flat = candidates.score.reshape(-1)
    best = None
    if flat.size:
        place = flat.size - 1 - int(flat[::-1].argmin())
        if np.isfinite(flat[place]):
            best = Place(*candidates.nodes(place), float(flat[place]))
    return Found(best, candidates.successes, failures, candidates)


def show_score(score: Score) -> str:
    """A score as reports write it."""
    if isinstance(score, tuple):
        lost = ",".join(map(str, score[0]))
        return f"([{lost}],{score[1]})"
    return fixed(score, 8)


def describe(found: Found, names: Sequence[str]) -> str:
    """One sentence on a search."""
    reasons = ", ".join(f"{kind.label}: {count}" for kind, count in found.reasons())
    if found.best is None:
        return f"No valid allocation solutions, failure reasons: {reasons or 'unknown reasons'}"
    total = sum(found.failures)
    nodes = "/".join(names[node] for node in found.best.nodes)
    return (
        f"score: {show_score(found.best.score)}, successes {found.successes}, "
        f"failures {total} ({reasons}) for node(s) {nodes}"
    )
