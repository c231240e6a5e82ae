"""One changing call per object at a time: a new one waits for the one that runs."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ganeti_core.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator


class NodeBusy(RpcError):
    """Another call on the same object did not end in time; this one has changed nothing."""


@dataclass
class _Held:
    title: str
    since: float
    freed: threading.Event = field(default_factory=threading.Event)


@dataclass
class Subjects:
    """The objects on which a changing call runs right now, by uuid."""

    _held: dict[str, _Held] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def hold(self, subject: str, title: str, seconds: float) -> Iterator[None]:
        """Have `subject` for one's own; wait at most `seconds` for it.

        :raises NodeBusy: it is still in use; says by which call
        """
        if not subject:
            yield
            return
        self._take(subject, title, seconds)
        try:
            yield
        finally:
            with self._guard:
                self._held.pop(subject).freed.set()

    def _take(self, subject: str, title: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            with self._guard:
                holder = self._held.get(subject)
                if holder is None:
                    self._held[subject] = _Held(title, time.monotonic())
                    return
            left = until - time.monotonic()
            if left <= 0:
                raise NodeBusy(
                    f"{title} was not begun: {holder.title} has been running on the same object "
                    f"({subject}) for {time.monotonic() - holder.since:.0f} s")
            holder.freed.wait(left)
