"""Have in writing which nodes' copies are old, so that none of them can win a vote.

A mark is the set of all nodes without a current copy. It counts once a majority of the nodes, the
master's own included, has noted it durably. Marks are numbered, and a node never goes back to an
older one: an answer that was lost, or a call that arrives late, cannot undo what was told later.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Protocol

from ganeti_core.errors import GanetiError, StaleEpoch, StoreBroken
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

MARK_SECONDS = 60.0
"""How long a commit waits for a majority to note a stale candidate."""
_PAUSE = 1.0
_THREADS = 64


@dataclass(frozen=True)
class Mark:
    """The nodes (uuids) whose copies are old; of two marks of one epoch the higher number counts.
    """

    number: int
    stale: frozenset[str]


class MarkLink(Protocol):
    """How marks travel. Nodes are named by uuid."""

    def voters(self) -> list[str]:
        """Every node that is not offline, besides the master itself."""

    def mark(self, node: str, mark: Mark) -> bool:
        """Have a node note a mark; False when it has noted a newer one."""

    def mark_here(self, mark: Mark) -> bool:
        """Note a mark durably on the master's own node; False when its disk does not take it."""


class Marks:
    """What the nodes were told. `stale` answers who has no current copy now.

    :param number: higher than every number used before in this epoch
    :param alone: the administrator vouches that the silent nodes are dead: no majority is needed
    """

    def __init__(
        self, link: MarkLink, number: int, stale: Callable[[], frozenset[str]], *,
        fenced: Callable[[str], None], alone: bool = False,
    ) -> None:
        self._link = link
        self._stale = stale
        self._fenced = fenced
        self._alone = alone
        self._number = number
        self._acknowledged: frozenset[str] = frozenset()
        self._mutex = threading.Lock()
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mark")

    def ensure(self) -> None:
        """Return when a majority has every stale node in writing.

        :raises StoreBroken: none could be told so
        """
        deadline = time.monotonic() + MARK_SECONDS
        while not self._covers(self._stale()):
            if self.tell():
                continue
            if time.monotonic() > deadline or self._stopped.wait(_PAUSE):
                raise StoreBroken(
                    "the copies of some master candidates are old, and no majority of the nodes "
                    "could be told so: this master must not go on alone. Start the node daemons "
                    "of the silent nodes and restart ganeti-masterd; if they are dead for good, "
                    "restart it with --no-voting and mark them offline")

    def _covers(self, stale: frozenset[str]) -> bool:
        with self._mutex:
            return stale <= self._acknowledged

    def tell(self) -> bool:
        """Tell all nodes who is stale now; whether a majority has noted it.

        :raises StoreBroken: a node has seen a newer master
        """
        with self._mutex:
            stale = self._stale()
            self._number += 1
            mark = Mark(self._number, stale)
            # From now on a node may forget, at any time, whoever is not in this mark.
            self._acknowledged &= stale
        # A full disk here must not stop the others: this node counts as one that is silent then.
        noted_here = self._link.mark_here(mark)
        voters = self._link.voters()
        told = [self._pool.submit(self._link.mark, node, mark) for node in voters]
        enough = self._majority(told, int(noted_here))
        if not enough and self._alone:
            log.warning("no majority of the nodes answers: going on alone, as --no-voting asked")
        with self._mutex:
            if (enough or self._alone) and mark.number == self._number:
                self._acknowledged = stale
        return enough or self._alone

    def _majority(self, told: list[Future[bool]], heard: int) -> bool:
        nodes = len(told) + 1
        for answer in as_completed(told):
            try:
                heard += answer.result()
            except StaleEpoch as exc:
                self._fenced(str(exc))
                raise StoreBroken(f"this master was replaced: {exc}") from exc
            except GanetiError as exc:
                log.info("a node could not note stale candidates: %s", exc)
            if heard * 2 > nodes:
                return True
        # A cluster of two has no majority without the other node: one of the two is enough then,
        # and a vote there needs both, or --no-voting.
        return heard * 2 > nodes or (nodes <= 2 and heard > 0)

    def stop_waiting(self) -> None:
        """Let `ensure` give up: the daemon ends."""
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
