"""Finds exporters of spans that are wanted, and keeps a daemon from their trouble."""

from __future__ import annotations

import logging
from dataclasses import field
from typing import TYPE_CHECKING, Self, cast

from ganeti_core.entry_points import log_failure, scan
from ganeti_core.lazy_dataclass import dataclass
from ganeti_core.plugin_api.spans import SPAN_EXPORTERS_GROUP

if TYPE_CHECKING:
    from ganeti_core.plugin_api.spans import Export, Span, SpanExporter

log = logging.getLogger(__name__)


@dataclass
class SpanExporters:
    """All that are wanted; false where there is none."""

    wanted: list[tuple[str, SpanExporter]]
    _begun: dict[str, tuple[SpanExporter, Export]] = field(default_factory=dict)

    @classmethod
    def find(cls) -> Self:
        """Look which ones are installed and wanted here."""
        found: list[tuple[str, SpanExporter]] = []
        for one in scan(SPAN_EXPORTERS_GROUP, log_failure):
            name, exporter = one.extension.name, cast("SpanExporter", one.extension.obj)
            try:
                if exporter.wanted():
                    found.append((name, exporter))
            except Exception:  # wall: foreign code
                log.exception("span exporter %s is not used", name)
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self.wanted)

    def begin(self, service: str, node: str) -> Export | None:
        """Begin each; return what takes spans, None where none can."""
        for name, exporter in self.wanted:
            try:
                self._begun[name] = exporter, exporter.begin(service, node)
            except Exception:  # wall: foreign code
                log.exception("span exporter %s is not used", name)
        return self._export if self._begun else None

    def _export(self, span: Span) -> None:
        for name, (_, export) in list(self._begun.items()):
            try:
                export(span)
            except Exception:  # wall: what is done must not fail because somebody is told of it
                log.exception("span exporter %s is not used any more", name)
                self._begun.pop(name, None)

    def end(self) -> None:
        """End all."""
        for name, (exporter, _) in self._begun.items():
            try:
                exporter.end()
            except Exception:  # wall: foreign code
                log.exception("span exporter %s", name)
