"""The config store: readers take a snapshot, writers commit a list of changes.

A commit is validated on top of everything committed before it, durable or not, then journaled, then
published: no reader sees what a crash could lose.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ganeti_core.config.codec import decode_object, encode_object
from ganeti_core.config.database import Database, Write
from ganeti_core.config.snapshot import Snapshot
from ganeti_core.config.table import Table
from ganeti_core.config.validate import (
    check_claims,
    check_gone,
    check_once,
    check_references,
    claims_of,
)
from ganeti_core.errors import ConfigurationError, StaleEpoch
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.model import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ganeti_core.config.expected import Expected
    from ganeti_core.config.journal import Journal
    from ganeti_core.model import ConfigObject

_KIND_OF: dict[type, str] = {cls: kind for kind, cls in KINDS.items()}


@dataclass(frozen=True)
class Put:
    """Add an object or replace the one of its uuid; serial and times are set by the commit."""

    value: ConfigObject


@dataclass(frozen=True)
class Delete:
    """Remove an object; nothing may refer to it."""

    value: ConfigObject


@dataclass(frozen=True)
class Edit:
    """Change some fields of an object as it is when the commit is made.

    For objects that several may change at once, such as the cluster: what another commit did to
    other fields since `value` was read is not undone.
    """

    value: ConfigObject
    fields: Mapping[str, Any]

    def made_on(self, base: Snapshot) -> Put:
        """:raises ConfigurationError: the object has gone"""
        kind = _KIND_OF[type(self.value)]
        newest = base.of_kind(kind).get(self.value.uuid)
        if newest is None:
            raise ConfigurationError(f"the {kind} {self.value.uuid} does not exist")
        return Put(replace(newest, **self.fields))


Change = Put | Delete | Edit


def kind_of(change: Change) -> str:
    """The kind of the object that is changed: ``instance``, ``disk`` ..."""
    return _KIND_OF[type(change.value)]


class Store:
    """The configuration of a running master.

    :param journal: open; its rows become the first snapshot
    """

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.time) -> None:
        self.journal = journal
        self._clock = clock
        self._published = load(journal)
        self._staged = self._published
        self._fenced: str | None = None
        self._watchers: list[Callable[[Snapshot, Sequence[Change]], None]] = []
        journal.on_failure = self._roll_back

    @property
    def snapshot(self) -> Snapshot:
        """The newest durable configuration."""
        return self._published

    def fence(self, reason: str) -> None:
        """Refuse every further commit: this master was replaced."""
        self._fenced = reason

    def watch(self, watcher: Callable[[Snapshot, Sequence[Change]], None]) -> None:
        """Have `watcher` called after every commit, in the journal's thread: it must be quick."""
        self._watchers.append(watcher)

    def _roll_back(self) -> None:
        self._staged = self._published

    def commit(
        self, changes: Sequence[Change], extra: Sequence[Write] = (),
        expected: Expected | None = None,
    ) -> Snapshot:
        """Validate and make `changes` durable, with rows of other tables in the same commit.

        Blocks until it is durable and published; call it from a worker thread.

        :param expected: the version of an object on which `changes` are based
        :raises OpPrereqError: a name, address or port is taken (`ECODE_NOTUNIQUE`), or
            the object is of another version (`ECODE_STATE`)
        :raises ConfigurationError: a reference leads nowhere
        :raises StoreBroken: it could not be written; nothing changed
        :raises StaleEpoch: this master was replaced
        """
        outcome: Future[Snapshot] = Future()
        self.commit_soon(changes, extra, outcome, expected)
        return outcome.result()

    def commit_soon(
        self, changes: Sequence[Change], extra: Sequence[Write], outcome: Future[Snapshot],
        expected: Expected | None = None,
    ) -> None:
        """As `commit`, but tells `outcome`; validation errors are raised at once."""
        if self._fenced is not None:
            raise StaleEpoch(self._fenced)
        with self.journal.lock:
            if expected is not None:
                expected.check(self._staged)
            made = [_made(self._staged, change) for change in changes]
            staged, writes = _apply(self._staged, made, self._clock())
            self._staged = staged

            def done(error: BaseException | None) -> None:
                if error is not None:
                    outcome.set_exception(error)
                    return
                self._published = staged
                try:
                    for watcher in self._watchers if made else ():
                        watcher(staged, made)
                finally:
                    # Whatever a watcher does: it is durable, and somebody waits.
                    outcome.set_result(staged)

            self.journal.submit([*writes, *extra], done)


def _made(base: Snapshot, change: Change) -> Put | Delete:
    """:raises ConfigurationError: an object that is to be edited has gone"""
    if isinstance(change, Edit):
        return change.made_on(base)
    newest = base.of_kind(kind_of(change)).get(change.value.uuid)
    if newest is None or isinstance(change, Delete):
        return change
    return Put(change.value.on_top_of(newest))


