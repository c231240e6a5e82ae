"""The conformance of data collectors: `CollectorContract`."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import pytest

from ganeti_core.plugin_api.collector import COLLECTORS, CollectorSpec
from ganeti_core.plugin_api.context import HookContext
from ganeti_core.plugin_api.data import Description
from ganeti_core.plugin_api.kinds import Kind

from .base import PluginContract, at_once
from .calls import Calls
from .footprint import Footprint

CATEGORIES = frozenset({"storage", "instance", "daemon", "hypervisor"})


class CollectorContract(PluginContract):
    """Provide `driver`."""

    kind: ClassVar[Kind[Any]] = COLLECTORS

    @pytest.fixture
    def collector(self, calls: Calls[CollectorSpec]) -> CollectorSpec:
        return calls.of(CollectorSpec)

    def test_the_category_is_one_that_reports_know(self, description: Description) -> None:
        named = {capability.partition(":")[2] for capability in description.capabilities
                 if capability.startswith("category:")}
        assert len(named) <= 1
        assert named <= CATEGORIES

    def test_a_report_has_data(self, collector: CollectorSpec, ctx: HookContext) -> None:
        report = collector.collect(ctx=ctx)
        assert report.version
        assert report.format_version >= 1
        assert report.data or report.kind == 0

    def test_a_report_is_of_performance_or_says_how_it_stands(
        self, collector: CollectorSpec, ctx: HookContext
    ) -> None:
        report = collector.collect(ctx=ctx)
        assert report.kind in (0, 1)
        if report.kind == 1:
            assert isinstance(report.data["status"]["code"], int)
            assert isinstance(report.data["status"]["message"], str)

    def test_collecting_changes_nothing(
        self, collector: CollectorSpec, ctx: HookContext
    ) -> None:
        collector.collect(ctx=ctx)  # one that keeps what it saw begins now
        before = Footprint((ctx,))
        first = collector.collect(ctx=ctx)
        assert collector.collect(ctx=ctx).kind == first.kind
        before.assert_unchanged()

    def test_two_can_collect_at_once(self, collector: CollectorSpec, ctx: HookContext) -> None:
        collect = functools.partial(collector.collect, ctx=ctx)
        kinds = {report.kind for report in at_once(collect, collect)}
        assert len(kinds) == 1
