"""hcheck prints what Ganeti's was recorded to print."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden import Case, assert_same_keys, assert_same_text, check_common, each_case, run

from ganeti_plugins.iallocator_hail.tools.hcheck import main


@each_case("hcheck")
def test_recorded_run_gives_the_same_output(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(case, main, folder, capsys)
    check_common(case, result, folder)
    if "_OK=1" in case.stdout:
        assert_same_keys(case.stdout, result.stdout, better="_FINAL_")
    else:
        assert_same_text(case.stdout, result.stdout)
