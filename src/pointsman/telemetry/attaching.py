"""Attaches to a router what the `telemetry:` section asks for."""

from __future__ import annotations

import logging

from pointsman.errors import MissingDependencyError
from pointsman.telemetry.observed import Observed
from pointsman.telemetry.settings import TelemetrySettings

_log = logging.getLogger("pointsman")


def attach(router: Observed, settings: TelemetrySettings) -> None:
    """Attach listeners for as long as the router lives.

    Raises:
        MissingDependencyError: E4401, if prometheus_client or opentelemetry is not installed.
    """
    if settings.prometheus or settings.port is not None:
        _attach_prometheus(router, settings)
    if settings.opentelemetry:
        try:
            from pointsman.telemetry.otel import SpanListener  # noqa: PLC0415  loaded when it is wanted
        except ImportError:
            raise MissingDependencyError("opentelemetry", extra="otel") from None
        router.listen(SpanListener())


def _attach_prometheus(router: Observed, settings: TelemetrySettings) -> None:
    try:
        from prometheus_client import start_http_server  # noqa: PLC0415  likewise

        from pointsman.telemetry.prometheus import PrometheusListener  # noqa: PLC0415  likewise
    except ImportError:
        raise MissingDependencyError("prometheus_client", extra="prometheus") from None
    PrometheusListener(router, most_models=settings.most_models, most_tenants=settings.most_tenants)
    if settings.port is None:
        return
    try:
        start_http_server(settings.port, addr=settings.host)
    except OSError as error:
        # The second worker of a server finds the port taken by the first; serving goes on.
        _log.warning("metrics are not served on port %d: %s", settings.port, error.strerror or error)
