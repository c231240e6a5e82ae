"""Programs that are run for a hook: it never waits beyond its limit, nor keeps all they print."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ganeti_core.plugin_api import CommandFailed, run_command
from ganeti_core.plugin_api.run import KEPT_ERR, KEPT_OUT
from ganeti_core.readable import readable

LEAVES_A_DAEMON = (r'setsid sh -c "echo \$\$ >{pid}; exec sleep 600" & '
                   "while ! [ -s {pid} ]; do sleep 0.02; done")


def test_a_daemon_that_holds_the_output_keeps_nobody(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    done = run_command(["sh", "-c", LEAVES_A_DAEMON.format(pid=pid) + "; echo well"], timeout=300)
    try:
        assert done.stdout == "well\n"
        assert time.monotonic() - began < 100
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_one_that_runs_on_beside_its_daemon_is_killed_at_the_deadline(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(CommandFailed, match=r"longer than 1 s and was killed: working"):
        run_command(["sh", "-c", LEAVES_A_DAEMON.format(pid=pid) + "; echo working; sleep 600"],
                    timeout=1)
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_its_two_streams_are_both_in_the_error() -> None:
    with pytest.raises(CommandFailed) as caught:
        run_command(["sh", "-c", "echo policy says no; echo + debug >&2; exit 7"], timeout=60)
    assert str(caught.value).endswith("exited with status 7: + debug\npolicy says no")


def test_of_endless_output_the_two_ends_are_kept() -> None:
    program = ("import sys; sys.stdout.write('begin'); block = 'x' * (1 << 20)\n"
               f"for _ in range({(KEPT_OUT >> 20) + 9}): sys.stdout.write(block)\n"
               "sys.stdout.write('end'); sys.stderr.write('y' * (3 << 20))")
    done = run_command([sys.executable, "-c", program], timeout=120)
    assert (done.stdout[:6], done.stdout[-4:]) == ("beginx", "xend")
    assert len(done.stdout) < KEPT_OUT + 100
    assert len(done.stderr) < KEPT_ERR + 100
    assert done.dropped == (9 << 20) + len("beginend") + (2 << 20)
    assert "bytes dropped]" in done.stdout


def test_it_reads_its_input_while_it_prints() -> None:
    text = "line\n" * 200_000
    assert run_command(["cat"], timeout=60, stdin=text).stdout == text
    assert run_command(["true"], timeout=60, stdin=text).stdout == ""


def test_what_a_failed_program_says_cannot_move_the_cursor() -> None:
    with pytest.raises(CommandFailed) as caught:
        run_command(["sh", "-c", r"printf '\033[2J\033]0;title\007red\rblue\n'; exit 1"],
                    timeout=60)
    assert str(caught.value).endswith("status 1: red\nblue")


@pytest.mark.parametrize(("text", "plain"), [
    ("plain\ttext\n", "plain\ttext"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b]0;title\x07after", "after"),
    ("\x1b]8;;http://x\x1b\\link", "link"),
    ("\x1bcreset", "reset"),
    ("\x9b31mc1", "31mc1"),
    ("a\x00b\x08c", "abc"),
    ("half \udc80 surrogate", "half  surrogate"),
    ("end\x1b", "end"),
])
def test_readable_text_has_no_control_characters(text: str, plain: str) -> None:
    assert readable(text) == plain


def test_of_long_text_both_ends_are_shown() -> None:
    shown = readable("a" * 1000 + "b" * 100_000 + "c" * 3000)
    assert shown.startswith("a" * 1000)
    assert shown.endswith("c" * 3000)
    assert "characters left out" in shown
    assert len(shown) < 4200
