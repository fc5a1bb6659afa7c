"""Active health checks: cheap probes of many models at once, on demand or at an interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any, TypedDict

from pointsman.background import Background
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import ConfigError
from pointsman.health.states import Health, HealthReport
from pointsman.health_probes import NothingToAskError, Probe, probe_models_endpoint, probe_of
from pointsman.registry.models import ModelRegistry
from pointsman.types import Clock

_log = logging.getLogger("pointsman")

_DEFAULT_INTERVAL = 30.0


async def check(
    specs: Iterable[ModelSpec], health: Health, clock: Clock, probe: Probe = probe_models_endpoint
) -> dict[str, HealthReport]:
    """Probe the models, at most `concurrency` at a time, and tell health what came of it.

    Of a model that cannot be probed nothing is told: its report is what calls have shown, and says so.
    """
    settings = health.settings
    gate = asyncio.Semaphore(settings.concurrency)

    async def one(spec: ModelSpec) -> HealthReport:
        async with gate:
            started = clock.monotonic()
            error: Exception | None = None
            try:
                async with asyncio.timeout(settings.timeout):
                    await probe(spec, settings.timeout)
            except NothingToAskError as nothing:
                report = health.report(spec)
                return replace(report, issues=(*report.issues, f"not probed: {nothing}"))
            except Exception as failure:  # noqa: BLE001  whatever a probe raises is its finding
                error = failure
        health.checked(spec, error, clock.monotonic() - started)
        return health.report(spec)

    reports = await asyncio.gather(*(one(spec) for spec in specs))
    return {report.model: report for report in reports}


class Checking(TypedDict, total=False):
    """How a monitor checks, where the settings do not say it."""

    check_interval: float | None
    failure_threshold: int | None
    recovery_threshold: int | None


class HealthMonitor(Background):
    """Checks every routable model at an interval, each with a jitter of a tenth, so that replicas do not march in step.

    Args:
        registry: whose models are checked, as they are at each round.
        health: who is told.
        clock: where time comes from.
        interval: seconds between two checks of a model; the health settings' unless given. `check_interval` is the same.
        failure_threshold: failed checks in a row that make a model unhealthy; likewise.
        recovery_threshold: passed checks in a row that make it healthy again; likewise.
        probe: what a check is; unless given, a model's own `health_check`, or what the health settings say.
        seed: of the jitter.
    """

    name = "pointsman-monitor"

    def __init__(
        self,
        registry: ModelRegistry,
        health: Health,
        clock: Clock,
        *,
        interval: float | None = None,
        check_interval: float | None = None,
        failure_threshold: int | None = None,
        recovery_threshold: int | None = None,
        probe: Probe | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        given = {"failure_threshold": failure_threshold, "recovery_threshold": recovery_threshold}
        health.settings = health.settings.model_validate(
            health.settings.model_dump() | {name: value for name, value in given.items() if value is not None}
        )
        _check_interval(interval)
        _check_interval(check_interval)
        self.interval = interval or check_interval or health.settings.interval or _DEFAULT_INTERVAL
        self._registry = registry
        self._health = health
        self._clock = clock
        self._probe = probe or probe_of(registry, health.settings.probe)
        self._rng = Random(seed)
        self._due: dict[str, float] = {}

    async def round(self) -> dict[str, HealthReport]:
        """Check the models that are due now; a new model is due at once."""
        now = self._clock.monotonic()
        available = self._registry.get_available_models()
        # Who is gone is never due again.
        self._due = {spec.key: self._due.get(spec.key, now) for spec in available}
        specs = [spec for spec in available if self._due[spec.key] <= now]
        for spec in specs:
            self._due[spec.key] = now + self.interval * (0.9 + 0.2 * self._rng.random())
        return await check(specs, self._health, self._clock, self._probe)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            try:
                await self.round()
            except Exception as error:  # noqa: BLE001  whoever was told of a change may fail; the checks go on
                _log.warning("a round of health checks ended early: %s", type(error).__name__)
            now = self._clock.monotonic()
            waits = [due - now for due in self._due.values()]
            await self._clock.asleep(max(min(waits, default=self.interval), 0.01))


def _check_interval(value: Any) -> None:
    if value is not None and (not isinstance(value, int | float) or not value >= 0):
        raise ConfigError(f"interval is {value!r}; expected seconds")
