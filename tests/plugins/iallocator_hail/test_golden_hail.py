"""The allocator gives Ganeti's recorded answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from golden import Case, assert_same_text, check_common, each_case, run, without_reasons

from ganeti_plugins.iallocator_hail.tools.hail import main


@each_case("hail")
def test_recorded_request_gets_the_same_answer(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(case, main, folder, capsys)
    check_common(case, result, folder)
    if case.rc:
        return
    expected, got = json.loads(case.stdout), json.loads(result.stdout)
    assert got.keys() == expected.keys()
    assert got["success"] == expected["success"]
    assert without_reasons(got["result"]) == without_reasons(expected["result"])
    if "no groups for evacuation" not in case.stdout:
        assert_same_text(expected["info"], got["info"])
