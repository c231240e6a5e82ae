"""One changing call per object at a time.

A new call waits for the one that runs, as long as somebody waits for that one's answer. One whose
caller is gone (the master died, or gave its job up) is ended: the new call is its undo or its
repetition, and must not find it half done later.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from ganeti_core.errors import RpcError
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganeti_core.node.running import RunningCall

LOOK_SECONDS = 0.2

log = logging.getLogger(__name__)


class NodeBusy(RpcError):
    """Another call on the same object did not end in time; this one has changed nothing."""


@dataclass
class _Held:
    call: RunningCall
    freed: threading.Event = field(default_factory=threading.Event)


@dataclass
class Subjects:
    """The objects on which a changing call runs right now, by uuid."""

    _held: dict[str, _Held] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def hold(self, subject: str, call: RunningCall, seconds: float) -> Iterator[None]:
        """Have `subject` for `call` alone; wait at most `seconds` for it.

        :raises NodeBusy: it is still in use; says by which call
        """
        if not subject:
            yield
            return
        self._take(subject, call, seconds)
        try:
            yield
        finally:
            with self._guard:
                self._held.pop(subject).freed.set()

    def _take(self, subject: str, call: RunningCall, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            with self._guard:
                holder = self._held.get(subject)
                if holder is None:
                    self._held[subject] = _Held(call)
                    return
            _end_orphan(holder.call, call)
            left = until - time.monotonic()
            if left <= 0:
                raise NodeBusy(
                    f"{call.title} was not begun: {holder.call.title} has been running on the "
                    f"same object ({subject}) for {holder.call.age:.0f} s")
            holder.freed.wait(min(left, LOOK_SECONDS))


def _end_orphan(holder: RunningCall, call: RunningCall) -> None:
    if not holder.is_ending() and holder.abandoned():
        log.warning("%s is ended for %s: its caller is gone", holder.title, call.title)
        holder.end()
