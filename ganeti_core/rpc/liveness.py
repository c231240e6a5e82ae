"""Whether a node that is waited for says anything at all.

A call may take an hour, and a node that hangs, or lost its power in the middle of it, says nothing
for as long. So whoever waits for a long call asks the node now and then whether it is there, on
another connection; where it has been silent for too long, the wait ends. Waits for one node share
what any of them has heard.
"""

from __future__ import annotations

import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import GanetiError, NodeUnreachable, OutcomeUnknown
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.rpc.connection import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

BEAT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"""So long a busy node may be slow to say anything; a longer silence is taken for its end."""


@dataclass
class Liveness:
    """When each node was last heard.

    :param beat: seconds after which a silent node is asked
    :param silence: seconds after which it is given up
    """

    beat: float = BEAT_SECONDS
    silence: float = SILENCE_SECONDS
    _heard: dict[str, float] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def note(self, uuid: str) -> None:
        """A node has said something."""
        with self._guard:
            self._heard[uuid] = time.monotonic()

    def watch(
        self, uuid: str, ping: Callable[[], Any], inner: Callable[[], bool] | None
    ) -> Callable[[], bool]:
        """Return what a waiting connection asks twice a second: `inner`, and the node's health.

        It raises `TimeoutError` where the node has been silent for too long.
        """
        since = time.monotonic()

        def look() -> bool:
            if self._is_due(uuid, since):
                try:
                    ping()
                except Refused:
                    self.note(uuid)  # all of its places are taken, by long calls perhaps
                except (NodeUnreachable, OutcomeUnknown):
                    self._check(uuid, since)
                except GanetiError:
                    self.note(uuid)  # a refusal is a word, too
            return inner is not None and inner()

        return look

    def _is_due(self, uuid: str, since: float) -> bool:
        now = time.monotonic()
        with self._guard:
            last = max(self._heard.get(uuid, 0.0), self._asked.get(uuid, 0.0), since)
            if now < last + self.beat:
                return False
            self._asked[uuid] = now
        return True

    def _check(self, uuid: str, since: float) -> None:
        with self._guard:
            heard = max(self._heard.get(uuid, 0.0), since)
        if time.monotonic() > heard + self.silence:
            raise TimeoutError(f"the node has been silent for {self.silence:g} s")
