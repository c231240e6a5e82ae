"""Locks that are held or waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganeti_core.model.names import nice_key
from ganeti_core.query.fields import Field, table
from ganeti_core.query.sources import LockStatus
from ganeti_core.query.view import Resource, View

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIELDS: list[Field[LockStatus]] = [
    Field("name", "Name", "other", "Lock name", lambda row: row.name),
    Field("mode", "Mode", "other",
          "Mode in which the lock is currently acquired (exclusive or shared)",
          lambda row: row.mode),
    Field("owner", "Owner", "other", "Current lock owner(s)", lambda row: list(row.owners)),
    Field("pending", "Pending", "other", "Jobs waiting for the lock",
          lambda row: [[mode, list(jobs)] for mode, jobs in row.pending]),
]


class LockResource(Resource[LockStatus]):
    """Lists locks by name."""

    what = "lock"
    cached = False
    fields = table(_FIELDS)

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[LockStatus]:
        found = sorted(view.locks.locks(), key=lambda lock: nice_key(lock.name))
        return found if names is None else [lock for lock in found if lock.name in names]

    def key(self, row: LockStatus) -> str:
        return row.name
