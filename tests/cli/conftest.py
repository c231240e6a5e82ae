"""Fixtures: a command run in this process against a fake master, in a fixed time zone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_master import FakeMaster

from ganeti_core.cli.main import run_tool
from ganeti_core.paths import Paths


@dataclass(frozen=True)
class Ran:
    """What a command did: exit status, its outputs, and what the master was asked."""

    status: int
    out: str
    err: str
    submitted: list[list[dict[str, Any]]]
    requests: list[tuple[str, list[Any]]]

    @property
    def opcode(self) -> dict[str, Any]:
        ((opcode,),) = self.submitted
        return opcode


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLUMNS", "80")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``gnt-x`` with arguments; the master knows the given exchanges."""
    def run_command(argv: Sequence[str], *exchanges: Sequence[Any]) -> Ran:
        with FakeMaster(tmp_path, exchanges) as master:
            try:
                status = run_tool(argv[0], list(argv[1:]), Paths(tmp_path))
            except SystemExit as exc:
                status = exc.code if isinstance(exc.code, int) else 1
        out, err = capsys.readouterr()
        return Ran(status, out, err, master.submitted, master.requests)
    return run_command
