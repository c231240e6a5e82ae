"""Exporters of spans: they tell tracing systems what was done when, and on whose behalf.

A job is a trace: below it are its opcodes, the calls to nodes, and the hooks of plugins there. An
exporter is a class without arguments, found through the group ``ganeti.span_exporters``; the master
daemon and each node daemon begin it once. Where none is wanted, no span is made.
"""

from __future__ import annotations

from typing import Protocol

from ganeti_core.spans import Export, Span

__all__ = ["SPAN_EXPORTERS_GROUP", "Export", "Span", "SpanExporter"]

SPAN_EXPORTERS_GROUP = "ganeti.span_exporters"


class SpanExporter(Protocol):
    """What the daemons ask of an exporter, in their own processes: it must be careful."""

    def wanted(self) -> bool:
        """Whether this daemon is to tell it of spans; it reads its configuration, no more."""

    def begin(self, service: str, node: str) -> Export:
        """Return what takes each span that has ended, from any thread; it neither waits nor raises.

        :param service: name of the daemon
        :param node: name of its node
        :raises Exception: it cannot work; the daemon logs that, and goes on without
        """

    def end(self) -> None:
        """Send what is left, within a few seconds: the daemon ends."""
