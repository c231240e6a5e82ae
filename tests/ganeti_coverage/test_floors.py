"""No part of Ganeti's interface that was there gets lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from counting import KINDS, Count, floors

REPORT = Path(__file__).parent / "report.py"


def run_report(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(REPORT), *words], capture_output=True, text=True,
                          timeout=120, check=False)


@pytest.fixture(scope="module")
def report() -> dict[str, dict[str, object]]:
    ran = run_report("--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def counts() -> dict[str, Count]:
    return {count.kind: count for count in (make() for make in KINDS)}


def test_nothing_falls_below_its_floor(report: dict[str, dict[str, object]]) -> None:
    assert report.keys() == floors().keys()
    for kind, least in floors().items():
        assert report[kind]["done"] >= least, f"{kind}: look at `make coverage-of-ganeti`"


def test_what_is_done_and_what_is_missing_is_all(report: dict[str, dict[str, object]]) -> None:
    for kind, row in report.items():
        assert row["done"] + len(row["missing"]) == row["of"], kind


@pytest.mark.parametrize(("kind", "done", "missing"), [
    ("opcodes", "OP_INSTANCE_MOVE", None),
    ("parameters", "OP_INSTANCE_CREATE.pnode", "OP_INSTANCE_CREATE.source_x509_ca"),
    ("subcommands", "gnt-backup export", "gnt-debug metad"),
    ("options", "gnt-instance add -n/--node", None),
    ("query fields", "instance.oper_state", None),
    ("verify codes", "ENODEFILESTORAGEPATHUNUSABLE", "ENODESSH"),
    ("LUXI methods", "QueryTags", None),
])
def test_what_counts_as_done(
    report: dict[str, dict[str, list[str]]], counts: dict[str, Count], kind: str, done: str,
    missing: str | None
) -> None:
    assert done in counts[kind].wanted & counts[kind].done
    assert missing is None or missing in report[kind]["missing"]


def test_fewer_than_the_floor_fails(tmp_path: Path) -> None:
    high = tmp_path / "floors.json"
    high.write_text(json.dumps({**floors(), "opcodes": 1000}))
    ran = run_report("--json", "--floors", str(high))
    assert ran.returncode == 1
    assert "Fewer opcodes than before: " in ran.stderr
