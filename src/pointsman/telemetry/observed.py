"""What telemetry needs of a router, so that it does not need the router."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pointsman.health.states import HealthReport
from pointsman.registry.models import ModelRegistry
from pointsman.types import Clock


class Observed(Protocol):
    """What is needed of a router."""

    registry: ModelRegistry
    clock: Clock

    def listen(self, listener: object) -> Callable[[], None]:
        """Tell a listener."""
        ...

    def health(self, name: str) -> HealthReport:
        """The health of one model."""
        ...

    def limits(self) -> dict[str, dict[str, float]]:
        """What is left of each limit."""
        ...
