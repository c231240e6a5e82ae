"""A call under way on this node: how long it may take, and whether it should end before that."""

from __future__ import annotations

import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class RunningCall:
    """One call.

    :param title: what people call it, with its id
    :param deadline: on the monotonic clock
    :param abandoned: tells whether nobody waits for its answer any more
    """

    title: str
    deadline: float
    abandoned: Callable[[], bool] = lambda: False
    began: float = field(default_factory=time.monotonic)
    _ending: threading.Event = field(default_factory=threading.Event)

    def within(self, seconds: float) -> RunningCall:
        """Return this call, or a part of it that may take `seconds` at most."""
        deadline = time.monotonic() + seconds
        if deadline >= self.deadline:
            return self
        return RunningCall(self.title, deadline, self.abandoned, _ending=self._ending)

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def end(self) -> None:
        """Ask the call to end: its hook is told, and a worker process that goes on is killed."""
        self._ending.set()

    def is_ending(self) -> bool:
        return self._ending.is_set()
