"""Active health checks: cheap probes of many models at once, on demand or at an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from random import Random

from pointsman import custom_calls
from pointsman.background import Background
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import MissingCredentialError
from pointsman.health import Health, HealthReport
from pointsman.registry import ModelRegistry
from pointsman.types import Clock

_DEFAULT_INTERVAL = 30.0

Probe = Callable[[ModelSpec, float], Awaitable[None]]

_REFUSED = frozenset({401, 403})
_OK_BELOW = 500


async def probe_models_endpoint(spec: ModelSpec, timeout: float) -> None:  # noqa: ASYNC109  httpx takes it as it is
    """Ask an OpenAI-compatible server for its models: free of charge, and enough to see that it lives.

    Models without an address of their own are not probed: there is nothing to ask that is known to be free.

    Raises:
        Exception: what went wrong.
    """
    if spec.api_base is None:
        return
    import httpx  # noqa: PLC0415  only needed when something is probed

    headers = {}
    try:
        key = spec.secret()
    except MissingCredentialError:
        key = None
    if key:
        headers["authorization"] = f"Bearer {key}"
    base = spec.api_base.rstrip("/")
    url = f"{base}/api/tags" if spec.provider == "ollama" else f"{base}/models"
    async with httpx.AsyncClient(timeout=timeout, follow_redirects=False) as client:
        response = await client.get(url, headers=headers)
    if response.status_code >= _OK_BELOW or response.status_code in _REFUSED:
        response.raise_for_status()


def probe_of(registry: ModelRegistry) -> Probe:
    """A check that asks a model's own `health_check` where it is code, else its server."""

    async def probe(spec: ModelSpec, timeout: float) -> None:  # noqa: ASYNC109  likewise
        own = custom_calls.of_spec(spec, registry.snapshot)
        if own is not None:
            await custom_calls.check(own, spec)
        else:
            await probe_models_endpoint(spec, timeout)

    return probe


async def check(
    specs: Iterable[ModelSpec], health: Health, clock: Clock, probe: Probe = probe_models_endpoint
) -> dict[str, HealthReport]:
    """Probe the models, at most `concurrency` at a time, and tell health what came of it."""
    settings = health.settings
    gate = asyncio.Semaphore(settings.concurrency)

    async def one(spec: ModelSpec) -> HealthReport:
        async with gate:
            started = clock.monotonic()
            error: Exception | None = None
            try:
                async with asyncio.timeout(settings.timeout):
                    await probe(spec, settings.timeout)
            except Exception as failure:  # noqa: BLE001  whatever a probe raises is its finding
                error = failure
        health.checked(spec, error, clock.monotonic() - started)
        return health.report(spec)

    reports = await asyncio.gather(*(one(spec) for spec in specs))
    return {report.model: report for report in reports}


class HealthMonitor(Background):
    """Checks every routable model at an interval, each with a jitter of a tenth, so that replicas do not march in step.

    Args:
        registry: whose models are checked, as they are at each round.
        health: who is told.
        clock: where time comes from.
        interval: seconds between two checks of a model; the health settings' unless given.
        probe: what a check is; unless given, a model's own `health_check`, or asking for the list of models, which
            is free.
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
        probe: Probe | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.interval = interval or health.settings.interval or _DEFAULT_INTERVAL
        self._registry = registry
        self._health = health
        self._clock = clock
        self._probe = probe or probe_of(registry)
        self._rng = Random(seed)
        self._due: dict[str, float] = {}

    async def round(self) -> dict[str, HealthReport]:
        """Check the models that are due now; a new model is due at once."""
        now = self._clock.monotonic()
        specs = [spec for spec in self._registry.get_available_models() if self._due.get(spec.key, now) <= now]
        for spec in specs:
            self._due[spec.key] = now + self.interval * (0.9 + 0.2 * self._rng.random())
        return await check(specs, self._health, self._clock, self._probe)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.round()
            now = self._clock.monotonic()
            waits = [due - now for due in self._due.values()]
            await self._clock.asleep(max(min(waits, default=self.interval), 0.01))
