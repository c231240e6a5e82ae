"""An instance's serial console, attached to as people do: ``gnt-instance console``."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from demo.stage import DemoFailed, Stage, program

if TYPE_CHECKING:
    from types import TracebackType

COUNT = re.compile(r"count ([0-9A-F]{8})\r?\n")


@dataclass
class Console:
    """An open console: ``with Console(stage, "name") as console``. `said` is all that it showed."""

    stage: Stage
    instance: str
    said: str = ""
    _terminal: int = -1
    _process: subprocess.Popen[bytes] | None = None
    _times: dict[int, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        # The console wants a terminal, as its user has one.
        self._terminal, theirs = pty.openpty()
        try:
            self._process = subprocess.Popen(
                [program("gnt-instance"), "console", self.instance], stdin=theirs, stdout=theirs,
                stderr=theirs, env=self.stage.surroundings(), start_new_session=True)
        finally:
            os.close(theirs)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        os.close(self._terminal)
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def read(self, seconds: float) -> None:
        """Take in what comes within `seconds`; returns with the first of it."""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return
        try:
            self.said += os.read(self._terminal, 65536).decode(errors="replace")
        except OSError:
            # The other end is gone: so is the console.
            time.sleep(min(seconds, 0.05))
            return
        for text in COUNT.findall(self.said):
            self._times.setdefault(int(text, 16), time.monotonic())

    def wait_for(self, pattern: str, seconds: float) -> str:
        """Read until `pattern` is in what was said since the console was opened.

        :raises DemoFailed: it did not come in time
        """
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said)):
            if time.monotonic() > until:
                raise DemoFailed(f"the console of {self.instance} did not show {pattern!r} in "
                                 f"{seconds:g} seconds, but: {self.said[-300:]!r}")
            self.read(0.2)
        return found[0]

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def counts(self) -> list[tuple[int, float]]:
        """The guest's counts that were seen, in order, with the times when they came."""
        return sorted(self._times.items())
