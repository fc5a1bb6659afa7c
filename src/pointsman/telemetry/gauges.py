"""What is read rather than counted: health, limits and the registry, as gauges that are set when somebody looks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.telemetry.labels import Names, fitting, hashed
from pointsman.telemetry.metrics import Metrics
from pointsman.telemetry.observed import Observed

_BREAKER = {"closed": 0, "half_open": 1, "open": 2}
_MOST_PROVIDERS = 50
_MOST_SUNSETS = 100
_MOST_LIMITS = 200
_TENANT = "|tenant|"
# Where processes share their metrics through files nobody scrapes this one; it writes so often by itself.
_REFRESH_EVERY = 5.0

Values = dict[tuple[str, ...], float]


class Gauges:
    """The gauges of one router.

    Attributes:
        outdated: whether health or the registry has changed since they were set.
    """

    def __init__(self, router: Observed, metrics: Metrics, models: Names, tenants: Names | None) -> None:
        self._router = router
        self._metrics = metrics
        self._models = models
        self._tenants = tenants
        self._limits = Names(_MOST_LIMITS)
        self._providers = Names(_MOST_PROVIDERS)
        self._shown: dict[int, set[tuple[str, ...]]] = {}
        self._version: str | None = None
        self._next = 0.0
        self.outdated = True

    def refresh_sometimes(self, now: float) -> None:
        """Set them if something has changed and it was not done just now."""
        if self.outdated and now >= self._next:
            self._next = now + _REFRESH_EVERY
            self.refresh()

    def refresh(self) -> None:
        """Set them all."""
        self.outdated = False
        self._set_health()
        self._set_registry()
        self._set_headroom()

    def _set_health(self) -> None:
        snapshot = self._router.registry.snapshot
        breaker: Values = {}
        available: Values = {}
        for key in self._models.known():
            if snapshot.get(key) is not None:
                report = self._router.health(key)
                label = (self._models.label(key),)
                breaker[label] = _BREAKER[report.breaker]
                available[label] = float(report.healthy)
        self._show(self._metrics.breaker, breaker)
        self._show(self._metrics.available, available)

    def _set_registry(self) -> None:
        snapshot = self._router.registry.snapshot
        specs = [spec for _, spec in snapshot.numbered()] if snapshot.version != self._version else None
        if specs is not None:
            self._version = snapshot.version
            counts = Counter((self._providers.label(spec.provider), spec.status) for spec in specs)
            self._show(self._metrics.models, {labels: float(count) for labels, count in counts.items()})
            self._show(self._metrics.registry_version, {(snapshot.version,): 1.0})
            fading = [spec for spec in specs if spec.sunset_date is not None]
            self._fading = sorted(fading, key=lambda spec: (spec.sunset_date, spec.key))[:_MOST_SUNSETS]
        today = datetime.fromtimestamp(self._router.clock.time(), UTC).date()
        self._show(
            self._metrics.sunset,
            {(fitting(spec.key),): (spec.sunset_date - today).days for spec in self._fading if spec.sunset_date},
        )

    _fading: list[ModelSpec]

    def _set_headroom(self) -> None:
        values: Values = {}
        for key, state in self._router.limits().items():
            label = self._limit_label(key)
            if label is not None and state["limit"] > 0:
                left = min(max(state["remaining"] / state["limit"], 0.0), 1.0)
                values[(label,)] = min(left, values.get((label,), 1.0))
        self._show(self._metrics.headroom, values)

    def _limit_label(self, key: str) -> str | None:
        """A limit's key without the name of a tenant; None where tenants have no metrics."""
        what, is_tenants, rest = key.partition(_TENANT)
        if is_tenants:
            if self._tenants is None:
                return None
            tenant, _, period = rest.rpartition("|")
            key = f"{what}{_TENANT}{self._tenants.label(hashed(tenant))}|{period}"
        return self._limits.label(key)

    def _show(self, gauge: Any, values: Values) -> None:
        """Set these, and take back what this router has shown before and is no more."""
        for labels in self._shown.get(id(gauge), set()) - values.keys():
            if gauge in (self._metrics.models, self._metrics.registry_version):
                gauge.labels(*labels).set(0.0)  # what is removed stays in the files that processes share
            gauge.remove(*labels)
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        self._shown[id(gauge)] = set(values)
