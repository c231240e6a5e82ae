"""The conformance of data collectors: `CollectorContract`."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganeti_core.errors import GanetiError, NotMaster
from ganeti_core.plugin_api.collector import (
    COLLECTORS,
    LARGEST_STATE,
    CollectorSpec,
    problem_of_samples,
)
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import CATEGORIES, Collected, Description, JsonDict
from ganeti_core.plugin_api.kinds import Kind

from .base import PluginContract, at_once
from .calls import Calls
from .contexts import make_context
from .footprint import Footprint
from .promises import not_promised

WORK_BYTES = 1 << 20


class CollectorContract(PluginContract):
    """Provide `driver`; for a collector whose figures are rates, `rate` and perhaps `work`."""

    kind: ClassVar[Kind[Any]] = COLLECTORS

    @pytest.fixture
    def collector(self, calls: Calls[CollectorSpec]) -> CollectorSpec:
        return calls.of(CollectorSpec)

    @pytest.fixture
    def ctx(self, tmp_path: Path) -> HookContext:
        """The node on which it collects: not the master."""
        return make_context(tmp_path / "node1", "node1.example.com")

    def rate(self, data: Any) -> float:
        """Return the figure in `data` that is a rate: so much a second, or per cent of the time."""
        not_promised("a rate")

    def work(self, tmp_path: Path) -> None:
        """Do something of which a collector with a rate sees the effect."""
        (tmp_path / "work").write_bytes(bytes(WORK_BYTES))
        sum(range(1_000_000))

    def test_it_says_how_often_and_about_what_it_reports(self, description: Description) -> None:
        assert description.interval >= 1
        assert description.category in ("", *CATEGORIES)
        assert description.report_kind in (0, 1)

    def test_a_report_has_data(self, collector: CollectorSpec, ctx: HookContext) -> None:
        report = collector.collect(ctx=ctx, previous=None).report
        assert report.version
        assert report.format_version >= 1
        assert isinstance(report.data, dict | list)

    def test_its_samples_are_as_it_describes_them(
        self, collector: CollectorSpec, ctx: HookContext, description: Description
    ) -> None:
        first = collector.collect(ctx=ctx, previous=None)
        second = collector.collect(ctx=ctx, previous=first.state)
        for report in (first.report, second.report):
            assert problem_of_samples(description, report) == ""

    def test_a_status_report_says_how_it_stands(
        self, collector: CollectorSpec, ctx: HookContext, description: Description
    ) -> None:
        data = collector.collect(ctx=ctx, previous=None).report.data
        if description.report_kind == 1:
            assert isinstance(data["status"]["code"], int)
            assert isinstance(data["status"]["message"], str)

    def test_collecting_changes_nothing(
        self, collector: CollectorSpec, ctx: HookContext
    ) -> None:
        before = Footprint((ctx,))
        state: JsonDict | None = None
        for _ in range(3):
            state = collector.collect(ctx=ctx, previous=state).state
        before.assert_unchanged()

    def test_the_state_goes_from_call_to_call(
        self, collector: CollectorSpec, ctx: HookContext
    ) -> None:
        first = collector.collect(ctx=ctx, previous=None)
        second = collector.collect(ctx=ctx, previous=first.state)
        third = collector.collect(ctx=ctx, previous=second.state)
        assert (first.state is None) == (second.state is None) == (third.state is None)
        assert len(json.dumps(third.state)) <= LARGEST_STATE

    def test_the_state_does_not_grow_for_ever(
        self, collector: CollectorSpec, ctx: HookContext
    ) -> None:
        state = None
        for _ in range(50):
            state = collector.collect(ctx=ctx, previous=state).state
        assert 4 * len(json.dumps(state)) <= LARGEST_STATE

    def test_a_state_of_another_version_does_no_harm(
        self, collector: CollectorSpec, ctx: HookContext
    ) -> None:
        """It is begun anew, or refused as an error that the report carries."""
        for strange in ({}, {"no-such-key": [1, {"a": None}]}):
            try:
                collected = collector.collect(ctx=ctx, previous=strange)
            except GanetiError:
                continue
            assert isinstance(collected.report.data, dict | list)

    def test_a_rate_is_of_the_time_since_the_call_before(
        self, collector: CollectorSpec, ctx: HookContext, tmp_path: Path
    ) -> None:
        first = collector.collect(ctx=ctx, previous=None)
        self.rate(first.report.data)
        assert first.state is not None, "a rate needs what was read before"
        self.work(tmp_path)
        second = collector.collect(ctx=ctx, previous=first.state)
        found = self.rate(second.report.data)
        assert math.isfinite(found)
        assert found >= 0
        assert second.state != first.state, "the next call would count this time again"

    def test_two_can_collect_at_once(self, collector: CollectorSpec, ctx: HookContext) -> None:
        collect = functools.partial(collector.collect, ctx=ctx, previous=None)
        kinds = {type(collected.report.data) for collected in at_once(collect, collect)}
        assert len(kinds) == 1

    def test_what_the_master_cannot_say_does_no_harm(
        self, collector: CollectorSpec, ctx: HookContext
    ) -> None:
        """A collector that asks the master says something on other nodes, too, or that it cannot;
        on the master it takes whatever rows there are, none among them."""
        empty = replace(ctx, query=_no_rows)
        for one in (ctx, empty):
            try:
                assert isinstance(collector.collect(ctx=one, previous=None), Collected)
            except NotMaster:
                assert one is ctx


def _no_rows(resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
             ) -> list[list[Any]]:
    return []