def load(database: Database) -> Snapshot:
    """Read the whole configuration."""
    return snapshot_of(((kind, uuid, decode_object(kind, doc))
                        for kind, uuid, doc in database.rows("object")), database.meta())


def snapshot_of(
    found: Iterable[tuple[str, str, ConfigObject]], meta: Mapping[str, str]
) -> Snapshot:
    """Put objects, each with kind and uuid, together; `meta` are the database's small facts."""
    objects: dict[str, dict[str, Any]] = {str(kind): {} for kind in KINDS}
    claims: dict[str, dict[str, str]] = {}
    for kind, uuid, value in found:
        objects[kind][uuid] = value
        for space, key in claims_of(value):
            claims.setdefault(space, {})[key] = value.uuid
    snapshot = Snapshot(
        serial=int(meta.get("config_serial", 0)), epoch=int(meta.get("epoch", 0)),
        objects={name: Table(table) for name, table in objects.items()})
    return _with_claims(snapshot, {space: Table(table) for space, table in claims.items()})


def _with_claims(snapshot: Snapshot, claims: dict[str, Table[str, str]]) -> Snapshot:
    names = {space.removeprefix("name:"): table
             for space, table in claims.items() if space.startswith("name:")}
    return replace(snapshot, claims=claims, names=names)


def _apply(
    base: Snapshot, changes: Sequence[Put | Delete], now: float
) -> tuple[Snapshot, list[Write]]:
    if not changes:
        return base, []
    stamped = [_stamp(base, change, now) for change in changes]
    check_once([change.value for change in stamped])
    leaving = frozenset(c.value.uuid for c in stamped if isinstance(c, Delete))
    new = _with_objects(base, stamped)
    for change in stamped:
        if isinstance(change, Put):
            check_claims(base, change.value, leaving)
            check_references(new, change.value)
        else:
            check_gone(new, _KIND_OF[type(change.value)], change.value)
    claims = _changed_claims(base, stamped)
    return _with_claims(replace(new, serial=base.serial + 1), claims), [
        *(_row(change) for change in stamped),
        Write("meta", ("config_serial",), str(base.serial + 1)),
    ]


def _stamp(base: Snapshot, change: Put | Delete, now: float) -> Put | Delete:
    kind = _KIND_OF[type(change.value)]
    old = base.of_kind(kind).get(change.value.uuid)
    if isinstance(change, Delete):
        if old is None:
            raise ConfigurationError(f"the {kind} {change.value.uuid} does not exist")
        return Delete(old)
    serial = old.serial_no + 1 if old else 1
    ctime = old.ctime if old else change.value.ctime or now
    return Put(replace(change.value, serial_no=serial, ctime=ctime, mtime=now))


def _with_objects(base: Snapshot, changes: Sequence[Put | Delete]) -> Snapshot:
    puts: dict[str, dict[str, Any]] = {}
    deletes: dict[str, list[str]] = {}
    for change in changes:
        kind = _KIND_OF[type(change.value)]
        if isinstance(change, Put):
            puts.setdefault(kind, {})[change.value.uuid] = change.value
        else:
            deletes.setdefault(kind, []).append(change.value.uuid)
    objects = dict(base.objects)
    for kind in puts.keys() | deletes.keys():
        table = objects.get(kind)
        table = table if isinstance(table, Table) else Table(table or {})
        objects[kind] = table.changed(puts.get(kind, {}), deletes.get(kind, ()))
    return replace(base, objects=objects)


def _changed_claims(base: Snapshot, changes: Sequence[Put | Delete]) -> dict[str, Table[str, str]]:
    gone: dict[str, set[str]] = {}
    new: dict[str, dict[str, str]] = {}
    for change in changes:
        old = base.of_kind(_KIND_OF[type(change.value)]).get(change.value.uuid)
        for space, key in claims_of(old) if old is not None else ():
            gone.setdefault(space, set()).add(key)
    for change in changes:
        for space, key in claims_of(change.value) if isinstance(change, Put) else ():
            owner = new.setdefault(space, {}).setdefault(key, change.value.uuid)
            if owner != change.value.uuid:
                raise ConfigurationError(f"two objects of one commit claim {space} '{key}'")
    claims = {space: table for space, table in base.claims.items() if isinstance(table, Table)}
    for space in gone.keys() | new.keys():
        added = new.get(space, {})
        leaving = gone.get(space, set()) - added.keys()
        table = claims.get(space) or Table()
        claims[space] = table.changed(added, tuple(leaving))
    return claims


def _row(change: Put | Delete) -> Write:
    kind = _KIND_OF[type(change.value)]
    doc = encode_object(change.value) if isinstance(change, Put) else None
    return Write("object", (kind, change.value.uuid), doc)
