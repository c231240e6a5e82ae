"""What a running opcode waits for right now, for those who ask why it takes so long."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Waiting:
    """Noted by the threads that wait, read by any other."""

    _now: dict[object, tuple[str, float]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Note that the caller waits for `what`: ``iallocator hail: solve``."""
        token = object()
        with self._guard:
            self._now[token] = what, time.monotonic()
        try:
            yield
        finally:
            with self._guard:
                del self._now[token]

    def describe(self) -> str:
        """What is waited for and how long already; empty when nothing is."""
        with self._guard:
            found = list(self._now.values())
        now = time.monotonic()
        return ", ".join(f"{what} ({now - since:.0f} s)" for what, since in found)
