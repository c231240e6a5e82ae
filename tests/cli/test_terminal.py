"""What a terminal is shown beyond plain lines, and that nothing else is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import pytest

from ganeti_core.cli import waiting
from ganeti_core.cli.cluster.top import State, screen
from ganeti_core.cli.document import print_document
from ganeti_core.cli.table import visible_lines
from ganeti_core.cli.terminal import Progress, paint, painted_message, painted_table
from ganeti_core.cli.tools import TOOLS
from ganeti_core.luxi.job_seen import JobSeen

INTERFACE = json.loads((Path(__file__).parents[1] / "data/cli/interface.json").read_text())
ANSWER = {
    "fields": [{"name": "name"}, {"name": "status"}, {"name": "mfree"}],
    "data": [[[0, "good"], [0, "running"], [0, 1]], [[0, "ill"], [0, "ERROR_down"], [0, 1]],
             [[0, "deaf"], [0, "running"], [2, None]], [[0, "off"], [0, "ADMIN_down"], [0, 1]]]}
LINES = ["Name Status", "good", "ill", "deaf", "off"]


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, kind: str = "xterm") -> Iterator[tuple[TextIO, int]]:
    """A stream that is a terminal, and the other end of it."""
    monkeypatch.setenv("TERM", kind)
    monkeypatch.delenv("NO_COLOR", raising=False)
    reader, writer = os.openpty()
    with os.fdopen(writer, "w") as stream:
        yield stream, reader
    os.close(reader)


def said(reader: int, end: str = "\r\x1b[K") -> str:
    """What a terminal got until it was cleared; one read may give a part of that only."""
    shown = ""
    while not shown.endswith(end):
        shown += os.read(reader, 1000).decode()
    return shown


def test_a_terminal_shows_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as (stream, _):
        assert painted_table(LINES, ANSWER, stream, headers=True) == [
            "\x1b[1mName Status\x1b[0m", "good", "\x1b[31mill\x1b[0m", "\x1b[33mdeaf\x1b[0m",
            "\x1b[2moff\x1b[0m"]
        assert painted_table(LINES[1:], ANSWER, stream, headers=False)[0] == "good"
        assert painted_message("  - ERROR: node n: x", stream).startswith("\x1b[31m")
        assert painted_message(" - WARNING: y", stream).startswith("\x1b[33m")
        assert painted_message(" - INFO: ERROR is a word", stream) == " - INFO: ERROR is a word"


def test_pipes_dumb_terminals_and_who_wants_no_colours_get_plain_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "file").open("w") as stream:
        monkeypatch.setenv("TERM", "xterm")
        assert painted_table(LINES, ANSWER, stream, headers=True) == LINES
        Progress(stream).show("Job 5")
    assert (tmp_path / "file").read_text() == ""
    with terminal(monkeypatch, "dumb") as (stream, _):
        assert paint("x", "31", stream) == "x"
    with terminal(monkeypatch) as (stream, _):
        monkeypatch.setenv("NO_COLOR", "1")
        assert painted_table(LINES, ANSWER, stream, headers=True) == LINES
        assert paint("x", "31", stream) == "x"


def test_progress_is_one_line_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as (stream, reader):
        progress = Progress(stream)
        progress.show("Job 5: running")
        progress.show("Job 5: running")
        progress.clear()
        progress.clear()
        assert said(reader) == "\rJob 5: running\x1b[K\r\x1b[K"


class Steps:
    """A master that tells a job's states one after the other."""

    def __init__(self, *states: list[Any]) -> None:
        self.states = list(states)

    def wait_for_job_change(self, _job: int, seen: JobSeen, *, wait: float) -> list[list[Any]]:
        assert wait > 0
        return seen.take([self.states.pop(0), []])


def test_a_job_that_is_followed_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(["running", ["success", "running"], [True, None]],
                  ["success", ["success"] * 2, [True, True]])
    with terminal(monkeypatch) as (stream, reader):
        monkeypatch.setattr("sys.stderr", stream)
        assert waiting.follow(cast("Any", steps), 5) == [True, True]
        shown = said(reader)
    assert shown == "\rJob 5: running, 1 of 2 opcodes are done\x1b[K\r\x1b[K"


def missing() -> list[tuple[str, str]]:
    return [(program, name) for program, tool in INTERFACE.items() for name in tool["commands"]
            if program in TOOLS and name not in TOOLS[program].commands]


def test_ganetis_commands_are_there_or_refused_by_name(run) -> None:
    assert missing() == [(program, name) for program, tool in TOOLS.items()
                         for name in sorted(tool.refused)]
    for program, name in missing():
        ran = run([program, name])
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith(f"{program}: error: '{name}' is not available in this version: ")
        assert f"Ganeti has more, not available in this version: {name}" in run([program]).out


def test_what_others_have_said_does_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_document([("Result", "\x1b[2Jgone\nnext"), ("osparams", {"a\x1b": ["b\x07"]})])
    assert capsys.readouterr().out == (
        "Result: \\x1b[2Jgone\n  next\nosparams: \n  a\\x1b: \n    - b\\x07\n")
    assert visible_lines("one\ttwo\n\x1b[1m") == "one     two\n\\x1b[1m"
    state = State("cluster", (), (), [{"id": 1, "status": "running", "summary": ["X(\x1b[2J)"]}])
    assert not any("\x1b" in line for line in screen(state, "now", 80, 24))
