"""Spans as OpenTelemetry's SDK sends them, by OTLP over HTTP.

Where to is said by the SDK's own variables in the environment of the daemons, such as
``OTEL_EXPORTER_OTLP_ENDPOINT``; without one nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import TracerProvider

    from ganeti_core.plugin_api.spans import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
LAST_SECONDS = 2.0
"""A daemon that ends waits for so long until what it still has is sent."""


class OtlpExporter:
    """Found through the group ``ganeti.span_exporters``."""

    def __init__(self) -> None:
        self._provider: TracerProvider | None = None

    def wanted(self) -> bool:
        """Whether the environment names a collector."""
        return (any(map(os.environ.get, ENDPOINTS))
                and os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
                and os.environ.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp")

    def begin(self, service: str, node: str) -> Callable[[Span], None]:
        """Return what takes spans; they are sent by a thread of its own.

        :raises ImportError: the SDK is not installed
        """
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from .sender import Ids, Sender

        ids = Ids()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service, "host.name": node}),
            id_generator=ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return Sender(self._provider.get_tracer("ganeti-core"), ids).send

    def end(self) -> None:
        """Send what is left; a collector that does not answer is not waited for."""
        if self._provider is not None:
            last = threading.Thread(target=self._provider.shutdown, name="spans-end", daemon=True)
            last.start()
            last.join(LAST_SECONDS)
