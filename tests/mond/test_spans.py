"""Spans: who opens them, what they say, and that nothing is done where nobody wants them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from typing import Any

import pytest

from ganeti_core.jobs.job import ERROR, SUCCESS, Job, OpState
from ganeti_core.jobs.spans import spans_of
from ganeti_core.node.hook_spans import HookSpans
from ganeti_core.plugin_api import Description, hookimpl
from ganeti_core.plugin_api.collector import COLLECTORS
from ganeti_core.plugin_api.data import Collected, Report
from ganeti_core.plugins import PluginHost
from ganeti_core.span_exporters import SpanExporters
from ganeti_core.spans import ACTIVE, Place, Span, begin, span, within
from ganeti_plugins.spans_otlp import OtlpExporter

PLACE = Place("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.mark.parametrize("text", [
    "", "00-0af7651916cd43dd8448eb211c80319c", f"{PLACE} ", f"01-{str(PLACE)[3:]}",
    f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-{PLACE.trace}-{'0' * 16}-01", str(PLACE).upper()])
def test_what_is_no_context_is_not_read(text: str) -> None:
    assert Place.read(text) is None


def test_contexts_are_written_as_the_w3c_has_them() -> None:
    assert str(PLACE) == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert Place.read(str(PLACE)) == PLACE
    assert Place.read(str(PLACE)[:-2] + "00") == PLACE


def test_jobs_and_opcodes_have_the_same_places_on_every_master() -> None:
    job = Place.of_job("uuid", 7)
    assert job == Place.of_job("uuid", 7)
    assert {Place.of_opcode("uuid", 7, index).trace for index in (0, 1)} == {job.trace}
    assert len({job.span, *(Place.of_opcode("uuid", 7, index).span for index in (0, 1))}) == 3
    assert Place.of_job("other", 7).trace != job.trace


def test_without_a_wish_nothing_is_opened() -> None:
    assert begin("work", "client") is None
    with span("work", "client") as opened, within(PLACE, None):
        assert opened is None
        assert ACTIVE.get() is None


def fail_in_a_span() -> None:
    with span("outer", "client", net__peer="n1"):
        with span("inner", "internal"):
            pass
        raise ValueError("no")


def test_spans_lie_in_each_other_and_say_what_failed() -> None:
    told: list[Span] = []
    with within(PLACE, told.append):
        with pytest.raises(ValueError, match="no"):
            fail_in_a_span()
        with span("later", "server") as opened:
            assert opened is not None
            opened.error = "refused"
    inner, outer, later = told
    assert [one.parent for one in told] == [outer.span, PLACE.span, PLACE.span]
    assert {one.trace for one in told} == {PLACE.trace}
    assert (outer.attributes, outer.error, inner.error) == ({"net.peer": "n1"}, "no", "")
    assert (later.kind, later.error) == ("server", "refused")
    assert outer.begin <= inner.begin <= inner.end <= outer.end


class Collector:
    @hookimpl
    def describe(self) -> Description:
        return Description(0, "A test")

    @hookimpl
    def collect(self, previous: dict[str, Any] | None) -> Collected:
        return Collected(Report({"seen": previous}))


class Counting:
    """Another wrapper around the same hooks."""

    calls = 0

    @hookimpl(wrapper=True)
    def collect(self) -> Generator[None, Any, Any]:
        self.calls += 1
        return (yield)


def test_hooks_have_spans_by_a_wrapper() -> None:
    told: list[Span] = []
    host, counting = PluginHost(wrap_each=HookSpans), Counting()
    host.wrap(COLLECTORS.name, counting)
    host.add(COLLECTORS, "mine", Collector())
    hooks = host.driver(COLLECTORS, "mine")
    with within(PLACE, told.append):
        found = hooks.collect(ctx=None, previous={"a": 1})
    assert found.report.data == {"seen": {"a": 1}}
    hooks.collect(ctx=None, previous=None)
    assert [(one.name, one.parent) for one in told] == [("collectors mine: collect", PLACE.span)]
    assert told[0].attributes == {"ganeti.plugin": "collectors:mine", "ganeti.hook": "collect"}
    assert counting.calls == 2


def test_a_job_becomes_spans_of_its_opcodes() -> None:
    failed = ["OpExecError", ["no room"]]
    ops = [OpState(None, {"OP_ID": "OP_TEST_DELAY", "duration": 1}, 0, SUCCESS, True,
                   start=(10, 0), exec=(11, 500_000), end=(12, 0)),
           OpState(None, {"OP_ID": "OP_TEST_DELAY", "duration": 2}, 0, ERROR, failed,
                   start=(12, 0), exec=(12, 1), end=(13, 0)),
           OpState(None, {"OP_ID": "OP_TEST_DELAY", "duration": 3}, 0, ERROR, failed, end=(13, 0))]
    job, first, locks, second, _ = spans_of("uuid", Job(7, ops, (9, 0), (10, 0), (13, 0)))
    assert (job.parent, job.begin, job.end) == ("", 9 * 10**9, 13 * 10**9)
    assert (job.attributes["ganeti.job.id"], job.error) == (7, "OpExecError: no room")
    assert Place(first.trace, first.span) == Place.of_opcode("uuid", 7, 0)
    assert (first.name, first.parent, first.error) == ("TEST_DELAY", job.span, "")
    assert (locks.parent, locks.end - locks.begin) == (first.span, 1_500_000_000)
    assert (second.parent, second.error) == (job.span, "OpExecError: no room")


class Broken:
    def __init__(self, *, raises: bool) -> None:
        self.raises = raises
        self.told = 0

    def wanted(self) -> bool:
        return True

    def begin(self, service: str, node: str) -> Any:
        def export(span: Span) -> None:
            self.told += 1
            if self.raises:
                raise OSError("gone")

        return export

    def end(self) -> None:
        raise OSError("gone")


def test_an_exporter_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Broken(raises=True), Broken(raises=False)
    exporters = SpanExporters([("bad", bad), ("good", good)])
    export = exporters.begin("ganeti-noded", "node1")
    assert export is not None
    for _ in range(3):
        export(Span("work", "client", PLACE.trace, PLACE.span, "", 1, 2))
    assert (bad.told, good.told) == (1, 3)
    exporters.end()
    assert caplog.messages == ["span exporter bad is not used any more", "span exporter good"]


@pytest.mark.parametrize(("environment", "wanted"), [
    ({}, False),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
    ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, False),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, False)])
def test_the_environment_says_whether_spans_are_sent(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], wanted: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert OtlpExporter().wanted() is wanted
    assert bool(SpanExporters.find()) is wanted


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    program = ("import sys; from ganeti_core.node.world import load_node_host; "
               "host = load_node_host(); "
               "print(host.wrap_each, [name for name in sys.modules if 'opentelemetry' in name])")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                         check=True)
    assert ran.stdout == "None []\n"
