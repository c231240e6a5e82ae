"""Logs of scripts: of limited size, without secrets, and only the last ones are kept.

A log is ``KIND-OS-INSTANCE-TIME.log``, as Ganeti names it. `KEPT` logs are left of each kind, OS
and instance, and `KEPT_IN_ALL` in the folder, for instances come and go.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ganeti_core.plugin_api.run import readable

KEPT = 10
KEPT_IN_ALL = 1000
LARGEST = 4 << 20
"""Bytes of one log; of a longer output the first half and the end are kept."""
LONGEST_NAME = 255
"""Bytes of a file's name."""
TAIL_LINES = 20
TAIL_BYTES = 16 << 10
TAIL_CHARACTERS = 8 << 10
_LONGEST_LINE = 64 << 10
_STAMP = re.compile(r"-\d{4}-\d\d-\d\d_\d\d_\d\d_\d\d\.log")

Hide = Callable[[str], str]


def new_log(folder: Path, what: str, system: str, whom: str) -> Path:
    """Return the path of a new log in `folder`, of which old logs are removed."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    ending = f"-{time.strftime('%Y-%m-%d_%H_%M_%S')}.log"
    name = f"{what}-{system}-{whom}".replace("/", "_")
    most = LONGEST_NAME - len(ending)
    if len(os.fsencode(name)) > most:
        # Cut, and still another one for every name.
        mark = f"~{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
        name = os.fsencode(name)[:most - len(mark)].decode(errors="ignore") + mark
    _remove_old(folder, name)
    return folder / f"{name}{ending}"


def _remove_old(folder: Path, name: str) -> None:
    """Make room for one log more: of `name`, and in the folder."""
    logs: list[tuple[float, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # Others may remove it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if _STAMP.search(entry.name[-24:]) and entry.is_file(follow_symlinks=False):
                    logs.append((entry.stat().st_mtime, entry.name))
    logs.sort()
    own = [log for log in logs if _STAMP.fullmatch(log[1].removeprefix(name))
           and log[1].startswith(name)]
    for _, old in {*own[:max(0, len(own) - KEPT + 1)],
                   *logs[:max(0, len(logs) - KEPT_IN_ALL + 1)]}:
        (folder / old).unlink(missing_ok=True)


class Output:
    """What a script has printed so far: its end, and all of it in a log if there is one.

    :param log: where it goes line by line, after `hide` has seen it
    """

    def __init__(self, log: IO[bytes] | None = None, hide: Hide = str, kept: int = 0) -> None:
        self._log = log
        self._hide = hide
        self._line = bytearray()
        self._recent = bytearray()
        self._most_recent = TAIL_BYTES + kept
        self._is_cut = False
        self._written = log.seek(0, os.SEEK_END) if log is not None else 0
        self._dropped = 0

    def add(self, data: bytes) -> None:
        self._recent += data
        if (over := len(self._recent) - self._most_recent) > 0:
            del self._recent[:over]
            self._is_cut = True
        if self._log is not None:
            self._line += data
            end = self._line.rfind(b"\n") + 1
            if not end and len(self._line) > _LONGEST_LINE:
                end = len(self._line)
            self._write(end)

    def close(self) -> None:
        """Write what has no end of line yet."""
        self._write(len(self._line))

    def _write(self, end: int) -> None:
        if self._log is None or not end:
            return
        text = self._hide(bytes(self._line[:end]).decode(errors="surrogateescape"))
        del self._line[:end]
        data = text.encode(errors="surrogateescape")
        if self._written + len(data) > LARGEST:
            data = self._shortened(self._log, data)
        self._log.write(data)
        self._log.flush()
        self._written += len(data)

    def _shortened(self, log: IO[bytes], data: bytes) -> bytes:
        """Cut the log back to its first half; return what goes on behind it."""
        head = min(LARGEST // 2, self._written)
        log.seek(head)
        later = log.read() + data
        kept = later[-(LARGEST // 4):]
        self._dropped += len(later) - len(kept)
        log.truncate(head)
        log.seek(head)
        self._written = head
        return b"\n[%d bytes dropped]\n" % self._dropped + kept

    def tail(self, hide: Hide) -> str:
        """The last lines, fit for a terminal, after `hide` has seen them."""
        text = hide(self._recent.decode(errors="replace"))
        if self._is_cut:
            # What was cut at its beginning could not be recognized.
            text = text[self._most_recent - TAIL_BYTES:]
        return readable("\n".join(text.splitlines()[-TAIL_LINES:]), TAIL_CHARACTERS)
