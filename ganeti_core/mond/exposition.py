"""Prometheus's text format, version 0.0.4. Pure.

What a sample's line begins with, the name and the labels, is the same in every report: it is made
once and kept.
"""

from __future__ import annotations

from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ganeti_core.plugin_api.data import Metric

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_PREFIXES = 50_000
"""Of one metric."""
CLUSTER = "cluster"

Lines = tuple[tuple["Metric", str], ...]
"""Metrics, each with the lines of its samples."""


class _Prefixes(dict[tuple[str, ...], str]):
    """What the lines of a metric begin with, by the values of its labels; made when first wanted.

    Each begins with the end of the line before.
    """

    def __init__(self, metric: Metric, cluster: str) -> None:
        super().__init__()
        self._metric = metric
        self._cluster = cluster

    def __missing__(self, values: tuple[str, ...]) -> str:
        metric = self._metric
        names = (CLUSTER, *metric.labels) if metric.cluster_wide else metric.labels
        shown = (self._cluster, *values) if metric.cluster_wide else values
        labels = ",".join(f'{name}="{escaped(value)}"'
                          for name, value in zip(names, shown, strict=True))
        made = self[values] = f"\n{metric.name}{{{labels}}} " if names else f"\n{metric.name} "
        return made


_prefixes: dict[tuple[Metric, str], _Prefixes] = {}


def lines_of(
    metrics: Iterable[Metric], samples: Mapping[str, Sequence[Sequence[Any]]], cluster: str = ""
) -> Lines:
    """Write samples; metrics without any are left out.

    :param cluster: the name of the cluster, for metrics of the whole of it
    """
    return tuple((metric, _lines(metric, rows, cluster))
                 for metric in metrics if (rows := samples.get(metric.name)))


def _lines(metric: Metric, rows: Sequence[Sequence[Any]], cluster: str) -> str:
    known = metric, cluster if metric.cluster_wide else ""
    kept = _prefixes.get(known)
    if kept is None:
        kept = _prefixes[known] = _Prefixes(*known)
    if len(kept) > MOST_PREFIXES:
        kept.clear()  # of instances that are gone, mostly
    # Whole columns at once, in C: row by row takes twice as long.
    *labels, values = zip(*rows, strict=True)
    prefixes = map(kept.__getitem__, zip(*labels, strict=True) if labels else repeat(()))
    if metric.type == "histogram":
        return "".join(_histogram(metric.name, prefix.strip(), value)
                       for prefix, value in zip(prefixes, values, strict=False))
    parts = [""] * (2 * len(rows))
    parts[::2] = islice(prefixes, len(rows))
    parts[1::2] = map(repr, values)
    return f"{''.join(parts)[1:]}\n"


def _histogram(
    name: str, prefix: str, value: tuple[float, Sequence[tuple[float | None, int]]]
) -> str:
    labels = prefix.removeprefix(name)
    inner = f"{labels[1:-1]}," if labels else ""
    total, pairs = value
    lines = [f'{name}_bucket{{{inner}le="{"+Inf" if bound is None else repr(float(bound))}"}} '
             f"{count!r}\n" for bound, count in pairs]
    return "".join([*lines, f"{name}_sum{labels} {total!r}\n",
                    f"{name}_count{labels} {pairs[-1][1]!r}\n"])


def escaped(value: str) -> str:
    """Write a label's value."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def page(lines: Iterable[Lines]) -> str:
    """Put metrics together: each once, with all its samples.

    Where two collectors have metrics of one name that differ, the first counts.
    """
    together: dict[str, tuple[Metric, list[str]]] = {}
    for metric, text in (one for group in lines for one in group):
        known = together.setdefault(metric.name, (metric, []))
        if (known[0].type, known[0].labels) == (metric.type, metric.labels):
            known[1].append(text)
    return "".join(
        f"# HELP {name} {_help(metric.title)}\n# TYPE {name} {metric.type}\n{''.join(texts)}"
        for name, (metric, texts) in sorted(together.items()))


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
