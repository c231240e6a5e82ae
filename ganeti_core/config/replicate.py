"""Send every commit to every master candidate, in the order of docs/architecture.md.

A group of writes goes to the current candidates while the local disk syncs it; the commit is
reported when all have it. A candidate that does not answer is *stale*: a majority of the nodes must
have that in writing (`marks.py`) before the commit is reported, so that it can never win a vote
with an old copy. Stale candidates catch up in the background: what they missed, or a whole copy.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ganeti_core.config.journal import Replicas
from ganeti_core.config.marks import MarkLink, Marks
from ganeti_core.config.replica import Group, Position, pieces
from ganeti_core.errors import GanetiError, StaleEpoch, StoreBroken
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ganeti_core.config.database import Write

log = logging.getLogger(__name__)

APPEND_SECONDS = 5.0
"""A candidate that takes longer is stale: nobody waits for it a second time."""
RETRY = 2.0
LARGEST_GROUP = 8 * 1024 * 1024
"""Characters; candidates get a larger one as a whole copy, for a message has its limit."""
_RECENT_SIZE = 16 * 1024 * 1024
_FEW = 20
"""Groups that a candidate may still miss when commits stand still for it."""


class Link(MarkLink, Protocol):
    """How copies and marks travel; made by the daemon over RPC. Nodes are named by uuid."""

    def candidates(self) -> list[str]:
        """The candidates besides the master itself, offline ones left out."""

    def others(self) -> list[str]:
        """Every node besides the master itself."""

    def position(self, node: str) -> Position:
        """How far a node's copy is."""

    def append(self, node: str, group: Group) -> bool:
        """Send a group; False when it does not follow that copy."""

    def append_all(
        self, nodes: Iterable[str], group: Group
    ) -> Mapping[str, Callable[[float], bool]]:
        """Send a group to many at once; gives, by node, what awaits the answer for some seconds."""

    def send_copy(self, node: str, cut: Sequence[tuple[int, str]]) -> None:
        """Send a whole copy."""


class _Recent:
    """The newest groups, as many as memory may hold, for candidates that catch up."""

    def __init__(self) -> None:
        self._groups: deque[Group] = deque()
        self._size = 0

    def add(self, group: Group) -> None:
        self._groups.append(group)
        self._size += group.size
        while self._size > _RECENT_SIZE:
            self._size -= self._groups.popleft().size

    def after(self, serial: int) -> list[Group] | None:
        """The groups that follow `serial`; None when not all are known."""
        missing = [group for group in self._groups if group.position.serial > serial]
        return missing if missing and missing[0].previous == serial else None


@dataclass
class _Sending:
    """One group on its way; nobody waits for an answer after `deadline` (monotonic)."""

    group: Group
    deadline: float
    answers: Mapping[str, Callable[[float], bool]] = field(default_factory=dict)


