"""The collector `placement`: the kit, and that it says what hbal and hspace say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ganeti_core.plugin_api import HookContext
from ganeti_core.plugin_api.collector import problem_of_samples
from ganeti_core.plugin_api.data import Report
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_core.plugin_api.testing.contracts import CollectorContract
from ganeti_plugins.iallocator_hail.collector import NICE, SIZE, TEMPLATE, Placement, may_come_back
from ganeti_plugins.iallocator_hail.tools import hbal, hspace

RECORDED = Path(__file__).parent / "data/rapi"
FILES = {"cluster": "info", "group": "groups", "node": "nodes", "instance": "instances"}
TARGET = "ganeti_hbal_target_score"
ROOM = "ganeti_hspace_allocatable_instances"
UNKNOWN = "ganeti_placement_unknown"


class TestPlacement(CollectorContract):
    @pytest.fixture
    def driver(self) -> Placement:
        return Placement()


@dataclass(frozen=True)
class Master:
    """Answers from a folder of recorded answers, of which the programs read, too."""

    folder: Path = RECORDED

    def rows(self, resource: str) -> list[dict[str, Any]]:
        found = json.loads((self.folder / f"{FILES[resource]}.json").read_text())
        return [found] if isinstance(found, dict) else found

    def __call__(self, resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
                 ) -> list[list[Any]]:
        return [[row.get(name) for name in fields] for row in self.rows(resource)]


def without_the_group_of_one_node(folder: Path) -> Master:
    """Nothing can be placed while an instance is where it could not be moved from."""
    gone = {"group2", "node4.example.com", "inst5.example.com"}
    for name in FILES.values():
        found = json.loads((RECORDED / f"{name}.json").read_text())
        kept = found if isinstance(found, dict) else [
            row for row in found if row["name"] not in gone]
        (folder / f"{name}.json").write_text(json.dumps(kept))
    return Master(folder)


@pytest.fixture(params=["all", "redundant"])
def master(request: pytest.FixtureRequest, tmp_path: Path) -> Master:
    return Master() if request.param == "all" else without_the_group_of_one_node(tmp_path)


@pytest.fixture
def ctx(tmp_path: Path, master: Master) -> HookContext:
    return replace(make_context(tmp_path / "node1", "node1.example.com"), query=master)


def collected(ctx: HookContext, collector: Placement | None = None) -> Report:
    collector = collector or Placement(clock=lambda: 0.0)  # however slow the machine is
    report = collector.collect(ctx, None).report
    assert problem_of_samples(collector.describe(), report) == ""
    return report


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], master: Master) -> Any:
    def ask(program: Any, *options: str) -> str:
        assert program.main(["-m", f"file://{master.folder}", *options]) == 0
        return capsys.readouterr().out

    return ask


def test_it_says_what_the_programs_say(ctx: HookContext, master: Master, said: Any) -> None:
    samples = collected(replace(ctx, config={TEMPLATE: "ext", SIZE: "20g,10g,1"})).samples
    groups = [row["name"] for row in master.rows("group")]
    assert [row[0] for row in samples["ganeti_hbal_initial_score"]] == groups
    for group, initial in samples["ganeti_hbal_initial_score"]:
        text = said(hbal, "-G", group)
        first = re.search(r"initial score:? ([0-9.e-]+)", text, re.IGNORECASE)
        best = re.search(r"improved from \S+ to ([0-9.]+)", text) or first
        (target,) = [row[1] for row in samples[TARGET] if row[0] == group]
        assert first is not None
        assert best is not None
        assert [f"{initial:.6f}", f"{target:.6f}"] == [
            f"{float(found[1]):.6f}" for found in (first, best)]
    ((room,),) = samples[ROOM]
    assert f"HTS_ALLOC_INSTANCES={room}\n" in said(
        hspace, "--machine-readable", "--disk-template", "ext", "--standard-alloc", "20g,10g,1",
        "--tiered-alloc", "20g,10g,1", "-l", "9")
    assert bool(room) is (len(groups) == 1)
    assert samples[UNKNOWN] == []
    assert len(samples["ganeti_placement_seconds"]) == 1


def test_the_instances_that_are_counted_can_be_set(ctx: HookContext) -> None:
    def room(**config: str) -> Any:
        return collected(replace(ctx, config=config)).samples[ROOM]

    large = room(**{TEMPLATE: "ext", SIZE: "20g,10g,1"})
    small = room(**{TEMPLATE: "ext", SIZE: "20g,5g,1"})
    assert large == small == [[0]] or 0 < large[0][0] < small[0][0]
    assert room(**{TEMPLATE: "ext", SIZE: "20g,10g"}) == []


def test_what_would_take_too_long_is_left_out_with_the_reason(
    ctx: HookContext, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = count(step=100)  # each look at the clock is much later than the one before
    slow = Placement(clock=lambda: next(ticks))
    report = collected(ctx, slow)
    assert report.samples["ganeti_hbal_initial_score"] != []
    assert report.samples[TARGET] == report.samples[ROOM] == []
    group = "default"
    assert ["balance", group, "time", 1] in report.samples[UNKNOWN]
    assert ["capacity", "", "time", 1] in report.samples[UNKNOWN]
    known = {"problems": report.data["problems"]}
    assert f"balance of {group}: it would take too long" in known["problems"]
    logged = len(caplog.messages)
    assert logged == len(known["problems"])
    assert slow.collect(ctx, known).state == known
    assert len(caplog.messages) == logged, "the same problems were logged again"


def test_what_the_master_says_and_cannot_be_used_is_a_reason(ctx: HookContext) -> None:
    def odd(resource: str, fields: Sequence[str], filter_: list[Any] | None = None, /
            ) -> list[list[Any]]:
        return [] if resource == "group" else ctx.query(resource, fields)

    report = collected(replace(ctx, query=odd))
    assert {row[2] for row in report.samples[UNKNOWN]} == {"data"}
    assert report.samples[ROOM] == []


def test_it_leaves_the_processor_to_others(ctx: HookContext) -> None:
    seen: set[int] = set()

    def clock() -> float:
        seen.add(os.getpriority(os.PRIO_PROCESS, 0))
        return 0.0

    usual = os.getpriority(os.PRIO_PROCESS, 0)
    collected(ctx, Placement(clock))
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual, "other hooks run in this process, too"
    assert max(seen) == (usual + NICE if may_come_back() else usual)


def test_other_nodes_import_nothing_for_it(tmp_path: Path) -> None:
    """The library alone takes a tenth of a second, on each node each time."""
    code = """
import sys
from pathlib import Path
from ganeti_core.plugin_api.testing.contexts import make_context
from ganeti_plugins.iallocator_hail.collector import Placement
ctx, before = make_context(Path(sys.argv[1]), "node2"), set(sys.modules)
assert Placement().collect(ctx, None).report.data == {"master": False}
print(*sorted(set(sys.modules) - before))
"""
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True,
                         text=True, timeout=60)
    assert (ran.returncode, ran.stdout.split()) == (0, []), ran
