"""Exports that nodes store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ganeti_core.errors import GanetiError
from ganeti_core.model.names import nice_key
from ganeti_core.query.fields import Absent, Field, Need, table
from ganeti_core.query.view import Resource, View
from ganeti_core.query_language import Comparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import Node


class ExportRow(NamedTuple):
    """An export; a node without a folder of exports, or a silent one, has one row for that."""

    node: Node
    export: str | Absent = Absent.NODATA


_NEEDS = frozenset({Need.EXPORTS})


class ExportResource(Resource[ExportRow]):
    """Lists exports by node. How many rows there are is known only when nodes were asked."""

    what = "export"
    name_field = "node"
    cached = False
    fields = table([
        Field[ExportRow]("export", "Export", "text", "Export name",
                         lambda row: row.export, _NEEDS),
        Field[ExportRow]("node", "Node", "text", "Node name", lambda row: row.node.name, _NEEDS,
                         Comparison.HOST_NAME),
    ])

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[ExportRow]:
        if names is None:
            return [ExportRow(node) for node in view.index.nodes]
        found = [view.snapshot.find("node", str(name)) for name in names]
        return [ExportRow(node) for node in found if node is not None]

    def with_live(
        self, view: View, rows: Sequence[ExportRow], needs: frozenset[Need]  # noqa: ARG002  # one
    ) -> Sequence[ExportRow]:
        told = view.live.exports([row.node for row in rows if not row.node.offline])
        found: list[ExportRow] = []
        for node, _ in rows:
            exports = told.get(node.uuid, ())
            if node.offline:
                found.append(ExportRow(node, Absent.OFFLINE))
            elif isinstance(exports, GanetiError):
                found.append(ExportRow(node))
            else:
                found += [ExportRow(node, name) for name in sorted(exports, key=nice_key)]
        return found

    def key(self, row: ExportRow) -> str:
        return f"{row.node.uuid} {row.export}"
