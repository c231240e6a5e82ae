"""Who did what, from where: a line of JSON per change, and per request that was denied."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from typing import TYPE_CHECKING, Any

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

_JOBS = re.compile(rb"[0-9]+|\[[][0-9, ]*\]")

LONGEST = 1000
"""Characters of an address that are kept."""
MOST_DENIALS = 100
"""Lines in a minute about requests that were denied."""


@dataclass
class AuditLog:
    """A file to which lines are only ever added; it may be rotated under us."""

    file: Path
    clock: Callable[[], float] = time.time
    _descriptor: int | None = None
    _complaint: str = ""
    _minute: int = 0
    _denials: int = 0

    def record(self, entry: Mapping[str, Any], *, bounded: bool = False) -> None:
        """Add a line. That it cannot be written is logged, and stops nobody.

        :param bounded: anybody can have such lines written: there are so many a minute, and the
            first of another minute says how many were left out
        """
        if bounded:
            left_out = self._left_out()
            if left_out is None:
                return
            entry = {**entry, **({"left_out_before": left_out} if left_out else {})}
        line = json.dumps({"time": round(self.clock(), 3), **entry}).encode() + b"\n"
        try:
            if self._descriptor is None or not self._is_ours(self._descriptor):
                self._open()
            # One write of a file that is only appended to: lines do not mix.
            os.write(self._descriptor or 0, line)
            self._complaint = ""
        except OSError as exc:
            self.close()
            if str(exc) != self._complaint:
                self._complaint = str(exc)
                log.error("the audit log cannot be written: %s", exc)

    def _left_out(self) -> int | None:
        """How many lines were left out before this one; None where it is left out, too."""
        minute, before = int(self.clock() // 60), 0
        if minute != self._minute:
            before = max(0, self._denials - MOST_DENIALS)
            self._minute, self._denials = minute, 0
        self._denials += 1
        return before if self._denials <= MOST_DENIALS else None

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _is_ours(self, descriptor: int) -> bool:
        """Whether the open file is still the one of that name."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.file.stat())
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        self.close()
        self._descriptor = os.open(
            self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def jobs_of(body: bytes) -> int | list[Any] | None:
    """The number of a job, or lists of them, if that is what a response says."""
    text = body.strip()
    return json.loads(text) if _JOBS.fullmatch(text) else None