class Replicator(Replicas):
    """Keeps all candidates' copies.

    :param position: of the local database before the first commit
    :param database: the local file, of which whole copies are made
    :param first_mark: higher than every number of a mark in this epoch
    :param fenced: told why, when a node has seen a newer master
    :param alone: go on without a majority (see `Marks`)
    """

    def __init__(  # wiring: each is a different part of the daemon
        self, link: Link, database: Path, position: Position, *, first_mark: int = 0,
        fenced: Callable[[str], None] = lambda _reason: None, alone: bool = False,
    ) -> None:
        self._link = link
        self._database = database
        self._fenced = fenced
        self._marks = Marks(link, first_mark, self._stale, fenced=fenced, alone=alone)
        self._changed = threading.Condition(threading.RLock())
        """Guards all below; notified when a group is done and when a candidate joined or failed."""
        self._position = position
        self._recent = _Recent()
        self._current: set[str] = set()
        self._catching_up: set[str] = set()
        self._failed: set[str] = set()
        self._joining: set[str] = set()
        self._sending: _Sending | None = None
        self._synchronised = False
        self._stopped = threading.Event()

    # For the journal's writer thread

    def begin(self, serial: int, writes: Sequence[Write]) -> None:
        with self._changed:
            # A candidate that is about to join needs a moment without commits.
            if not self._changed.wait_for(lambda: not self._joining, APPEND_SECONDS):
                self._joining.clear()
            epoch = next((int(w.doc or 0) for w in writes if w.key == ("epoch",)),
                         self._position.epoch)
            group = Group(Position(epoch, serial), self._position.serial, tuple(writes))
            self._current &= set(self._link.candidates())
            if group.size > LARGEST_GROUP:
                self._current.clear()
            self._sending = _Sending(group, time.monotonic() + APPEND_SECONDS,
                                     self._link.append_all(self._current, group))

    def finish(self) -> None:
        """:raises StoreBroken: no majority of nodes could be told of a stale candidate, or this
        master was replaced
        """
        sending = self._sending
        if sending is None:
            return
        lost = {node for node in sending.answers if not self._arrived(node, sending)}
        with self._changed:
            self._position = sending.group.position
            self._recent.add(sending.group)
            self._current -= lost
            # Together with the position: a candidate must not join in between without this group.
            self._sending = None
            self._changed.notify_all()
        self._marks.ensure()
        self.poke()

    def abandon(self) -> None:
        """The group that was begun is not in the local database.

        Candidates that have it are ahead by what was never committed: they count as stale, and get
        a whole copy.

        :raises StoreBroken: as `finish`
        """
        sending = self._sending
        if sending is None:
            return
        for node in sending.answers:
            self._arrived(node, sending)
        with self._changed:
            self._current -= set(sending.answers)
            self._sending = None
            self._changed.notify_all()
        self._marks.ensure()
        self.poke()

    def _arrived(self, node: str, sending: _Sending) -> bool:
        try:
            left = max(0.0, sending.deadline - time.monotonic())
            if sending.answers[node](left):
                return True
            log.warning("candidate %s is stale: its copy is not what it should be", node)
        except StaleEpoch as exc:
            self._fenced(str(exc))
            raise StoreBroken(f"this master was replaced: {exc}") from exc
        except TimeoutError:
            log.warning("candidate %s is stale: no answer in %g s", node, APPEND_SECONDS)
        except GanetiError as exc:
            log.warning("candidate %s is stale: %s", node, exc)
        return False

    def _stale(self) -> frozenset[str]:
        """All nodes without a current copy: a former candidate may still have an old one."""
        with self._changed:
            return frozenset(set(self._link.others()) - self._current)

    # Catching up

    def synchronise(self, timeout: float) -> None:
        """Bring the candidates up to date, at the master's start.

        Waits until each is current or was found silent, for at most `timeout` seconds.

        :raises StoreBroken: no majority of nodes could be told of a stale candidate
        """
        self.poke()
        with self._changed:
            self._changed.wait_for(
                lambda: set(self._link.candidates()) <= self._current | self._failed, timeout)
            self._synchronised = True
        # Even if all are current: the nodes may still have what an earlier master told them.
        self._marks.tell()
        self._marks.ensure()

    def poke(self) -> None:
        """Look again who is a candidate."""
        with self._changed:
            if self._stopped.is_set():
                return
            for node in set(self._link.candidates()) - self._current - self._catching_up:
                self._catching_up.add(node)
                # A thread for each: those that wait for the dead must not use up a pool.
                threading.Thread(target=self._catch_up, args=(node,), daemon=True,
                                 name=f"catch-up-{node[:8]}").start()

    def _catch_up(self, node: str) -> None:
        try:
            while not self._stopped.is_set() and node in self._link.candidates():
                if self._tried(node):
                    return
        except Exception:  # wall: a thread tells nobody
            if not self._stopped.is_set():
                log.exception("candidate %s", node)
        finally:
            with self._changed:
                self._catching_up.discard(node)

    def _tried(self, node: str) -> bool:
        """Try to bring a candidate up to date; True when there is no more to do."""
        try:
            done, pause = self._advance(node), 0.02
        except StaleEpoch as exc:
            self._fenced(str(exc))
            return True
        except GanetiError as exc:
            log.info("candidate %s cannot catch up yet: %s", node, exc)
            with self._changed:
                self._failed.add(node)
                self._changed.notify_all()
            done, pause = False, RETRY
        if not done:
            self._stopped.wait(pause)
        return done

    def _advance(self, node: str) -> bool:
        """Send what a candidate misses; True once it is current."""
        has = self._link.position(node)
        while (missing := self._missing(has)) is not None and len(missing) > _FEW:
            if not all(self._link.append(node, group) for group in missing):
                return False
            has = missing[-1].position
        if missing is not None or self._is_on_its_way(has):
            with self._turn(node):
                missing = self._missing(has)
                joined = missing is not None and all(
                    self._link.append(node, group) for group in missing) and self._join(node)
        else:
            joined = False
        if missing is None:
            log.info("candidate %s gets a whole copy", node)
            self._link.send_copy(node, pieces(self._database))
        if joined and self._synchronised:
            self._marks.tell()
        return joined

    def _missing(self, has: Position) -> list[Group] | None:
        """The groups after `has`; None when they are not known here any more."""
        with self._changed:
            if has == self._position:
                return []
            return self._recent.after(has.serial) if has.epoch == self._position.epoch else None

    def _is_on_its_way(self, has: Position) -> bool:
        with self._changed:
            return self._sending is not None and has == self._sending.group.position

    @contextmanager
    def _turn(self, node: str) -> Iterator[None]:
        """Let no commit begin while a candidate joins; `begin` waits for it, not for ever."""
        with self._changed:
            self._joining.add(node)
            self._changed.wait_for(lambda: self._sending is None or self._stopped.is_set())
        try:
            yield
        finally:
            with self._changed:
                self._joining.discard(node)
                self._changed.notify_all()

    def _join(self, node: str) -> bool:
        with self._changed:
            if node not in self._joining or self._sending is not None:
                return False  # it took too long: a commit has left without it
            self._current.add(node)
            self._failed.discard(node)
            self._changed.notify_all()
        log.info("candidate %s is current", node)
        return True

    def status(self, patience: float = 0.0) -> dict[str, bool]:
        """Every candidate, and whether its copy is current.

        :param patience: seconds in which one that is not may become so
        """
        with self._changed:
            self._changed.wait_for(
                lambda: set(self._link.candidates()) <= self._current, patience)
            return {node: node in self._current for node in self._link.candidates()}

    def stop_waiting(self) -> None:
        """The daemon ends: try everything once more, wait for nobody."""
        self._stopped.set()
        self._marks.stop_waiting()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        self.stop_waiting()
        self._marks.close()
