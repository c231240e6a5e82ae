"""hcheck: tells whether a cluster is healthy, and whether balancing would cure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..formats.haskell import fixed
from ..model.cluster import Cluster, all_nodes, nodes_of
from ..model.score import Scorer, optimal_score
from ..search.balance import Balancer
from ..search.capacity import Capacity
from .hbal import rules_of
from .output import say
from .program import Tool, execute, no_arguments
from .settings import Settings
from .sources import load_cluster


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    return execute(_TOOL, argv)


_COUNTS = (
    ("N1_FAIL", "Nodes not N+1 happy"),
    ("CONFLICT_TAGS", "Nodes with conflicting instances"),
    ("OFFLINE_PRI", "Instances having the primary node offline"),
    ("OFFLINE_SEC", "Instances having a secondary node offline"),
    ("GN1_FAIL", "Nodes not directly evacuateable"),
)


@dataclass(frozen=True, slots=True)
class _Health:
    """Counts of what is wrong with a group, in the order of `_COUNTS`, and its score."""

    group: int
    counts: tuple[int, ...]
    score: float


def _group_health(cluster: Cluster, group: int, settings: Settings) -> _Health:
    nodes = nodes_of(cluster, group)
    state, site = cluster.state, cluster.site
    offline = site.offline[nodes] & ~site.silent[nodes]
    counts = [
        int((state.failing[nodes] & ~site.offline[nodes]).sum()),
        int((state.clashes[nodes] > 0).sum()),
        int(state.primaries[nodes][offline].sum()),
        # Of nodes, not of instances: so does Ganeti.
        int(offline.sum()),
    ]
    if settings.capacity:
        capacity = Capacity(cluster, all_nodes(cluster), nodes)
        counts.append(len(list(capacity.stuck())))
    return _Health(group, tuple(counts), Scorer(cluster, nodes).base())


def _health(cluster: Cluster, settings: Settings) -> list[_Health]:
    groups = range(len(cluster.description.groups))
    return [_group_health(cluster, g, settings) for g in groups if len(nodes_of(cluster, g))]


def _totals(groups: Sequence[_Health], settings: Settings) -> list[int]:
    width = len(_COUNTS) if settings.capacity else len(_COUNTS) - 1
    return [sum(group.counts[i] for group in groups) for i in range(width)]


def _run(settings: Settings, words: list[str]) -> int:
    no_arguments(words)
    cluster = load_cluster(settings)
    before = _health(cluster, settings)
    bad = any(_totals(before, settings))
    report = _Machine(cluster, settings) if settings.machine_readable else _Text(cluster, settings)
    report.verdict(bad)
    report.phase("INIT", before, bad)
    simulated = settings.simulation and bad
    if simulated:
        _rebalance(cluster, settings)
    if simulated or settings.machine_readable:
        report.phase("FINAL", _health(cluster, settings), bad)
    report.close()
    return 1 if bad and settings.simulation else 0


def _rebalance(cluster: Cluster, settings: Settings) -> None:
    """Balance every group, each on its own."""
    for group in range(len(cluster.description.groups)):
        nodes = nodes_of(cluster, group)
        if not len(nodes):
            continue
        lowest = optimal_score(cluster, np.asarray(nodes)) + settings.min_score
        for _ in Balancer(cluster, nodes, rules_of(settings)).run(settings.max_length, lowest):
            pass


class _Machine:
    """Output for programs."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self.cluster = cluster
        self.settings = settings

    def verdict(self, bad: bool) -> None:
        base = self.cluster.description.first_index
        for index, group in enumerate(self.cluster.description.groups, base):
            say(f"HCHECK_GROUP_UUID_{index}={quote(group.uuid)}")

    def phase(self, name: str, groups: Sequence[_Health], bad: bool) -> None:
        base = self.cluster.description.first_index
        for group in groups:
            prefix = f"HCHECK_{name}_GROUP_{group.group + base}_"
            for (key, _), count in zip(_COUNTS, group.counts, strict=False):
                say(f"{prefix}{key}={count}")
            say(f"{prefix}SCORE={fixed(group.score, 8)}")
        prefix = f"HCHECK_{name}_CLUSTER_"
        totals = _totals(groups, self.settings)
        for (key, _), count in zip(_COUNTS, totals, strict=False):
            say(f"{prefix}{key}={count}")
        say(f"{prefix}NEED_REBALANCE={int(bad)}")

    def close(self) -> None:
        say("HCHECK_OK=1")


def quote(value: str) -> str:
    """A value for shells: quoted unless it is made of letters, digits and dots."""
    plain = value.replace(".", "a").isalnum() and value.isascii()
    return value if plain else "'" + value.replace("'", "'\\''") + "'"


class _Text:
    """Output for people."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self.cluster = cluster
        self.settings = settings

    def verdict(self, bad: bool) -> None:
        if not self.settings.simulation:
            self._say("Running in no-simulation mode.")
        elif bad:
            self._say("Cluster needs rebalancing.")
        else:
            self._say("No need to rebalance cluster, no problems found.")

    def phase(self, name: str, groups: Sequence[_Health], bad: bool) -> None:
        when = "initially" if name == "INIT" else "after rebalancing"
        for group in groups:
            title = self.cluster.description.groups[group.group].name
            self._say(f"\nStatistics for group {title} {when}")
            self._counts(group.counts)
            self._say(f"    Group score: {fixed(group.score, 8)}")
        self._say(f"\nCluster statistics {when}")
        self._counts(_totals(groups, self.settings))
        self._say(f"    Cluster is not healthy: {bad}")

    def _say(self, text: str) -> None:
        if self.settings.verbosity > 0:
            say(text)

    def _counts(self, counts: Sequence[int]) -> None:
        for (_, label), count in zip(_COUNTS, counts, strict=False):
            self._say(f"    {label}: {count}")

    def close(self) -> None:
        pass


_TOOL = Tool(
    "hcheck",
    (
        "text-data", "no-disk-moves", "dynu-file", "ignore-dynu", "evac-mode",
        "exclude-instances", "exclusion-tags", "ialloc-src", "no-instance-moves", "luxi",
        "machine-readable", "max-cpu", "max-length", "min-disk", "min-gain", "min-gain-limit",
        "min-score", "ignore-soft-errors", "no-simulation", "offline", "quiet", "master",
        "select-instances", "no-capacity-checks", "verbose",
    ),
    _run,
)
