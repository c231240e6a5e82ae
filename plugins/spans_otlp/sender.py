"""From our spans, which have ended and have their ids, to those of OpenTelemetry's SDK."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from ganeti_core.plugin_api.spans import Span

KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT, "server": SpanKind.SERVER}


class Ids(IdGenerator):
    """Gives the ids of the span that is handed over now."""

    def __init__(self) -> None:
        self.trace = self.span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class Sender:
    """Hands spans to the SDK; any thread may."""

    def __init__(self, tracer: Tracer, ids: Ids) -> None:
        self._tracer = tracer
        self._ids = ids
        self._guard = threading.Lock()

    def send(self, span: Span) -> None:
        with self._guard:
            self._ids.trace, self._ids.span = int(span.trace, 16), int(span.span, 16)
            made = self._tracer.start_span(
                span.name, _parent(span), KINDS[span.kind], span.attributes,
                start_time=span.begin)
        if span.error:
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(span.end)


def _parent(span: Span) -> Context | None:
    if not span.parent:
        return None
    return set_span_in_context(NonRecordingSpan(SpanContext(
        int(span.trace, 16), int(span.parent, 16), is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED))))
