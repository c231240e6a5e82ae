"""Where changing calls wait until a node that starts knows who may command it."""

from __future__ import annotations

import threading
import time
from dataclasses import field

from ganeti_core.lazy_dataclass import dataclass

START_SECONDS = 2.0
"""How long a node that starts waits for what other nodes know."""


@dataclass
class Gate:
    """What may change the node waits here until it has asked the others, or for `START_SECONDS`."""

    _open: threading.Event = field(default_factory=threading.Event)
    _until: float = field(default_factory=lambda: time.monotonic() + START_SECONDS)

    def open(self) -> None:
        self._open.set()

    def wait(self) -> None:
        """Wait until it is open, or the time is over."""
        if not self._open.is_set():
            self._open.wait(max(0.0, self._until - time.monotonic()))
            self._open.set()
