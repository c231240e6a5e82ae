"""What the best move of every instance would have gained when it was last looked at.

A move changes little: only instances on the nodes that took part see everything anew, all
others see those nodes as targets. What else they remembered stays nearly true, so in large
clusters only the instances that promise most are looked at again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numpy as np

from ..model.arrays import Floats, Ints

_AGAIN: Final = 0.85
"""What promises this part of the best gain is looked at again before a move is chosen."""
_AT_ONCE: Final = 48

Sweep = Callable[[Ints, Ints | None], Floats]
"""Lowest estimated scores of instances, over some targets or (None) over all."""


class Remembered:
    """Gains by instance; used only for candidates in ascending order."""

    def __init__(self, candidates: Ints, sweep: Sweep) -> None:
        self.candidates = candidates
        self.sweep = sweep
        self.gains: Floats | None = None
        self.scores = np.ones(len(candidates))
        """The cluster's score when each gain was seen: gains grow as the score falls."""
        self.fresh = np.zeros(len(candidates), dtype=np.bool_)
        self.touched: Ints = np.zeros(0, dtype=np.int64)

    def moved(self, nodes: Ints) -> None:
        """Nodes have changed."""
        self.touched = nodes

    def lowest(self, score: float, primary: Ints, secondary: Ints) -> tuple[Ints, Floats]:
        """Instances that may have the best move now, with the lowest scores of their moves.

        `primary` and `secondary` tell where the candidates are.
        """
        if self.gains is None:
            return self.everything(score)
        self.fresh[:] = False
        gains = self.gains
        near = np.isin(primary, self.touched) | np.isin(secondary, self.touched)
        self._look(np.flatnonzero(near), score)
        others = np.flatnonzero(~near)
        seen = score - self.sweep(self.candidates[others], self.touched)
        more = seen > gains[others]
        gains[others] = np.where(more, seen, gains[others])
        self.scores[others] = np.where(more, score, self.scores[others])
        while len(rows := self._promising(score)):
            self._look(rows, score)
        rows = np.flatnonzero(self.fresh)
        return self.candidates[rows], score - gains[rows]

    def everything(self, score: float) -> tuple[Ints, Floats]:
        """Look at all candidates."""
        lowest = self.sweep(self.candidates, None)
        self.gains = score - lowest
        self.scores[:] = score
        return self.candidates, lowest

    def _look(self, rows: Ints, score: float) -> None:
        gains = cast("Floats", self.gains)
        gains[rows] = score - self.sweep(self.candidates[rows], None)
        self.scores[rows] = score
        self.fresh[rows] = True

    def _promising(self, score: float) -> Ints:
        """Rows not looked at in this step that may beat the ones that were."""
        gains = cast("Floats", self.gains)
        best = np.max(gains[self.fresh], initial=0.0)
        hidden = np.where(self.fresh, -np.inf, gains * self.scores / score)
        count = min(_AT_ONCE, len(hidden))
        top = np.argpartition(hidden, len(hidden) - count)[-count:] if count else np.zeros(0, int)
        return np.asarray(top[hidden[top] > best * _AGAIN], dtype=np.int64)
