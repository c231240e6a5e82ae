"""Recorded runs of Ganeti's programs, and what of them has to agree with ours.

Texts agree if they are equal up to blanks at line ends and the last digits of numbers. Lines
that dump Ganeti's internals only have to be there.
"""

from __future__ import annotations

import functools
import json
import lzma
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[2] / "data" / "htools"
TOLERANCE = 1e-6
LONG = frozenset({"hspace-exclstor-5-10-s13-machine-readable"})
"""They place thousands of instances; others ask the same of fewer."""
_DUMP = re.compile(
    r"^(Loaded cluster ipolicy:|Bad nodes:|N\+1 happy nodes:|Node policy status:|Node Graph:).*"
)
_NUMBER = re.compile(r"-?(?:\d+\.\d+(?:e[-+]?\d+)?|NaN|Infinity)")


@dataclass(frozen=True)
class Case:
    """One recorded run: the command line, its input files, and all that came of it."""

    name: str
    argv: list[str]
    rc: int
    check_stderr: bool
    stdout: str
    stderr: str
    files: dict[str, str]
    saved: dict[str, str]


@functools.cache
def cases(tool: str) -> tuple[Case, ...]:
    """All recorded runs of a program."""
    text = lzma.decompress((DATA / f"{tool}.json.xz").read_bytes())
    return tuple(Case(**item) for item in json.loads(text))


def each_case(tool: str) -> pytest.MarkDecorator:
    """Run a test with every recorded run."""
    return pytest.mark.parametrize("case", [
        pytest.param(case, id=case.name, marks=pytest.mark.torture if case.name in LONG else ())
        for case in cases(tool)])


@dataclass(frozen=True)
class Result:
    """What a run of ours gave."""

    rc: int
    stdout: str
    stderr: str


Main = Callable[[list[str]], int]


def run(case: Case, main: Main, folder: Path, capsys: pytest.CaptureFixture[str]) -> Result:
    """Run a program of ours as Ganeti's was run; the current folder has to be `folder`."""
    for name, text in case.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    rc = main(case.argv)
    captured = capsys.readouterr()
    return Result(rc, captured.out, captured.err)


def check_common(case: Case, result: Result, folder: Path) -> None:
    """What must agree for every program: exit code, complaints, files, maybe standard error."""
    assert result.rc == case.rc, result.stderr
    if case.rc and case.stderr.strip():
        assert result.stderr.strip()
    if case.check_stderr:
        assert_same_text(case.stderr, result.stderr)
    for name, text in case.saved.items():
        assert_same_text(text, (folder / name).read_text(encoding="utf-8"))


def assert_same_text(expected: str, got: str) -> None:
    """Fail unless two texts agree up to blanks and rounding."""
    wanted, found = (
        [_DUMP.sub(r"\1", line.rstrip()) for line in text.rstrip("\n").split("\n")]
        for text in (expected, got)
    )
    for line, other in zip(wanted, found, strict=False):
        assert line == other or _same_line(line, other), f"expected {line!r}, got {other!r}"
    assert len(wanted) == len(found), got


def _same_line(line: str, other: str) -> bool:
    if _NUMBER.sub("#", line).split() != _NUMBER.sub("#", other).split():
        return False
    pairs = zip(_NUMBER.findall(line), _NUMBER.findall(other), strict=True)
    return all(same_number(first, second) for first, second in pairs)


def same_number(first: str, second: str) -> bool:
    """Whether two printed numbers are equal up to rounding."""
    a, b = (float(text.replace("Infinity", "inf")) for text in (first, second))
    if a != a or b != b:
        return a != a and b != b
    return a == b or abs(a - b) <= TOLERANCE * max(1.0, abs(a))


def assert_same_keys(expected: str, got: str, *, better: str = "") -> None:
    """Fail unless `KEY=value` lines agree; values of keys with `better` may be lower."""
    wanted, found = _keys(expected), _keys(got)
    assert set(wanted) == set(found)
    for key, value in wanted.items():
        other = found[key]
        if value == other or (_NUMBER.fullmatch(value) and same_number(value, other)):
            continue
        assert better, f"{key}: expected {value}, got {other}"
        assert better in key, f"{key}: expected {value}, got {other}"
        assert float(other) <= float(value) + TOLERANCE


def _keys(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip("'") for key, _, value in lines}


def without_reasons(result: Any) -> Any:
    """An allocator's result without the prose about instances that found no place."""
    if not (isinstance(result, list) and len(result) in (2, 3)):
        return result
    if not all(isinstance(part, list) for part in result):
        return result
    if all(isinstance(item, list) and len(item) == 2 for item in result[1]):
        return [result[0], [item[0] for item in result[1]], *result[2:]]
    return result
