"""The one durable database: configuration, jobs and the undo log in a single SQLite file.

One thread writes. It takes whatever is waiting and commits it as one transaction (*group commit*,
without a waiting window), so a burst of small commits costs few fsyncs, and a config change, the
forgetting of its undo and the job's result are one commit or none. WAL with ``synchronous=FULL``:
a torn write, a full disk or a SIGKILL at any instant leaves the last commit readable.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sqlite3
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import StoreBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SCHEMA_VERSION = 1
START_GAP = 1_000_000
"""Serials skipped at every start, so that none is ever used twice: a group that reached a copy but
was lost here must not look like the next one of the same number."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS object (
  kind TEXT NOT NULL, uuid TEXT NOT NULL, doc TEXT NOT NULL,
  PRIMARY KEY (kind, uuid)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS job_change (
  id INTEGER NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
  PRIMARY KEY (id, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS archive (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS saga (
  job INTEGER NOT NULL, op INTEGER NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
  PRIMARY KEY (job, op, seq)) WITHOUT ROWID;
"""

_KEYS: dict[str, tuple[str, ...]] = {
    "meta": ("key",), "object": ("kind", "uuid"), "job": ("id",), "job_change": ("id", "seq"),
    "archive": ("id",), "saga": ("job", "op", "seq"),
}
_VALUE = {"meta": "value"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Write:
    """One row set, or deleted (`doc` None). A key shorter than the table's deletes a range."""

    table: str
    key: tuple[Any, ...]
    doc: str | None


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


class Journal:
    """The database file of one node.

    :param path: of the database; its folder exists
    :raises StoreBroken: it cannot be opened, is damaged, or is of a newer version
    """

    def __init__(self, path: Path, replicas: Replicas | None = None) -> None:
        self.path = path
        self.replicas = replicas or Replicas()
        self.serial = 0
        self.broken: StoreBroken | None = None
        self.lock = threading.Lock()
        """Held by who validates on top of uncommitted entries, until its own is submitted."""
        self.on_failure: Callable[[], None] = lambda: None
        self._entries: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._db = open_database(path)
        self._check()
        self._thread = threading.Thread(target=self._write_loop, name="journal", daemon=True)
        self._thread.start()

    def _check(self) -> None:
        try:
            problem = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise sqlite3.DatabaseError(problem)
            prepare_schema(self._db)
            meta = dict(self._db.execute("SELECT key, value FROM meta"))
        except sqlite3.Error as exc:
            self._db.close()
            raise StoreBroken(
                f"the database {self.path} is damaged ({exc}): do not repair it by hand; take the "
                "copy of another master candidate (gnt-cluster master-failover there)") from exc
        version = int(meta.get("schema", SCHEMA_VERSION))
        if version > SCHEMA_VERSION:
            self._db.close()
            raise StoreBroken(
                f"the database {self.path} was written by a newer version (schema {version}, this "
                f"one knows {SCHEMA_VERSION})")
        self.serial = int(meta.get("journal_serial", 0))
        self._next = self.serial + START_GAP

    def meta(self) -> dict[str, str]:
        """Read all of the small facts."""
        return dict(self._db.execute("SELECT key, value FROM meta"))

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Read a whole table in the order of its keys; called at start, before any write."""
        order = ", ".join(_KEYS[table])
        query = f"SELECT * FROM {table} ORDER BY {order}"  # noqa: S608  # names of our own tables
        return self._db.execute(query).fetchall()

    def read(self, table: str, key: tuple[Any, ...]) -> str | None:
        """Read one row's document, from a connection of its own: any thread may ask."""
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            columns = " AND ".join(f"{column} = ?" for column in _KEYS[table])
            value = _VALUE.get(table, "doc")
            found = db.execute(f"SELECT {value} FROM {table} WHERE {columns}", key)  # noqa: S608
            row = found.fetchone()
        return str(row[0]) if row else None

    def read_ids(self, table: str) -> list[int]:
        """The ids of a table of jobs, from a connection of its own."""
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            query = f"SELECT id FROM {table} ORDER BY id"  # noqa: S608  # names of our own tables
            return [row[0] for row in db.execute(query)]

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

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._entries.put(None)
        self._thread.join()
        self._db.close()

    def _write_loop(self) -> None:
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
                    entry.done(error)
            if not more:
                return

    def _next_group(self) -> tuple[list[_Entry], bool]:
        group: list[_Entry] = []
        entry = self._entries.get()
        while entry is not None:
            group.append(entry)
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
        writes.append(Write("meta", ("journal_serial",), str(serial)))
        try:
            self.replicas.begin(serial, writes)
            apply_writes(self._db, writes)
            crash_point("journal")
            self.replicas.finish()
        except sqlite3.Error as exc:
            return self._failed(exc)
        except StoreBroken as exc:
            self.broken = exc
            return exc
        self.serial = serial
        return None

    def _failed(self, exc: sqlite3.Error) -> StoreBroken:
        with contextlib.suppress(sqlite3.Error):
            self._db.rollback()
        full = getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        advice = "free some space on its disk" if full else "check the disk; nothing is accepted"
        error = StoreBroken(f"the database {self.path} could not be written ({exc}): {advice}")
        if not full:
            # After a failed fsync the kernel may drop the dirty pages and report success next time:
            # only a fresh start that reads the file again can be trusted.
            self.broken = error
        log.error("%s", error)
        return error


def _settle(outcome: Future[None], error: BaseException | None) -> None:
    if error is None:
        outcome.set_result(None)
    else:
        outcome.set_exception(error)


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make a database file, mode 0600, with our settings.

    :raises StoreBroken: it cannot be opened
    """
    fresh = not path.exists()
    try:
        if fresh:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        # Writes come from the journal thread only; start-up reads happen before it has work.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA busy_timeout=5000")
    except (sqlite3.Error, OSError) as exc:
        raise StoreBroken(f"cannot open the database {path}: {exc}") from exc
    return db


def prepare_schema(db: sqlite3.Connection) -> None:
    """Make the tables that are missing."""
    with db:
        db.executescript(_SCHEMA)


def apply_writes(db: sqlite3.Connection, writes: Sequence[Write]) -> None:
    """Make `writes` durable as one transaction.

    :raises sqlite3.Error: none of them was made
    """
    db.execute("BEGIN IMMEDIATE")
    pending: list[Write] = []
    for write in writes:
        if pending and not _alike(pending[0], write):
            _flush(db, pending)
            pending = []
        pending.append(write)
    _flush(db, pending)
    db.execute("COMMIT")


def _alike(first: Write, second: Write) -> bool:
    return (first.table, first.doc is None, len(first.key)) == (
        second.table, second.doc is None, len(second.key))


def _flush(db: sqlite3.Connection, writes: Sequence[Write]) -> None:
    if not writes:
        return
    table, key = writes[0].table, writes[0].key
    columns = _KEYS[table]
    if writes[0].doc is None:
        where = " AND ".join(f"{column} = ?" for column in columns[: len(key)])
        db.executemany(f"DELETE FROM {table} WHERE {where}", [w.key for w in writes])  # noqa: S608
        return
    marks = ", ".join("?" * (len(columns) + 1))
    db.executemany(
        f"INSERT OR REPLACE INTO {table} VALUES ({marks})",  # noqa: S608  # our own tables
        [(*write.key, write.doc) for write in writes])


CRASH_VARIABLE = "GANETI_CRASH_POINT"


def crash_point(name: str) -> None:
    """Die by SIGKILL here when a test asks for it: ``GANETI_CRASH_POINT=journal:7``.

    Counts down in the variable itself, so the seventh passage kills. Costs one look-up otherwise.
    """
    wanted = os.environ.get(CRASH_VARIABLE)
    if not wanted or not wanted.startswith(name + ":"):
        return
    left = int(wanted.partition(":")[2]) - 1
    if left <= 0:
        os.kill(os.getpid(), 9)
    os.environ[CRASH_VARIABLE] = f"{name}:{left}"
