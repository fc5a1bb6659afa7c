"""The `telemetry:` section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TelemetrySettings(BaseModel):
    """The `telemetry:` section: what is measured, and where it can be read.

    Attributes:
        prometheus: metrics in the process's default registry, which the LiteLLM Proxy's /metrics shows too.
        port: also serve them on this port, at /metrics.
        host: address of that port.
        opentelemetry: a span per call and per attempt, through the global tracer provider.
        most_models: labels for models; what comes beyond is counted as `other`.
        most_tenants: labels for tenants, hashed; 0 keeps no metric per tenant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    prometheus: bool = False
    port: int | None = Field(default=None, ge=1, le=65535)
    host: str = "127.0.0.1"
    opentelemetry: bool = False
    most_models: int = Field(default=200, ge=1, le=10_000)
    most_tenants: int = Field(default=0, ge=0, le=10_000)

    @property
    def wanted(self) -> bool:
        """Whether anything is to be measured."""
        return self.prometheus or self.opentelemetry or self.port is not None
