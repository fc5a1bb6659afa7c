"""Discovery at an interval: what is new is told, and registered only where the settings allow it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pointsman.background import Background
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.discovery.applying import apply
from pointsman.discovery.asking import adiscover
from pointsman.discovery.findings import Discovery
from pointsman.registry.models import ModelRegistry
from pointsman.types import Clock

_log = logging.getLogger("pointsman")
_DEFAULT_INTERVAL = 3600.0


class DiscoverySchedule(Background):
    """Asks the registered models' servers now and then. Removals and jumps are never applied, only told.

    Args:
        registry: whose servers are asked.
        clock: where time comes from.
        settings: how often, and what may be applied without asking.
        on_found: is told of every finding that differs from what is registered.
    """

    name = "pointsman-discovery"

    def __init__(
        self,
        registry: ModelRegistry,
        clock: Clock,
        settings: DiscoverySettings | None = None,
        on_found: Callable[[Discovery], None] | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings or DiscoverySettings()
        self._registry = registry
        self._clock = clock
        self._on_found = on_found
        self.last: Discovery | None = None

    async def round(self) -> Discovery:
        """Ask once; additions are registered if `auto_apply` says so."""
        found = self.last = await adiscover(self._registry)
        if self.settings.auto_apply == "additions":
            apply(self._registry, found, additions=True)
        differences = len(found.additions) + len(found.removals) + len(found.changes) + len(found.quarantined)
        if differences:
            _log.info("discovery found %d differences", differences)
            if self._on_found is not None:
                self._on_found(found)
        return found

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.round()
            await self._clock.asleep(self.settings.interval or _DEFAULT_INTERVAL)
