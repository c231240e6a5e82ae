"""The one durable database: configuration, jobs and the undo log in a single SQLite file.

One thread writes. It takes whatever is waiting and commits it as one transaction (*group commit*,
without a waiting window), so a burst of small commits costs few fsyncs, and a config change, the
forgetting of its undo and the job's result are one commit or none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sqlite3
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from ganeti_core.config.database import Database, Write, apply_writes, is_full
from ganeti_core.errors import StoreBroken
from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

START_GAP = 1_000_000
"""Serials skipped at every start, so that none is ever used twice: a group that reached a copy but
was lost here must not look like a later one of the same number."""
_FLOOR = "journal_floor"
"""Where this run's serials begin, durable before the first is used."""
PREVIOUS = "journal_previous"
"""The serial before the newest: tells a copy that is ahead by one unfinished group from a database
that has lost what it once had."""
FULL_DISK_PAUSE = 0.5
"""Seconds between two tries to write to a disk that is full."""
LARGEST_GROUP = 2 * 1024 * 1024
"""Characters; a group that has them takes no further entries."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    writes: Sequence[Write]
    done: Callable[[BaseException | None], None]


class Replicas:
    """Where commits go besides the local disk: nowhere. See `replicate.py` for the real one."""

    def begin(self, serial: int, writes: Sequence[Write]) -> None:
        """Start to send a group of writes, before the local commit."""

    def finish(self) -> None:
        """Wait until every current replica has made them durable, or is marked stale."""

    def abandon(self) -> None:
        """The local commit failed: what was begun must not count anywhere."""


class Journal(Database):
    """The database as its only writer has it.

    :raises StoreBroken: as for any, or it cannot be written
    """

    def __init__(self, path: Path, replicas: Replicas | None = None) -> None:
        super().__init__(path)
        self.replicas = replicas or Replicas()
        self.broken: StoreBroken | None = None
        self.lock = threading.Lock()
        """Held by who validates on top of uncommitted entries, until its own is submitted."""
        self.on_failure: Callable[[], None] = lambda: None
        """Called while `lock` is held, when a group and all behind it failed."""
        self.on_broken: Callable[[StoreBroken], None] = lambda _error: None
        """Called once, when those who waited were told: nothing can be written any more."""
        self.on_commit: Callable[[float], None] = lambda _seconds: None
        """Called in the writer thread with what a commit took, here and on all copies."""
        self._entries: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._begin_run()
        self._thread = threading.Thread(target=self._write_loop, name="journal", daemon=True)
        self._thread.start()

    def _begin_run(self) -> None:
        """Make durable where the serials of this run begin."""
        self.serial = int(self.meta().get("journal_serial", 0))
        earlier = int(dict(self.rows("local")).get(_FLOOR, 0))
        self._floor = self._next = max(self.serial, earlier) + START_GAP
        try:
            apply_writes(self._db, [Write("local", (_FLOOR,), str(self._floor))])
        except sqlite3.Error as exc:
            self._db.close()
            raise StoreBroken(f"the database {self.path} could not be written ({exc}): free some "
                              "space on its disk, or check it") from exc

    @property
    def floor(self) -> int:
        """The first serial of this run, higher than every one of earlier runs."""
        return self._floor

    def submit(
        self, writes: Sequence[Write], done: Callable[[BaseException | None], None]
    ) -> None:
        """Commit `writes` as one, soon; `done` is called in the writer thread, in order."""
        self._entries.put(_Entry(writes, done))

    def write(self, writes: Sequence[Write]) -> None:
        """Commit and wait.

        :raises StoreBroken: nothing was written
        """
        outcome: Future[None] = Future()
        self.submit(writes, lambda error: _settle(outcome, error))
        outcome.result()

    def write_patiently(self, writes: Sequence[Write]) -> None:
        """As `write`, but wait while the disk is full: for what has happened and must be noted.

        :raises StoreBroken: nothing can be written any more
        """
        while True:
            try:
                return self.write(writes)
            except StoreBroken:
                if self.broken is not None:
                    raise
            time.sleep(FULL_DISK_PAUSE)

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._entries.put(None)
        self._thread.join()
        self._db.close()

    def _write_loop(self) -> None:
        was_told = False
        while True:
            group, more = self._next_group()
            if group:
                error = self._commit(group)
                if error is not None:
                    # Later entries were validated on top of the failed ones: they fail with them.
                    with self.lock:
                        group += self._drain()
                        self.on_failure()
                for entry in group:
                    _report(entry, error)
                crash_point("published")
            if self.broken is not None and not was_told:
                was_told = True
                self.on_broken(self.broken)
            if not more:
                return

    def _next_group(self) -> tuple[list[_Entry], bool]:
        group: list[_Entry] = []
        size = 0
        entry = self._entries.get()
        while entry is not None:
            group.append(entry)
            size += sum(len(write.doc or "") for write in entry.writes)
            if size > LARGEST_GROUP:
                return group, True
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _drain(self) -> list[_Entry]:
        drained: list[_Entry] = []
        while True:
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                return drained
            if entry is None:
                self._entries.put(None)
                return drained
            drained.append(entry)

    def _commit(self, group: list[_Entry]) -> StoreBroken | None:
        if self.broken is not None:
            return self.broken
        writes = [write for entry in group for write in entry.writes]
        serial = self._next
        self._next += 1
        writes += [Write("meta", ("journal_serial",), str(serial)),
                   Write("meta", (PREVIOUS,), str(self.serial))]
        began = time.monotonic()
        try:
            self._commit_everywhere(serial, writes)
        except StoreBroken as exc:
            self.broken = exc
            return exc
        except _NotWritten as exc:
            return exc.error
        except Exception as exc:  # wall: the writer must outlive it, and nothing may follow
            log.exception("a commit failed")
            self.broken = StoreBroken(f"a commit failed: {exc!r}")
            return self.broken
        self.serial = serial
        self.on_commit(time.monotonic() - began)
        return None

    def _commit_everywhere(self, serial: int, writes: Sequence[Write]) -> None:
        crash_point("before")
        self.replicas.begin(serial, writes)
        try:
            apply_writes(self._db, writes)
        except sqlite3.Error as exc:
            error = self._failed(exc)
            if self.broken is None:
                self.replicas.abandon()
            raise _NotWritten(error) from exc
        crash_point("journal")
        self.replicas.finish()

    def _failed(self, exc: sqlite3.Error) -> StoreBroken:
        with contextlib.suppress(sqlite3.Error):
            self._db.rollback()
        full = is_full(exc)
        advice = "free some space on its disk" if full else (
            "check the disk; nothing is accepted, and whether this was kept will be known after a "
            "restart or a failover")
        error = StoreBroken(f"the database {self.path} could not be written ({exc}): {advice}")
        if not full:
            # After a failed fsync the kernel may drop the dirty pages and report success next time:
            # only a fresh start that reads the file again can be trusted.
            self.broken = error
        log.error("%s", error)
        return error


class _NotWritten(Exception):  # no error of its own: it carries one
    """The local disk refused a group; the next one may succeed if `error` is not final."""

    def __init__(self, error: StoreBroken) -> None:
        super().__init__(error)
        self.error = error


def _report(entry: _Entry, error: BaseException | None) -> None:
    try:
        entry.done(error)
    except Exception:  # wall: who waited is gone; the writer goes on for the others
        log.exception("a commit could not be reported")


def _settle(outcome: Future[None], error: BaseException | None) -> None:
    if error is None:
        outcome.set_result(None)
    else:
        outcome.set_exception(error)


CRASH_VARIABLE = "GANETI_CRASH_POINT"
"""Names a file in which a test orders a crash: ``journal:7`` for the seventh passage from now."""


def crash_point(name: str) -> None:
    """Die by SIGKILL here when a test has ordered it; costs one look-up otherwise.

    Points: ``before`` a group is written anywhere, ``journal`` when it is durable here, and
    ``published`` when those who wait for it were told. Counts down in the file.
    """
    file = os.environ.get(CRASH_VARIABLE)
    if not file:
        return
    with contextlib.suppress(FileNotFoundError), open(file, "r+") as order:
        point, _, left = order.read().partition(":")
        if point != name:
            return
        if int(left) <= 1:
            os.unlink(file)
            os.kill(os.getpid(), signal.SIGKILL)
        order.seek(0)
        order.truncate()
        order.write(f"{name}:{int(left) - 1}")
