"""What a health check asks a model: its server's list of models, which is free, a real completion, or its own code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pointsman import caller, custom_calls
from pointsman.catalog.capabilities import answers_text
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import MissingCredentialError
from pointsman.failover.readings import read, reported
from pointsman.registry.models import ModelRegistry

if TYPE_CHECKING:
    import ssl

Probe = Callable[[ModelSpec, float], Awaitable[None]]
ProbeKind = Literal["models", "completion"]

_REFUSED = frozenset({401, 403})
_OK_BELOW = 500
# Reasoning models refuse less.
_TOKENS = 16


class NothingToAskError(Exception):
    """A model cannot be probed: nothing there is known to be free."""


async def probe_models_endpoint(spec: ModelSpec, timeout: float) -> None:  # noqa: ASYNC109  httpx takes it as it is
    """Ask an OpenAI-compatible server for its models: free of charge, and enough to see that it lives.

    Raises:
        NothingToAskError: the model has no address of its own.
        Exception: what went wrong.
    """
    if spec.api_base is None:
        raise NothingToAskError(f"{spec.key} has no api_base")
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
    async with httpx.AsyncClient(timeout=timeout, follow_redirects=False, verify=_certificates()) as client:
        response = await client.get(url, headers=headers)
    if response.status_code >= _OK_BELOW or response.status_code in _REFUSED:
        response.raise_for_status()


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Read once: that takes some 20 ms, in which the event loop of the calls would stand still at every check."""
    import httpx  # noqa: PLC0415  as above

    return httpx.create_ssl_context()


async def probe_completion(spec: ModelSpec, timeout: float) -> None:  # noqa: ASYNC109  LiteLLM takes it as it is
    """Ask for an answer of a few tokens through LiteLLM; it costs what such an answer costs.

    Models that do not answer in text are asked as `probe_models_endpoint` does.

    Raises:
        Exception: what went wrong.
    """
    if not answers_text(spec.capabilities):
        await probe_models_endpoint(spec, timeout)
        return
    arguments: dict[str, Any] = {**caller.reach(spec), "timeout": timeout, "max_tokens": _TOKENS}
    answer = await caller.litellm_module().acompletion(messages=[{"role": "user", "content": "ping"}], **arguments)
    reading = read(answer)
    if reading.error is not None:
        raise reported(reading.error, spec.key)


def probe_of(registry: ModelRegistry, kind: ProbeKind = "models") -> Probe:
    """A check that asks a model's own `health_check` where it is code, else its server."""
    ask = probe_completion if kind == "completion" else probe_models_endpoint

    async def probe(spec: ModelSpec, timeout: float) -> None:  # noqa: ASYNC109  likewise
        own = custom_calls.of_spec(spec, registry.snapshot)
        if own is not None:
            if not own.checks_health:
                raise NothingToAskError(f"{spec.key} has no health_check")
            await custom_calls.check(own, spec)
        else:
            await ask(spec, timeout)

    return probe
