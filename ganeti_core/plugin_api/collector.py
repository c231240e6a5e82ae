"""The contract of data collectors: what is watched on a node, with history where it needs one."""

from __future__ import annotations

import math
from typing import Any

from .context import HookContext
from .data import Collected, Description, JsonDict, Report
from .kinds import Kind, hookspec, where

LARGEST_STATE = 1 << 20
"""Bytes of a state as JSON, of a report's data and of its samples: what is larger is refused."""


class CollectorSpec:
    """What the node daemon asks of a collector, at its interval, on every node."""

    @hookspec(firstresult=True)
    @where("master")
    def describe(self) -> Description:
        """Describe the collector: `interval`, `category` and `report_kind`, too."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    @where(timeout=10.0)
    def collect(self, ctx: HookContext, previous: JsonDict | None) -> Collected:
        """Collect once.

        It changes nothing: what it must remember is the state that it returns. A report is
        replaced by the next one; one that failed is replaced by the error.

        :param previous: the state that the call before returned, also across restarts of the
            daemon and the node; None at first, and after a call of another version of the plugin
            it may be in a form of that one
        :raises GanetiError: nothing can be said now; the report then carries the message
        """
        raise NotImplementedError


def problem_of_samples(description: Description, report: Report) -> str:
    """Say what is wrong with the samples of a report; empty when they are as described."""
    metrics = {metric.name: metric for metric in description.metrics}
    samples: dict[str, Any] = report.samples  # what it really is, is the question
    for name, rows in samples.items():
        if name not in metrics:
            return f"the metric '{name}' is not described"
        count = len(metrics[name].labels)
        for row in rows:
            if not isinstance(row, list | tuple) or len(row) != count + 1 or not all(
                    isinstance(label, str) for label in row[:count]):
                return (f"a sample of the metric '{name}' needs {count} label(s), which are texts, "
                        f"and a figure, and is {row!r:.100}")
            right = _is_histogram if metrics[name].type == "histogram" else _is_figure
            if not right(row[count]):
                return (f"a sample of the metric '{name}' is no "
                        f"{'histogram' if right is _is_histogram else 'figure'}: "
                        f"{row[count]!r:.100}")
        if len({tuple(row[:count]) for row in rows}) < len(rows):
            return f"two samples of the metric '{name}' have the same labels"
    return ""


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_histogram(value: Any) -> bool:
    match value:
        case [total, [*pairs, [None, count]]] if _is_figure(total) and all(
                isinstance(pair, list | tuple) and len(pair) == 2 and all(map(_is_figure, pair))
                for pair in pairs):
            bounds = [bound for bound, _ in pairs]
            counts = [*(known for _, known in pairs), count]
            return _is_figure(count) and bounds == sorted(set(bounds)) and (
                counts == sorted(counts) and counts[0] >= 0)
    return False


COLLECTORS = Kind("collectors", CollectorSpec)
