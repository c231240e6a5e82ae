"""The collector `master-figures`: the kit, and what the master measures for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.figures import Counts, Histogram
from ganeti_core.plugin_api import HookContext, NotMaster
from ganeti_core.plugin_api.collector import problem_of_samples
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import CollectorContract
from ganeti_plugins.collectors import MasterFigures


class TestMasterFigures(CollectorContract):
    @pytest.fixture
    def driver(self) -> MasterFigures:
        return MasterFigures()


@pytest.fixture
def ctx(tmp_path: Path) -> HookContext:
    return make_context(tmp_path / "node1", "node1.example.com")


def test_durations_are_counted_by_bounds_and_labels() -> None:
    waits = Histogram((0.1, 1.0))
    for seconds in (0.1, 0.5, 7.0, -3.0):
        waits.observe(seconds, "A")
    waits.observe(1.0, "B")
    assert waits.samples() == [["A", [7.6, [[0.1, 2], [1.0, 3], [None, 4]]]],
                               ["B", [1.0, [[0.1, 0], [1.0, 1], [None, 1]]]]]


def test_the_masters_figures_become_metrics_and_unknown_ones_are_left_out(
    ctx: HookContext
) -> None:
    waits, errors = Histogram((1.0,)), Counts()
    waits.observe(0.5, "TEST_DELAY")
    for _ in range(2):
        errors.add("node2", "unreachable")
    rows = {"job_wait": waits.samples(), "rpc_errors": errors.samples(), "later": [[1]]}

    def master(resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
               ) -> list[list[Any]]:
        assert (resource, fields, filter_) == ("figure", ["name", "samples"], None)
        return [[name, samples] for name, samples in rows.items()]

    collector = MasterFigures()
    report = collector.collect(replace(ctx, query=master)).report
    assert problem_of_samples(collector.describe(), report) == ""
    assert report.samples == {
        "ganeti_job_wait_seconds": [["TEST_DELAY", [0.5, [[1.0, 1], [None, 1]]]]],
        "ganeti_rpc_errors_total": [["node2", "unreachable", 2]]}


def test_only_the_master_has_figures(ctx: HookContext) -> None:
    def refused(*_: Any) -> list[list[Any]]:
        raise NotMaster("ask another node")

    report = MasterFigures().collect(replace(ctx, query=refused)).report
    assert (report.data, report.samples) == ({"master": False}, {})
