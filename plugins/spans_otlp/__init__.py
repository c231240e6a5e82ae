"""Sends spans to a collector of OpenTelemetry: what the extra ``otel`` is for."""

from .exporter import OtlpExporter

__all__ = ["OtlpExporter"]
