"""What hooks that run now have told the owners of their jobs, so that the master can ask for it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.readable import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = 1000
"""Lines of one call that are kept; of further ones only their number is told."""
LINE = 1000
"""Characters of a line."""


@dataclass
class Told:
    """The lines of one call, in order."""

    lines: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, line: str) -> None:
        """Keep a line, made readable and short."""
        if len(self.lines) < LINES:
            self.lines.append(readable(line, LINE))
        else:
            self.left_out += 1

    def all(self) -> list[str]:
        """All lines, with a last one that counts what was left out."""
        more = [f"[{self.left_out} more lines were left out]"] if self.left_out else []
        return [*self.lines, *more]


class Telling:
    """The calls under way that have an id, by it."""

    def __init__(self) -> None:
        self._calls: dict[str, Told] = {}
        self._guard = threading.Lock()

    @contextmanager
    def of(self, call_id: str) -> Iterator[Told]:
        """Around a call: where its hook's lines go."""
        told = Told()
        if call_id:
            with self._guard:
                self._calls[call_id] = told
        try:
            yield told
        finally:
            if call_id:
                with self._guard:
                    self._calls.pop(call_id, None)

    def since(self, call_id: str, after: int) -> list[str]:
        """The lines behind the first `after` ones; nothing of a call that has ended."""
        with self._guard:
            told = self._calls.get(call_id)
        return told.lines[after:] if told is not None else []
