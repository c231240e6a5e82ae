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
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ganeti_core.config.journal import Write, apply_writes, open_database, prepare_schema
from ganeti_core.errors import StoreBroken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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

    def position(self) -> Position:
        """How far the copy is; ``(0, 0)`` when there is none, or it cannot be read."""
        with self._mutex:
            return self._position()

    def _position(self) -> Position:
        if not self._path.exists():
            return Position(0, 0)
        try:
            meta = dict(self._open().execute("SELECT key, value FROM meta"))
        except (sqlite3.Error, StoreBroken):
            self._close()
            return Position(0, 0)
        return position_of(meta)

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
        flags = os.O_CREAT | os.O_RDWR | (os.O_TRUNC if offset == 0 else 0)
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
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._incoming.rename(self._path)
            _sync_folder(self._path.parent)

    def forget(self) -> None:
        """Remove the copy: this node is no candidate any more."""
        with self._mutex:
            self._close()
            for file in self._path.parent.glob(self._path.name + "*"):
                file.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file: a master daemon is to take it over."""
        with self._mutex:
            self._close()

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = open_database(self._path)
            prepare_schema(self._db)
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


def pieces(path: Path, folder: Path, size: int = 2 * 1024 * 1024) -> Sequence[tuple[int, str]]:
    """Cut a consistent copy of a live database into what `Replica.receive` takes.

    :param folder: where the copy is made for a moment
    """
    target = folder / f"snapshot-{os.getpid()}-{threading.get_ident()}.db"
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("VACUUM INTO ?", (str(target),))
        data = target.read_bytes()
    finally:
        target.unlink(missing_ok=True)
    return [(offset, base64.b64encode(zlib.compress(data[offset:offset + size], 1)).decode())
            for offset in range(0, len(data), size)]
