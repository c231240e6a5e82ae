"""Run the conformance kit on the drivers of this distribution and record what came of it.

``python docs/conformance.py`` writes ``docs/conformance.json``, from which the page of what each
driver can do is made; with names of tests it runs these alone, and keeps what is known of the
others. Run it as root on a machine that has what the drivers need: what it lacks is
recorded as skipped.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api.all_kinds import KINDS
from ganeti_core.plugins import PluginHost

TOP = Path(__file__).resolve().parent.parent
RECORD = TOP / "docs/conformance.json"
OURS = "ganeti-core"
PASSED, NOT, SKIPPED, FAILED = "passed", "not promised", "skipped", "failed"
_WORST = (FAILED, SKIPPED, PASSED, NOT)
"""Of a test that runs several times: what counts, the first of these that came."""

Results = dict[str, dict[str, dict[str, str]]]


def kit_tests() -> dict[str, list[str]]:
    """The tests of the kit, by kind of plugin."""
    # Imported late: pytest rewrites the kit's assertions if it is the first to import it.
    from ganeti_core.plugin_api.testing import contracts

    found = {}
    for name in contracts.__all__:
        contract = getattr(contracts, name)
        found[contract.kind.name] = sorted(
            test for test in dir(contract) if test.startswith("test_"))
    return found


def declared() -> dict[str, dict[str, list[str]]]:
    """The drivers of this distribution and their capabilities, by kind."""
    host = PluginHost()
    host.load()
    return {kind.name: {
        row.name: sorted(host.describe(kind, row.name).capabilities)
        for row in host.status() if row.kind == kind.name and row.distribution == OURS
        and not row.problem} for kind in KINDS.values()}


def modules() -> list[Path]:
    """Where the kit runs on drivers of this distribution."""
    return sorted(path for folder in ("tests/plugins", "tests/plugin_kit")
                  for path in (TOP / folder).rglob("test_*.py")
                  if re.search(r"^class Test\w+\([\w, ]+\):", text := path.read_text(),
                               re.MULTILINE)
                  and "Contract" in text and "ganeti_plugins" in text)


class Recorder:
    """Notes how the kit's tests end, by kind, driver and test."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list)))
        self._names = {
            (kind.name, entry.load()): entry.name for kind in KINDS.values()
            for entry in metadata.entry_points(group=kind.group)
            if entry.module.startswith("ganeti_plugins")}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        from ganeti_core.plugin_api.testing.base import PluginContract

        report = yield
        test = getattr(item, "originalname", "")
        contract = getattr(item, "cls", None)
        if (contract is None or not issubclass(contract, PluginContract)
                or test not in kit_tests().get(contract.kind.name, ())):
            return report
        if report.when == "call" or not report.passed:
            kind = contract.kind.name
            driver = item.funcargs.get("driver")  # type: ignore[attr-defined]  # of functions
            name = self._names.get((kind, type(driver)), contract.__name__.removeprefix("Test"))
            self.results[kind][name][test].append(_outcome(report))
        return report


def _outcome(report: pytest.TestReport) -> str:
    if not report.skipped:
        return PASSED if report.passed else FAILED
    from ganeti_core.plugin_api.testing.promises import NOT_PROMISED

    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return NOT if reason.startswith(f"Skipped: {NOT_PROMISED}") else SKIPPED


def record(only: list[str]) -> int:
    """Run the kit and write what came of it; returns pytest's exit status.

    :param only: names of tests; empty: all
    """
    recorder = Recorder()
    chosen = ["-k", " or ".join(only)] if only else []
    status = pytest.main(["-q", "-p", "no:cacheprovider", "-n", "0", *chosen,
                          *map(str, modules())], plugins=[recorder])
    results = _merged(recorder) if only else _worst(recorder)
    RECORD.write_text(json.dumps(
        {"declared": declared(), "kit": kit_tests(), "results": results}, indent=1) + "\n")
    return int(status)


def _merged(recorder: Recorder) -> Results:
    """What is known of tests that there still are, and what came of those that were run."""
    known: Results = json.loads(RECORD.read_text())["results"]
    kit, new = kit_tests(), _worst(recorder)
    return {kind: {name: {test: outcome for test, outcome in sorted(
        {**known.get(kind, {}).get(name, {}), **new.get(kind, {}).get(name, {})}.items())
        if test in kit[kind]} for name in sorted({*known.get(kind, {}), *new.get(kind, {})})}
        for kind in sorted({*known, *new})}


def _worst(recorder: Recorder) -> Results:
    return {kind: {name: {
        test: next(outcome for outcome in _WORST if outcome in outcomes)
        for test, outcomes in sorted(tests.items())} for name, tests in sorted(drivers.items())}
        for kind, drivers in sorted(recorder.results.items())}


def stale() -> list[str]:
    """What has changed since the kit was run; empty while the record is of what there is."""
    known = json.loads(RECORD.read_text())
    present: dict[str, dict[str, Any]] = {"declared": declared(), "kit": kit_tests()}
    return [f"{part} of {kind}: {known[part].get(kind)}, now {now.get(kind)}"
            for part, now in present.items() for kind in KINDS
            if known[part].get(kind) != now.get(kind)]


if __name__ == "__main__":
    sys.exit(record(sys.argv[1:]))
