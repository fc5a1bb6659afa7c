"""Active health checks: cheap probes of many models at once, on demand or at an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import MissingCredentialError
from pointsman.health import Health, HealthReport
from pointsman.types import Clock

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
