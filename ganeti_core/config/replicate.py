"""Send every commit to every master candidate, in the order of docs/architecture.md.

A group of writes goes to the current candidates while the local disk syncs it; the commit is
reported when all have it. A candidate that does not answer is *stale*: a majority of the nodes must
have that in writing before the commit is reported, so that it can never win a vote with an old
copy. Stale candidates catch up in the background: what they missed, or a whole copy.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ganeti_core.config.journal import Replicas, Write
from ganeti_core.config.replica import Group, Position, pieces
from ganeti_core.errors import GanetiError, StaleEpoch, StoreBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

BACKLOG = 2000
"""Groups kept in memory for candidates that catch up."""
RETRY = 2.0
MARK_SECONDS = 60.0
"""How long a commit waits for a majority to note a stale candidate."""


class Link(Protocol):
    """How copies and marks travel; made by the daemon over RPC. Nodes are named by uuid."""

    def candidates(self) -> list[str]:
        """The candidates besides the master itself, offline ones left out."""

    def voters(self) -> list[str]:
        """Every node that is not offline, besides the master itself."""

    def others(self) -> list[str]:
        """Every node besides the master itself."""

    def position(self, node: str) -> Position:
        """How far a node's copy is."""

    def append(self, node: str, group: Group) -> bool:
        """Send a group; False when it does not follow that copy."""

    def send_copy(self, node: str, cut: Sequence[tuple[int, str]]) -> None:
        """Send a whole copy."""

    def mark(self, node: str, stale: frozenset[str]) -> None:
        """Have a node note which candidates are stale."""


@dataclass
class _Sending:
    """One group on its way."""

    group: Group
    answers: dict[str, Future[bool]] = field(default_factory=dict)


class Replicator(Replicas):
    """Keeps all candidates' copies.

    :param position: of the local database before the first commit
    :param database: the local file, of which whole copies are made in its own folder
    """

    def __init__(
        self, link: Link, database: Path, position: Position, *,
        fenced: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._link = link
        self._database = database
        self._fenced = fenced
        self._mutex = threading.RLock()
        self._position = position
        self._backlog: deque[Group] = deque(maxlen=BACKLOG)
        self._current: set[str] = set()
        self._catching_up: set[str] = set()
        self._marked: frozenset[str] = frozenset()
        self._sending: _Sending | None = None
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="replicate")
        self._stopped = threading.Event()

    # For the journal's writer thread

    def begin(self, serial: int, writes: Sequence[Write]) -> None:
        with self._mutex:
            epoch = next((int(w.doc or 0) for w in writes if w.key == ("epoch",)),
                         self._position.epoch)
            group = Group(Position(epoch, serial), self._position.serial, tuple(writes))
            sending = _Sending(group)
            wanted = self._link.candidates()
            self._current &= set(wanted)
            for node in self._current:
                sending.answers[node] = self._pool.submit(self._link.append, node, group)
            self._sending = sending
            self._catch_up_others(wanted)

    def finish(self) -> None:
        """:raises StoreBroken: no majority of nodes could be told of a stale candidate"""
        sending, self._sending = self._sending, None
        if sending is None:
            return
        lost = {node for node, answer in sending.answers.items() if not self._arrived(node, answer)}
        with self._mutex:
            self._position = sending.group.position
            self._backlog.append(sending.group)
            self._current -= lost
        self._mark_stale()
        self._catch_up_others(self._link.candidates())

    def _arrived(self, node: str, answer: Future[bool]) -> bool:
        try:
            return answer.result()
        except StaleEpoch as exc:
            self._fenced(str(exc))
            raise StoreBroken(f"this master was replaced: {exc}") from exc
        except GanetiError as exc:
            log.warning("candidate %s is stale: %s", node, exc)
            return False

    # Marks

    def _mark_stale(self) -> None:
        """Have a majority note the stale candidates, when they are not the ones noted already."""
        with self._mutex:
            stale = self._stale()
            if stale <= self._marked:
                return
        deadline = time.monotonic() + MARK_SECONDS
        while not self._mark(stale):
            if time.monotonic() > deadline or self._stopped.wait(1.0):
                raise StoreBroken(
                    "the copies of some master candidates are old, and no majority of the nodes "
                    "could be told so: this master must not go on alone")

    def _stale(self) -> frozenset[str]:
        """All nodes without a current copy: a former candidate may still have an old one."""
        return frozenset(set(self._link.others()) - self._current)

    def poke(self) -> None:
        """Look again who is a candidate."""
        self._catch_up_others(self._link.candidates())

    def _mark(self, stale: frozenset[str]) -> bool:
        """Tell every node which candidates are stale; whether a majority has it, ours included."""
        voters = self._link.voters()
        told = [self._pool.submit(self._link.mark, node, stale) for node in voters]
        heard = 1
        for answer in told:
            try:
                answer.result()
                heard += 1
            except StaleEpoch as exc:
                self._fenced(str(exc))
                raise StoreBroken(f"this master was replaced: {exc}") from exc
            except GanetiError as exc:
                log.info("a node could not note stale candidates: %s", exc)
        nodes = len(voters) + 1
        # A cluster of two has no majority without the other node: the mark is local, and that
        # node can be made master with --no-voting only.
        if heard * 2 > nodes or nodes <= 2:
            with self._mutex:
                self._marked = stale
            return True
        return False

    # Catching up

    def synchronise(self, timeout: float) -> None:
        """Bring the candidates up to date, for at most `timeout` seconds; at the master's start."""
        self._catch_up_others(self._link.candidates())
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with self._mutex:
                if set(self._link.candidates()) <= self._current:
                    break
            time.sleep(0.02)
        self._mark_stale()

    def _catch_up_others(self, wanted: Sequence[str]) -> None:
        with self._mutex:
            for node in set(wanted) - self._current - self._catching_up:
                self._catching_up.add(node)
                self._pool.submit(self._catch_up, node)

    def _catch_up(self, node: str) -> None:
        try:
            while not self._stopped.is_set() and node in self._link.candidates():
                try:
                    if self._advance(node):
                        return
                except GanetiError as exc:
                    log.info("candidate %s cannot catch up yet: %s", node, exc)
                    self._stopped.wait(RETRY)
        except Exception:  # wall: a thread of the pool tells nobody
            log.exception("candidate %s", node)
        finally:
            with self._mutex:
                self._catching_up.discard(node)

    def _advance(self, node: str) -> bool:
        """Send what a candidate misses; True once it is current."""
        has = self._link.position(node)
        missing = self._missing(has)
        if missing is None:
            self._link.send_copy(node, pieces(self._database, self._database.parent))
            return False
        for group in missing:
            if not self._link.append(node, group):
                return False
        with self._mutex:
            # Between groups only: else the one on its way would be missed.
            last = missing[-1].position if missing else has
            if self._sending is not None or last != self._position:
                return False
            self._current.add(node)
            still = self._stale()
        log.info("candidate %s is current", node)
        self._pool.submit(self._mark, still)
        return True

    def _missing(self, has: Position) -> list[Group] | None:
        """The groups after `has`; None when they are not known here any more."""
        with self._mutex:
            if has == self._position:
                return []
            if has.epoch != self._position.epoch:
                return None
            groups = list(self._backlog)
        missing = [group for group in groups if group.position.serial > has.serial]
        return missing if missing and missing[0].previous == has.serial else None

    def status(self) -> dict[str, bool]:
        """Every candidate, and whether its copy is current."""
        with self._mutex:
            return {node: node in self._current for node in self._link.candidates()}

    def close(self) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
