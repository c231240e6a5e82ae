"""What the master counts and measures while it works, for its data collectors.

Who does the work knows nothing of this: it has a function to call, which the master's daemon sets.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

JOB_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0, 14400.0)
LOCK_SECONDS = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)
COMMIT_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)

Samples = list[list[Any]]
"""As in `plugin_api.data.Report.samples`."""


class Histogram:
    """Durations in seconds, by labels; may be used from any thread."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._guard = threading.Lock()
        self._found: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        seconds = max(0.0, seconds)
        with self._guard:
            counts, total = self._found.setdefault(
                labels, ([0] * (len(self._bounds) + 1), [0.0]))
            counts[bisect_left(self._bounds, seconds)] += 1
            total[0] += seconds

    def samples(self) -> Samples:
        """A row per labels, whose figure is as that of a histogram in a report."""
        with self._guard:
            known = [(labels, list(counts), total[0])
                     for labels, (counts, total) in sorted(self._found.items())]
        return [[*labels, [round(total, 6), self._cumulative(counts)]]
                for labels, counts, total in known]

    def _cumulative(self, counts: Sequence[int]) -> list[list[float | None]]:
        return [[bound, sum(counts[:at + 1])] for at, bound in enumerate((*self._bounds, None))]


class Counts:
    """How often something happened, by labels; may be used from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._found: dict[tuple[str, ...], int] = {}

    def add(self, *labels: str) -> None:
        with self._guard:
            self._found[labels] = self._found.get(labels, 0) + 1

    def samples(self) -> Samples:
        with self._guard:
            return [[*labels, count] for labels, count in sorted(self._found.items())]


@dataclass
class Figures:
    """All of them.

    :param asked: further figures that are worked out when somebody asks, by name
    """

    job_wait: Histogram = field(default_factory=lambda: Histogram(JOB_SECONDS))
    job_run: Histogram = field(default_factory=lambda: Histogram(JOB_SECONDS))
    lock_wait: Histogram = field(default_factory=lambda: Histogram(LOCK_SECONDS))
    commit: Histogram = field(default_factory=lambda: Histogram(COMMIT_SECONDS))
    rpc_errors: Counts = field(default_factory=Counts)
    asked: dict[str, Callable[[], Samples]] = field(default_factory=dict)

    def all(self) -> dict[str, Samples]:
        """The samples of each, by name."""
        own = {name: getattr(self, name).samples()
               for name in ("job_wait", "job_run", "lock_wait", "commit", "rpc_errors")}
        return own | {name: ask() for name, ask in self.asked.items()}
