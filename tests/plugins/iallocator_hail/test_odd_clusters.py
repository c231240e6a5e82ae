"""Clusters in which things are missing: as Ganeti's programs where those make sense, else better.

Where a node that is online has nothing of what the score divides by, the score of Ganeti's programs
is no number (`NaN`) and all that they choose by it is chance. Ours leave that node out, so that the
two are compared only in whether there is an answer.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from golden import Case, Result, assert_same_text, cases, run, without_reasons
from odd_clusters import RECORDED, VARIABLE, asked_of, reference, run_reference

from ganeti_plugins.iallocator_hail.formats.ialloc import parse_description
from ganeti_plugins.iallocator_hail.formats.text import parse_text

ALL = cases(RECORDED)
FRESH = range(100, 104)
LONG = frozenset(f"hspace-{number}" for number in (3, 4, 5, 7, 9, 10, 19, 21, 23))
"""They place thousands of instances, for many seconds; others ask the same of fewer."""


def tool_of(case: Case) -> str:
    return case.name.split("-", 1)[0]


def ours(case: Case, folder: Path, capsys: pytest.CaptureFixture[str]) -> Result:
    module = importlib.import_module(f"ganeti_plugins.iallocator_hail.tools.{tool_of(case)}")
    return run(case, module.main, folder, capsys)


def check(case: Case, got: Result) -> None:
    """Fail unless ours gives what Ganeti's gave, or what makes sense where that does not."""
    assert "NaN" not in got.stdout.replace("ALLOC_USAGE=NaN", "")
    assert "Traceback" not in got.stderr
    if tool_of(case) == "hail":
        check_answer(json.loads(case.stdout), json.loads(got.stdout), undefined(case))
    elif undefined(case):
        # A status may be a verdict: the cluster is not healthy, or a node cannot be emptied.
        assert got.rc in (0, case.rc), got.stderr
    else:
        assert got.rc == case.rc, got.stderr
        assert_same_text(case.stdout, got.stdout)


def check_answer(expected: dict[str, Any], got: dict[str, Any], undefined: bool) -> None:
    if undefined:
        assert got["success"] >= expected["success"], got["info"]
        return
    assert got["success"] == expected["success"]
    assert without_reasons(got["result"]) == without_reasons(expected["result"])
    assert_same_text(expected["info"], got["info"])


def undefined(case: Case) -> bool:
    """Whether some figure that the score divides by is nothing on a node that is online."""
    if tool_of(case) == "hail":
        found = parse_description(json.loads(case.files["r.json"]))
    else:
        found = parse_text(case.files["c.data"])
    ratio = {index: group.policy.spindle_ratio for index, group in enumerate(found.groups)}
    return any(
        not (node.total_memory and node.total_cpus and node.spindles * ratio[node.group])
        for node in found.nodes if not node.offline)


@pytest.mark.parametrize("case", [
    pytest.param(case, id=case.name, marks=[pytest.mark.torture] if case.name in LONG else [])
    for case in ALL])
def test_a_recorded_run_gives_the_same_or_better(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check(case, ours(case, folder, capsys))


def test_the_records_have_both_sorts_of_clusters() -> None:
    sorts = {(tool_of(case), undefined(case)) for case in ALL}
    assert len(sorts) == 2 * len({tool for tool, _ in sorts})


@pytest.mark.torture
def test_fresh_clusters_give_the_same_or_better(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binary = reference()
    if binary is None:
        pytest.skip(f"needs Ganeti's htools, installed or named by {VARIABLE}")
    for seed in FRESH:
        for asked in asked_of(seed):
            case = run_reference(binary, asked)
            try:
                check(case, ours(case, folder, capsys))
            except AssertionError as exc:
                raise AssertionError(f"seed {seed}, {asked.name}: {exc}") from exc
