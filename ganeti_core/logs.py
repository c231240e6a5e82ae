"""Log files of daemons and their processes: a message keeps to its line, a plugin to its share."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import threading
import time
from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import TextIOWrapper
    from pathlib import Path

LONGEST = 16 << 10
"""Characters of one message, its traceback included."""
SHARE_CHARACTERS = 256 << 10
"""What one plugin may log in `WINDOW_SECONDS`, per process; the rest is counted and left out."""
WINDOW_SECONDS = 60.0
_OWN = ("ganeti_core", "asyncio")
"""Whatever else logs belongs to a plugin or a library that it uses."""
_PLUGIN_DEPTH = 3
"""The logger of a plugin is ``plugin.KIND.NAME``."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def _visible(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]


class OneLine(logging.Formatter):
    """Keeps a message on its line: names that strangers sent must not look like other messages."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # the name is that of logging
        record.message = _CONTROL.sub(_visible, _bounded(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # the name is that of logging
        text = super().formatException(ei)  # type: ignore[arg-type]  # its alias is private
        return _CONTROL_BUT_LINES.sub(_visible, _bounded(text))


def _bounded(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} [{len(text) - LONGEST} characters left out]"


@dataclass
class _Share:
    """What a plugin may still log until `until`, and what of it was left out since it was used."""

    until: float
    left: int = SHARE_CHARACTERS
    messages: int = 0
    characters: int = 0


@dataclass
class PluginShares:
    """How much each plugin has logged; any thread may ask.

    :param clock: monotonic seconds
    """

    clock: Callable[[], float] = time.monotonic
    _shares: dict[str, _Share] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, logger: str, size: int) -> tuple[bool, str]:
        """Return whether a message of `size` characters is to be written, and a note before it."""
        if logger.partition(".")[0] in _OWN:
            return True, ""
        plugin = ".".join(logger.split(".")[:_PLUGIN_DEPTH])
        now = self.clock()
        with self._guard:
            share = self._shares.get(plugin)
            note = ""
            if share is None or now >= share.until:
                note = _left_out(plugin, share)
                share = self._shares[plugin] = _Share(now + WINDOW_SECONDS)
            if size <= share.left:
                share.left -= size
                return True, note
            share.left = 0
            if not share.messages:
                note = (f"{plugin} logs more than {SHARE_CHARACTERS} characters in "
                        f"{WINDOW_SECONDS:g} s: its further messages are left out until then")
            share.messages += 1
            share.characters += size
            return False, note

    def close(self, plugin: str) -> str:
        """Say how much of `plugin` was left out and not yet noted; empty when nothing was."""
        with self._guard:
            share = self._shares.get(plugin)
            note = _left_out(plugin, share)
            if share is not None:
                share.messages = share.characters = 0
            return note


def _left_out(plugin: str, share: _Share | None) -> str:
    if share is None or not share.messages:
        return ""
    return (f"{share.messages} messages of {plugin} ({share.characters} characters) were left out "
            "of this log")


class SharedLog(logging.handlers.WatchedFileHandler):
    """A log file of which no plugin gets more than its share."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.shares = PluginShares()
        self._stuck = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, or a note that it and others are left out."""
        size = min(len(record.getMessage()), LONGEST)
        fits, note = self.shares.admit(record.name, size)
        if note:
            self._note(note)
        if fits:
            super().emit(record)

    def reopen(self) -> None:
        """Let go of the file and open it anew."""
        self.acquire()
        try:
            self._exchange()
        finally:
            self.release()

    def reopenIfNeeded(self) -> None:  # the name is that of logging
        """Follow the file's name where it was rotated."""
        try:
            state = os.stat(self.baseFilename)
        except OSError:
            self._exchange()
        else:
            if (state.st_dev, state.st_ino) != (self.dev, self.ino):
                self._exchange()

    def _exchange(self) -> None:
        """Go on in the file that has the name now; in the old one where that cannot be opened."""
        old = self.stream
        try:
            self.stream = self._open()
        except OSError as exc:
            if not self._stuck:
                self._stuck = True
                self._note(f"{self.baseFilename} cannot be opened anew: {exc.strerror}")
            return
        self._stuck = False
        self._statstream()
        if old is not None:
            with suppress(OSError):  # a disk that is full
                old.close()

    def _open(self) -> TextIOWrapper:
        # Whoever made the file, and whatever this process may write otherwise: it is private.
        os.close(os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return super()._open()

    def call_ended(self, plugin: str) -> None:
        """Note what was left out of a plugin's messages: it may never log again here."""
        if note := self.shares.close(plugin):
            self._note(note)

    def _note(self, text: str) -> None:
        super().emit(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None))


def note_left_out(plugin: str) -> None:
    """Let every log file say how much it has left out of `plugin` (``plugin.KIND.NAME``)."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, SharedLog):
            handler.call_ended(plugin)


def reopen_logs() -> None:
    """Close the log files of this process and open, or make, those that have their names now."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, SharedLog):
            handler.reopen()


def set_up_logging(
    file: Path, program: str, *, debug: bool = False, terminal: bool = False
) -> None:
    """Log to `file`, which may be rotated under us; with `terminal` to standard error too."""
    handlers: list[logging.Handler] = [SharedLog(file)]
    if terminal:
        handlers.append(logging.StreamHandler())
    form = f"%(asctime)s: {program} pid=%(process)d/%(threadName)s %(levelname)s %(message)s"
    for handler in handlers:
        handler.setFormatter(OneLine(form))
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO, handlers=handlers, force=True)
    for noisy in ("Pyro5", "stevedore"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
