"""A master candidate's copy of the database, as its node daemon keeps it.

Groups of writes arrive in order, each naming the serial that it follows. A copy that does not fit
(it missed a group, or belongs to another master's history) says so and gets a whole one.
"""

from __future__ import annotations

import base64
import contextlib
import os
import sqlite3
import threading
import time
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ganeti_core.config.database import Write, apply_writes, open_database, prepare_schema
from ganeti_core.config.journal import PREVIOUS
from ganeti_core.errors import StoreBroken
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.readers import admit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


Sight = tuple[int, ...]
_SETTLED = 100_000_000
"""Nanoseconds after which the time of a file tells it from what is written to it from now on."""


@dataclass(frozen=True, order=True)
class Position:
    """How far a copy is: the epoch of the master that wrote it last, and its journal serial."""

    epoch: int
    serial: int

    def to_list(self) -> list[int]:
        return [self.epoch, self.serial]


@dataclass(frozen=True)
class Group:
    """Writes that became durable together on the master, which then was at `position`."""

    position: Position
    previous: int
    writes: tuple[Write, ...]

    @cached_property
    def size(self) -> int:
        """Characters of its documents."""
        return sum(len(write.doc or "") for write in self.writes)

    def to_dict(self) -> dict[str, Any]:
        return {"position": self.position.to_list(), "previous": self.previous,
                "writes": [[w.table, list(w.key), w.doc] for w in self.writes]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Group:
        """:raises ValueError: it is no group"""
        try:
            epoch, serial = data["position"]
            writes = tuple(Write(str(table), tuple(key), doc)
                           for table, key, doc in data["writes"])
            return cls(Position(int(epoch), int(serial)), int(data["previous"]), writes)
        except (KeyError, TypeError) as exc:
            raise ValueError(f"no group of writes: {exc}") from exc


def position_of(meta: dict[str, str]) -> Position:
    """Read a database's position from its small facts."""
    return Position(int(meta.get("epoch", 0)), int(meta.get("journal_serial", 0)))


class Replica:
    """The copy in `path`; every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._incoming = path.with_suffix(".incoming")
        self._mutex = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file = (0, 0)

    def position(self) -> Position:
        """How far the copy is; ``(0, 0)`` when there is none, or it cannot be read."""
        with self._mutex:
            return self._position()

    def _position(self) -> Position:
        if not self._path.exists():
            return Position(0, 0)
        try:
            meta = dict(self._open().execute("SELECT key, value FROM meta"))
            return position_of(meta)
        except (sqlite3.Error, StoreBroken, ValueError):
            self._close()
            return Position(0, 0)

    def previous(self) -> int:
        """The serial that the newest group of the copy follows; 0 when that is not known."""
        with self._mutex:
            if not self._position().serial:
                return 0
            found = self._open().execute(
                "SELECT value FROM meta WHERE key = ?", (PREVIOUS,)).fetchone()
            return int(found[0]) if found else 0

    def sight(self) -> Sight | None:
        """Return what changes with the file; None where that does not tell, or there is none.

        It costs less than a question to the file, for who asks often. Two writes may have one time
        where they follow each other at once, so it tells nothing of what has just been written.
        """
        found: list[int] = []
        for name in (self._path, f"{self._path}-wal"):
            try:
                state = os.stat(name)
            except OSError:
                if name is self._path:
                    return None
                found += [0, 0, 0]
                continue
            if time.time_ns() - state.st_mtime_ns < _SETTLED:
                return None
            found += [state.st_ino, state.st_mtime_ns, state.st_size]
        return tuple(found)

    def configuration(
        self, known: tuple[int, int] | None
    ) -> tuple[tuple[int, int], dict[str, str], list[tuple[str, str, str]]] | None:
        """Read all objects, unless they are those of the epoch and serial that are `known`.

        Returns the new epoch and serial, the small facts, and (kind, uuid, document) of each; None
        where nothing is new or there is no copy. It works beside a master daemon, too, and for who
        may only read the file, its log and the index of that.
        """
        with self._mutex:  # the file must not be replaced meanwhile
            if not self._path.exists():
                return None
            try:
                return self._configuration(known, "mode=ro")
            except sqlite3.Error:
                pass  # it is being made, or is damaged: others say so
            # Who may not make the index of a log cannot read a file whose log was tidied up, unless
            # nobody writes to it meanwhile: there would be a log then.
            before = self._closed()
            with contextlib.suppress(sqlite3.Error):
                found = self._configuration(known, "immutable=1") if before else None
                return found if before == self._closed() else None
            return None

    def _closed(self) -> tuple[int, int, int] | None:
        """What tells whether the file has changed; None where it has a log."""
        with contextlib.suppress(OSError):
            state = self._path.stat()
            if not self._path.with_name(self._path.name + "-wal").exists():
                return state.st_ino, state.st_mtime_ns, state.st_size
        return None

    def _configuration(
        self, known: tuple[int, int] | None, how: str
    ) -> tuple[tuple[int, int], dict[str, str], list[tuple[str, str, str]]] | None:
        """:raises sqlite3.Error: it cannot be read in this way"""
        # A connection that could write would, at its end, tidy up the log of the file.
        link = sqlite3.connect(f"file:{quote(str(self._path))}?{how}", uri=True)
        with contextlib.closing(link) as db:
            db.execute("BEGIN")
            meta = dict(db.execute("SELECT key, value FROM meta"))
            at = (int(meta.get("epoch", 0)), int(meta.get("config_serial", 0)))
            if at == known or not at[1]:
                return None
            return at, meta, db.execute("SELECT kind, uuid, doc FROM object").fetchall()

    def append(self, group: Group) -> bool:
        """Make a group durable; False when it does not follow what is here.

        :raises StoreBroken: it could not be written
        """
        with self._mutex:
            here = self._position()
            if here == group.position:
                return True
            if here != Position(group.position.epoch, group.previous):
                return False
            try:
                apply_writes(self._open(), group.writes)
            except sqlite3.Error as exc:
                self._close()
                raise StoreBroken(f"the copy {self._path} could not be written: {exc}") from exc
            return True

    def receive(self, offset: int, chunk: str, *, last: bool) -> None:
        """Take a piece of a whole copy: compressed, base64; the `last` one puts it into place.

        :raises StoreBroken: the pieces do not fit, or what they make is no database
        """
        with self._mutex:
            try:
                self._receive(offset, zlib.decompress(base64.b64decode(chunk)), last=last)
            except (OSError, ValueError, zlib.error, sqlite3.Error) as exc:
                self._incoming.unlink(missing_ok=True)
                raise StoreBroken(f"a copy of the database did not arrive: {exc}") from exc

    def _receive(self, offset: int, data: bytes, *, last: bool) -> None:
        if offset == 0:
            # What a check that was killed left beside an earlier one would be taken for its part.
            _unlink(self._incoming)
        flags = os.O_CREAT | os.O_RDWR
        descriptor = os.open(self._incoming, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size != offset:
                raise ValueError("a piece is missing")
            os.pwrite(descriptor, data, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if last:
            _check(self._incoming)
            self._close()
            # The database first: without its log it may be damaged, and the log would be applied
            # to the new one. Who dies in between has no copy, and asks for one.
            admit(self._incoming, self._path)
            _unlink(self._path)
            self._incoming.rename(self._path)
            _sync_folder(self._path.parent)

    def forget(self) -> None:
        """Remove the copy: this node is no candidate any more."""
        with self._mutex:
            self._close()
            _unlink(self._path)
            _unlink(self._incoming)

    def close(self) -> None:
        """Let go of the file: a master daemon is to take it over."""
        with self._mutex:
            self._close()

    def _open(self) -> sqlite3.Connection:
        state = self._path.stat()
        if self._db is not None and self._file != (state.st_dev, state.st_ino):
            self._close()  # somebody else has replaced the file
        if self._db is None:
            if not state.st_size:
                raise StoreBroken(f"the copy {self._path} is empty")
            self._db = open_database(self._path)
            prepare_schema(self._db)
            self._file = (state.st_dev, state.st_ino)
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None


def _check(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as db:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise ValueError(found)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(database: Path) -> None:
    """Remove a database with its log."""
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def pieces(path: Path, size: int = 2 * 1024 * 1024) -> Sequence[tuple[int, str]]:
    """Cut a consistent copy of a live database into what `Replica.receive` takes.

    The copy is made in memory: a master whose disk is full can still give one.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        # The first read fixes the state that is copied, whatever is committed meanwhile.
        db.execute("SELECT count(*) FROM meta").fetchone()
        data = db.serialize()
    return [(offset, base64.b64encode(zlib.compress(data[offset:offset + size], 1)).decode())
            for offset in range(0, len(data), size)]
