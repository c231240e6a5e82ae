"""How much memory responses may hold that clients are slow to take.

A response stays in memory until its client has it. When all together hold too much, those go whose
clients have taken nothing for a while, the longest first; only then is a new one refused.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import field
from http import HTTPStatus
from typing import TYPE_CHECKING

from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rapi.failures import HttpFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_HELD = 64 << 20
"""Bytes of responses, besides the newest."""
STALLED_SECONDS = 1.0


@dataclass(eq=False)
class Held:
    """One response on its way."""

    size: int
    abort: Callable[[], None]
    moved: float

    def progress(self, now: float) -> None:
        """Its client has taken a part."""
        self.moved = now


@dataclass
class Outgoing:
    """All responses on their way.

    :param clock: monotonic seconds
    """

    limit: int = MOST_HELD
    clock: Callable[[], float] = time.monotonic
    _held: set[Held] = field(default_factory=set)

    @property
    def size(self) -> int:
        return sum(one.size for one in self._held)

    @contextmanager
    def hold(self, size: int, abort: Callable[[], None]) -> Iterator[Held]:
        """Count a response until it is sent.

        :param abort: ends its connection
        :raises HttpFailure: there is no room, and nobody has stalled
        """
        self._make_room(size)
        one = Held(size, abort, self.clock())
        self._held.add(one)
        try:
            yield one
        finally:
            self._held.discard(one)

    def _make_room(self, size: int) -> None:
        late = self.clock() - STALLED_SECONDS
        for one in sorted(self._held, key=lambda held: held.moved):
            if self.size + size <= self.limit or one.moved > late:
                break
            self._held.discard(one)
            one.abort()
        if self._held and self.size + size > self.limit:
            raise HttpFailure(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many responses wait for their clients to take them: try again later")
