"""Log files: what plugins may write into them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganeti_core.logs import (
    LONGEST,
    SHARE_CHARACTERS,
    WINDOW_SECONDS,
    OneLine,
    PluginShares,
    SharedLog,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[SharedLog, list[float]]]:
    """A log file, and the time in its one item."""
    now = [0.0]
    handler = SharedLog(tmp_path / "log")
    handler.setFormatter(OneLine("%(message)s"))
    handler.shares = PluginShares(lambda: now[0])
    yield handler, now
    handler.close()


def write(handler: SharedLog, logger: str, *messages: str) -> list[str]:
    before = len(lines(handler))
    for message in messages:
        handler.emit(logging.LogRecord(logger, logging.INFO, "", 0, message, None, None))
    return lines(handler)[before:]


def lines(handler: SharedLog) -> list[str]:
    return Path(handler.baseFilename).read_text().splitlines()


def test_a_plugin_that_floods_the_log_has_its_share_and_the_rest_is_counted(log) -> None:
    handler, now = log
    flood = ["x" * 10_000] * 1000
    written = write(handler, "plugin.os.bad", *flood)
    assert sum(map(len, written)) < SHARE_CHARACTERS + 1000
    assert "plugin.os.bad logs more than" in written[-1]
    assert write(handler, "plugin.os.bad.inner", "more") == []
    assert write(handler, "plugin.os.good", "hello") == ["hello"]
    assert write(handler, "ganeti_core.node", *flood[:100]) == flood[:100]
    now[0] = WINDOW_SECONDS + 1
    note, again = write(handler, "plugin.os.bad", "again")
    assert note.endswith("were left out of this log")
    assert note.split()[0] == str(1000 + 1 - (len(written) - 1))
    assert again == "again"


def test_what_was_left_out_is_said_when_the_hook_ends(log) -> None:
    handler, _ = log
    write(handler, "plugin.os.bad", *["x" * 10_000] * 100)
    before = len(lines(handler))
    handler.call_ended("plugin.os.bad")
    handler.call_ended("plugin.os.bad")
    handler.call_ended("plugin.os.good")
    assert len(lines(handler)) == before + 1


def test_one_message_is_bounded_and_keeps_to_its_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "a" * 10**6 + "\nb", None, None)
    shown = OneLine("%(message)s").format(record)
    assert len(shown) < LONGEST + 100
    assert "\n" not in shown
    try:
        raise ValueError("\x1b[2J" + "long" * 10**6)
    except ValueError as exc:
        record = logging.LogRecord("x", logging.INFO, "", 0, "failed", None,
                                   (type(exc), exc, exc.__traceback__))
    shown = OneLine("%(message)s").format(record)
    assert "\x1b" not in shown
    assert "Traceback (most recent call last):\n" in shown
    assert len(shown) < LONGEST + 100
