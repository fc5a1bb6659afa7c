"""Telemetry: Prometheus metrics and OpenTelemetry spans, as listeners of a router.

`pointsman.telemetry.prometheus.PrometheusListener` and `pointsman.telemetry.otel.SpanListener` attach by hand; the
`telemetry:` section of a configuration attaches them to every router that is built from it.
"""

from __future__ import annotations

from pointsman.telemetry.settings import TelemetrySettings

__all__ = ["TelemetrySettings"]
