"""Keeps encoded rows: a row whose context did not change is not computed or encoded again."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ganeti_core.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.query.fields import Field
    from ganeti_core.query.view import Resource

R = TypeVar("R")

_encode_json = json.JSONEncoder(separators=(",", ":")).encode

MAX_LISTINGS = 32
"""Different sets of columns that are kept; the least recently used goes first."""


class Encoded(Generic[R]):
    """One computed row: its cells, and their JSON once somebody asked for it."""

    __slots__ = ("_record", "_text", "cells", "context")

    def __init__(self, context: R, cells: list[list[Any]]) -> None:
        self.context = context
        self.cells = cells
        self._text: bytes | None = None
        self._record: tuple[Shape, bytes] | None = None

    @property
    def text(self) -> bytes:
        if self._text is None:
            self._text = _encode_json(self.cells).encode()
        return self._text

    def record(self, shape: Shape) -> bytes:
        """The row as one JSON object of plain values."""
        if self._record is None or self._record[0] != shape:
            self._record = shape, _encode_json(
                shape.document([cell[1] for cell in self.cells])).encode()
        return self._record[1]


@dataclass(frozen=True)
class Shape:
    """How a row becomes an object: its keys, and values that stand there a second time.

    :param repeated: ``(key, inner, other)``: the value of `key` is found under `other`, too; with
        an `inner` key it is that value inside the object at `key` which is repeated beside it
    """

    keys: tuple[str, ...]
    repeated: tuple[tuple[str, str | None, str], ...] = ()

    def document(self, values: Sequence[Any]) -> dict[str, Any]:
        """Make the object of a row's values."""
        found = dict(zip(self.keys, values, strict=True))
        for key, inner, other in self.repeated:
            if inner is None:
                found[other] = found[key]
            elif isinstance(found[key], dict) and inner in found[key]:
                found[key] = {**found[key], other: found[key][inner]}
        return found


@dataclass(frozen=True)
class Columns(Generic[R]):
    """What a query shows of a resource."""

    resource: Resource[R]
    fields: Sequence[Field[R]]

    @property
    def key(self) -> tuple[str, ...]:
        return (self.resource.what, *(field.name for field in self.fields))

    def encode(self, row: R) -> Encoded[R]:
        return Encoded(row, [field.cell(row) for field in self.fields])


class RowCache:
    """Rows by columns and object. Safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._listings: dict[tuple[str, ...], dict[str, Encoded[Any]]] = {}

    def encode(self, columns: Columns[R], rows: Sequence[R], *, whole: bool) -> list[Encoded[R]]:
        """Compute what is not known yet.

        :param whole: `rows` are all there are, so what is kept of others can go
        """
        resource = columns.resource
        if not resource.cached:
            return [columns.encode(row) for row in rows]
        known = self._listing(columns.key)
        found: list[Encoded[R]] = []
        for row in rows:
            key = resource.key(row)
            entry = known.get(key)
            if entry is None or entry.context != row:
                entry = known[key] = columns.encode(row)
            found.append(entry)
        if whole and len(known) > len(rows):
            with self._guard:
                self._listings[columns.key] = {
                    resource.key(entry.context): entry for entry in found}
        return found

    def _listing(self, key: tuple[str, ...]) -> dict[str, Encoded[Any]]:
        with self._guard:
            listing = self._listings.pop(key, None)
            if listing is None:
                listing = {}
            self._listings[key] = listing  # now the last to go
            while len(self._listings) > MAX_LISTINGS:
                del self._listings[next(iter(self._listings))]
            return listing

    def clear(self) -> None:
        """Forget everything, for when fields change their meaning."""
        with self._guard:
            self._listings.clear()
