"""What a router knows of its models' health: reports, checks on demand or at an interval, and who is told of changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from pointsman.arguments import expect_callable
from pointsman.health.states import Health, HealthReport
from pointsman.health_probes import probe_of
from pointsman.monitor import Checking, HealthMonitor, check
from pointsman.registry.models import ModelRegistry
from pointsman.types import Clock


class HealthChecks:
    """Asking for the health of models, and finding out.

    Attributes:
        registry: the models.
        clock: where time comes from.
    """

    registry: ModelRegistry
    clock: Clock
    _health: Health

    def health(self, name: str) -> HealthReport:
        """The health of one model, from the calls and checks so far.

        Raises:
            ModelNotFoundError: E4001.
        """
        return self._health.report(self.registry.get_model(name))

    async def check_health(self, names: list[str] | None = None, *, max_age: float = 0.0) -> dict[str, HealthReport]:
        """Probe models now (all of them unless named); what fails is tried last from here on.

        Args:
            names: which models.
            max_age: seconds for which an earlier check's finding is still good enough.
        """
        specs = [self.registry.get_model(name) for name in names] if names else self.registry.get_available_models()
        known = [spec for spec in specs if max_age > 0 and self._health.checked_within(spec, max_age)]
        keys = {spec.key for spec in known}
        asked = [spec for spec in specs if spec.key not in keys]
        fresh = await check(asked, self._health, self.clock, probe_of(self.registry, self._health.settings.probe))
        return {spec.key: self._health.report(spec) for spec in known} | fresh

    def monitor(self, interval: float | None = None, **options: Unpack[Checking]) -> HealthMonitor:
        """A monitor that checks all models at an interval; `start()` it and `stop()` it.

        Args:
            interval: seconds between two checks of a model.
            **options: `check_interval` (the same), `failure_threshold` and `recovery_threshold`, as in the settings.
        """
        return HealthMonitor(self.registry, self._health, self.clock, interval=interval, **options)

    def on_health_change(self, callback: Callable[[str, Any, Any], None]) -> Callable[[], None]:
        """Call back with (model, old state, new state); returns what ends the subscription."""
        expect_callable(callback, "callback")
        return self._health.subscribe(callback)
