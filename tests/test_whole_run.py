"""``make test`` looks twice at a test that fails beside others, and never hides that it failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("whole_run.py")
UNSTEADY = """
from pathlib import Path
def test_unsteady():
    seen = Path("seen")
    again = seen.exists()
    seen.touch()
    assert again
"""
WRONG = "def test_wrong():\n    assert False\n"


def look(
    folder: Path, *beside: str, strict: str = ""
) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, str(RUNNER), "-n", "1", "--", "-q", "-p", "xdist", *beside], cwd=folder,
        env={**os.environ, "STRICT": strict, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True)


def test_what_passes_alone_is_reported_as_unsteady(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(UNSTEADY)
    (tmp_path / "test_two.py").write_text("def test_right():\n    pass\n")
    ran = look(tmp_path)
    assert ran.returncode == 0, ran
    assert ran.stdout.index("assert again") < ran.stdout.index("Unsteady: ")
    assert ran.stdout.rstrip().endswith("test_one.py::test_unsteady")


@pytest.mark.parametrize(("files", "strict"), [
    ({"test_one.py": WRONG}, ""),
    ({"test_one.py": UNSTEADY}, "1"),
    ({f"test_{number}.py": UNSTEADY.replace("seen", f"seen{number}") for number in range(4)}, ""),
    ({"test_one.py": "import nothing_of_this_name\n"}, ""),
], ids=["fails again", "strict", "many files", "cannot be collected"])
def test_what_is_no_accident_fails_the_run(
    tmp_path: Path, files: dict[str, str], strict: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ran = look(tmp_path, strict=strict)
    assert ran.returncode != 0, ran
    assert "Unsteady: " not in ran.stdout


def test_a_right_run_is_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_right():\n    pass\n")
    ran = look(tmp_path)
    assert (ran.returncode, ran.stdout.count("passed")) == (0, 1), ran


@pytest.mark.parametrize(("status", "said"), [
    (0, "sh: all is well\n"), (1, "found\nall is well\n")])
def test_what_runs_beside_the_tests_is_part_of_the_run(
    tmp_path: Path, status: int, said: str
) -> None:
    (tmp_path / "test_one.py").write_text("def test_right():\n    pass\n")
    ran = look(tmp_path, "--", "true", "--", "sh", "-c",
               f"echo found; echo all is well; exit {status}")
    assert (ran.returncode, ran.stdout.endswith(said)) == (status, True), ran
