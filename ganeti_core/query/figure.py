"""What the master has counted and measured, for its data collectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ganeti_core.query.fields import Field, table
from ganeti_core.query.view import Resource, View

if TYPE_CHECKING:
    from collections.abc import Sequence


class FigureRow(NamedTuple):
    """A figure and its samples."""

    name: str
    samples: Sequence[Sequence[Any]]


_FIELDS: list[Field[FigureRow]] = [
    Field("name", "Name", "text", "Name of the figure", lambda row: row.name),
    Field("samples", "Samples", "other",
          "A list per sample: its labels and the figure; of a histogram that is the sum, and a "
          "list of pairs, an upper bound (null: none) and how many are not above it",
          lambda row: list(row.samples)),
]


class FigureResource(Resource[FigureRow]):
    """Lists figures by name."""

    what = "figure"
    cached = False
    fields = table(_FIELDS)

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[FigureRow]:
        return [FigureRow(name, samples) for name, samples in sorted(view.figures().items())
                if names is None or name in names]

    def key(self, row: FigureRow) -> str:
        return row.name
