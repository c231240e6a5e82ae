"""Filter rules of the job queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ganeti_core.query.fields import Field, table
from ganeti_core.query.view import Resource, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganeti_core.model import FilterRule


class RuleRow(NamedTuple):
    rule: FilterRule


_FIELDS: list[Field[RuleRow]] = [
    Field("action", "Action", "other", "Filter action", lambda row: row.rule.action),
    Field("predicates", "Predicates", "other", "List of filter predicates",
          lambda row: list(row.rule.predicates)),
    Field("priority", "Priority", "other", "Filter priority", lambda row: row.rule.priority),
    Field("reason_trail", "ReasonTrail", "other", "Reason why this filter was added",
          lambda row: list(row.rule.reason)),
    Field("uuid", "UUID", "other", "Filter ID", lambda row: row.rule.uuid),
    Field("watermark", "Watermark", "other",
          "Highest job ID used at the time when the filter was added",
          lambda row: row.rule.watermark),
]


class RuleResource(Resource[RuleRow]):
    """Lists filter rules in the order in which they are applied."""

    what = "filter"
    name_field = "uuid"
    fields = table(_FIELDS)

    def rows(self, view: View, names: Sequence[str | int] | None) -> Sequence[RuleRow]:
        rules = view.snapshot.filters
        found = (rules.values() if names is None
                 else [rules[str(uuid)] for uuid in names if uuid in rules])
        order = sorted(found, key=lambda rule: (rule.priority, rule.watermark, rule.uuid))
        return [RuleRow(rule) for rule in order]

    def key(self, row: RuleRow) -> str:
        return row.rule.uuid
