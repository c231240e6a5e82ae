"""The file of the one durable database: its tables, opening and checking it, changing it.

WAL with ``synchronous=FULL``: a torn write, a full disk or a SIGKILL at any instant leaves the last
commit readable. Who may write, and when, is `journal.py`'s.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any

from ganeti_core.errors import StoreBroken
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.readers import admit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA_VERSION = 1
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""Errors of a full disk: of the file and its log, and of the index of that log."""
_PAGE = 4096
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
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
    "meta": ("key",), "local": ("key",), "object": ("kind", "uuid"), "job": ("id",),
    "job_change": ("id", "seq"),
    "archive": ("id",), "saga": ("job", "op", "seq"),
}
_VALUE = {"meta": "value", "local": "value"}
# `local` is about this very file: it is not sent with the groups.


@dataclass(frozen=True)
class Write:
    """One row set, or deleted (`doc` None). A key shorter than the table's deletes a range."""

    table: str
    key: tuple[Any, ...]
    doc: str | None


class Database:
    """The database file of one node, open and found to be whole.

    :param path: its folder exists
    :raises StoreBroken: it cannot be opened, is damaged, or is of a newer version
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = open_database(path)
        self._check()

    def _check(self) -> None:
        try:
            problem = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise sqlite3.DatabaseError(problem)
            prepare_schema(self._db)
            meta = dict(self._db.execute("SELECT key, value FROM meta"))
        except sqlite3.Error as exc:
            self._db.close()
            raise (_unusable if is_full(exc) else _damaged)(self.path, exc) from exc
        version = int(meta.get("schema", SCHEMA_VERSION))
        if version > SCHEMA_VERSION:
            self._db.close()
            raise StoreBroken(
                f"the database {self.path} was written by a newer version (schema {version}, this "
                f"one knows {SCHEMA_VERSION})")

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

    def close(self) -> None:
        self._db.close()


def is_full(error: sqlite3.Error) -> bool:
    """Whether an error means a full disk; nothing was synced then."""
    return getattr(error, "sqlite_errorcode", None) in _NO_ROOM


def _unusable(path: Path, why: object) -> StoreBroken:
    return StoreBroken(f"cannot open the database {path} ({why}): free some space on its disk, or "
                       "check the disk and who may write there")


def _damaged(path: Path, why: object) -> StoreBroken:
    return StoreBroken(
        f"the database {path} is damaged ({why}): do not repair it by hand. Run gnt-cluster "
        "master-failover on another master candidate; as soon as that is the master, this node "
        "gets a whole copy from it")


def open_database(path: Path) -> sqlite3.Connection:
    """Open or make a database file with our settings; its owner and its `readers` may read it.

    :raises StoreBroken: it cannot be opened
    """
    fresh = not path.exists()
    if not fresh:
        _check_size(path)
    try:
        if fresh:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            admit(path, path)
        # Writes come from the journal thread only; start-up reads happen before it has work.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA page_size={_PAGE}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA busy_timeout=5000")
    except (sqlite3.OperationalError, OSError) as exc:
        raise _unusable(path, exc) from exc
    except sqlite3.Error as exc:
        raise _damaged(path, exc) from exc
    return db


def _check_size(path: Path) -> None:
    """SQLite takes a file without a page for a new one, and fills a part of a page with zeros.

    :raises StoreBroken: it was cut off
    """
    size = path.stat().st_size
    log_file = path.with_name(path.name + "-wal")
    logged = log_file.exists() and log_file.stat().st_size > 0
    if size < _PAGE or (size % _PAGE and not logged):
        raise _damaged(path, f"a file of {size} bytes was cut off")


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
