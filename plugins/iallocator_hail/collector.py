"""Collector ``placement``: hbal's scores, and how many more instances hspace finds room for.

It is computed on the master alone, in the process of the hook. The names of the metrics are those
of Ganeti's own exporter, which runs the two programs at each scrape; here nobody waits for it. What
cannot be told has no sample, and one of `UNKNOWN` with the reason instead.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganeti_core.plugin_api import Description, HookContext, NotMaster, hookimpl
from ganeti_core.plugin_api.data import Collected, Metric, Report

from .errors import LoadError, PlacementError
from .requirement import missing_library

if TYPE_CHECKING:
    from .model.cluster import Cluster
    from .records import Description as ClusterDescription
    from .tools.settings import Settings

BALANCE_SECONDS = 5.0
LIMIT = 8.0
"""Seconds from the beginning; the hook itself has ten."""
NICE, CAP_SYS_NICE = 10, 23
TEMPLATE, SIZE = "hspace_disk_template", "hspace_standard_alloc"
SETTINGS = {"type": "object", "properties": {
    TEMPLATE: {
        "type": "string", "default": "",
        "description": "Disk template of the instances of which the data collector placement "
                       "counts how many more fit, as hspace --disk-template; empty: the first one "
                       "that the cluster's policy allows"},
    SIZE: {
        "type": "string", "default": "",
        "pattern": "^([0-9.]+[a-zA-Z]*,[0-9.]+[a-zA-Z]*,[0-9]+(,[0-9]+)?)?$",
        "description": "Their size, as hspace --standard-alloc: disk,memory,processors; empty: the "
                       "standard size of the cluster's policy"}}}


def _metric(name: str, title: str, *labels: str) -> Metric:
    return Metric(f"ganeti_{name}", "gauge", title, labels, cluster_wide=True)


INITIAL = _metric("hbal_initial_score", "Score of a node group as it is; the lower, the better "
                  "balanced", "node_group")
TARGET = _metric("hbal_target_score", "Score that hbal would reach in a node group", "node_group")
ALLOCATABLE = _metric("hspace_allocatable_instances", "Instances of the standard size for which "
                      "there is room")
UNKNOWN = _metric(
    "placement_unknown", "Always 1: a figure, balance (of a node group) or capacity, that could "
    "not be computed. The reason is time, library (one is not installed), or data",
    "figure", "node_group", "reason")
SECONDS = _metric("placement_seconds", "Time that it took to compute the figures of placement")
METRICS = (INITIAL, TARGET, ALLOCATABLE, UNKNOWN, SECONDS)
BALANCE, CAPACITY = "balance", "capacity"


class OutOfTime(Exception):
    """A search was not done in its time."""


@dataclass
class _Found:
    """What is known so far, and what will not be."""

    samples: dict[str, list[list[Any]]] = field(
        default_factory=lambda: {metric.name: [] for metric in METRICS})
    problems: list[str] = field(default_factory=list)

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """:raises PlacementError: it is no number"""
        if not math.isfinite(value):
            raise PlacementError("no node is left to count")
        self.samples[metric.name].append([*labels, value])

    def miss(self, figure: str, group: str, reason: str, problem: str) -> None:
        self.samples[UNKNOWN.name].append([figure, group, reason, 1])
        self.problems.append(f"{figure}{' of ' * bool(group)}{group}: {problem}")

    def attempt(self, figure: str, group: str, work: Callable[[], None]) -> None:
        try:
            work()
        except OutOfTime:
            self.miss(figure, group, "time", "it would take too long")
        except PlacementError as exc:
            self.miss(figure, group, "data", str(exc))


@dataclass(frozen=True)
class Placement:
    """:param clock: seconds, for what must be done in time"""

    clock: Callable[[], float] = time.monotonic

    @hookimpl
    def describe(self) -> Description:
        return Description(
            0, "How balanced the cluster is, and how many more instances fit, on the master",
            interval=300.0, category="daemon", settings=SETTINGS, metrics=METRICS)

    @hookimpl
    def collect(self, ctx: HookContext, previous: dict[str, Any] | None) -> Collected:
        began = self.clock()
        found = _Found()
        try:
            # First of all: the library alone takes a tenth of a second on each other node.
            _rows(ctx, "cluster", ("name",))
            if problem := missing_library():
                for figure in (BALANCE, CAPACITY):
                    found.miss(figure, "", "library", problem)
            else:
                self._compute(ctx, began, found)
        except NotMaster:
            return Collected(Report({"master": False}))
        except LoadError as exc:
            for figure in (BALANCE, CAPACITY):
                found.miss(figure, "", "data", str(exc))
        found.add(SECONDS, round(self.clock() - began, 6))
        if found.problems != (previous or {}).get("problems", []):
            for problem in found.problems:
                ctx.log.warning("figures of placement: %s", problem)
        return Collected(Report({"master": True, "problems": found.problems},
                                samples=found.samples), {"problems": found.problems})

    def _compute(self, ctx: HookContext, began: float, found: _Found) -> None:
        """:raises LoadError: what the master says cannot be used"""
        cluster_data = described(ctx)
        # Imported on the master alone: other nodes need not hold the arrays' library.
        from .model.build import build

        with _behind_others():
            self._figures(build(cluster_data), ctx.config, began, found)

    def _figures(
        self, cluster: Cluster, config: Mapping[str, Any], began: float, found: _Found
    ) -> None:
        from .model.cluster import nodes_of

        def until(seconds: float) -> Callable[[], None]:
            def look() -> None:
                if self.clock() > began + seconds:
                    raise OutOfTime
            return look

        for index, group in enumerate(cluster.description.groups):
            if len(nodes_of(cluster, index)):
                found.attempt(BALANCE, group.name, partial(
                    _balance, cluster.copy(), index, found, until(BALANCE_SECONDS)))
        found.attempt(CAPACITY, "", partial(
            _capacity, cluster, config, found, until(LIMIT)))


@contextmanager
def _behind_others() -> Iterator[None]:
    """Leave the processor to who needs it: jobs of the master, above all.

    Who could not take the usual place again afterwards does not give it up: other hooks run in
    this process, too.
    """
    if not may_come_back():
        yield
        return
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    _be_nice(usual + NICE)
    try:
        yield
    finally:
        _be_nice(usual)


def may_come_back() -> bool:
    """Whether this process may raise its priority, see capabilities(7)."""
    status = Path("/proc/self/status").read_text()
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return effective is not None and bool(int(effective[1], 16) >> CAP_SYS_NICE & 1)


def _be_nice(much: int) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, much)
    # Where the kernel schedules sessions against each other, and this process has its own, see
    # sched(7).
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(much))


def _balance(cluster: Cluster, index: int, found: _Found, look: Callable[[], None]) -> None:
    """As hbal does it; the score before is known in any case."""
    from .model.cluster import nodes_of
    from .model.score import optimal_score
    from .search.balance import Balancer, Rules
    from .tools.settings import Settings

    name, nodes = cluster.description.groups[index].name, nodes_of(cluster, index)
    lowest = optimal_score(cluster, nodes) + Settings().min_score
    balancer = Balancer(cluster, nodes, Rules())
    found.add(INITIAL, balancer.score, name)
    look()
    for _ in balancer.run(lowest=lowest):
        look()
    found.add(TARGET, balancer.score, name)


def _capacity(
    cluster: Cluster, config: Mapping[str, Any], found: _Found, look: Callable[[], None]
) -> None:
    from .tools.hspace import allocatable

    look()
    found.add(ALLOCATABLE, allocatable(cluster, wanted(config), look))


def wanted(config: Mapping[str, Any]) -> Settings:
    """What hspace would be told.

    :raises PlacementError: the size cannot be read
    """
    from .tools.options import read_spec
    from .tools.settings import Settings

    size = config.get(SIZE)
    return Settings(disk_template=config.get(TEMPLATE) or None,
                    standard=read_spec("standard", size) if size else None)


def described(ctx: HookContext) -> ClusterDescription:
    """Ask the master for the cluster.

    :raises NotMaster: it is another node
    :raises LoadError: what it says cannot be used
    """
    from .formats.query_rows import CLUSTER, GROUP, INSTANCE, NODE, Tables, describe

    found = _rows(ctx, "cluster", CLUSTER)
    if not found:
        raise LoadError("the master says nothing of the cluster")
    return describe(Tables(
        groups=_rows(ctx, "group", GROUP), nodes=_rows(ctx, "node", NODE),
        instances=_rows(ctx, "instance", INSTANCE), cluster=found[0]))


def _rows(ctx: HookContext, resource: str, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: value for name, value in zip(fields, row, strict=True) if value is not None}
            for row in ctx.query(resource, list(fields))]
