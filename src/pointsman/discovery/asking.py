"""Asks each server that the registry names for its list, and compares it with what is registered."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from pointsman.catalog.spec import ModelSpec
from pointsman.discovery.addresses import ListingError
from pointsman.discovery.fetching import fetch_json
from pointsman.discovery.findings import Discovery, ModelChange
from pointsman.discovery.listings import Listed, Listing, read_ollama, read_openai
from pointsman.errors import InvalidModelError, MissingCredentialError
from pointsman.registry.models import ModelRegistry

_T = TypeVar("_T")

DEFAULT_TIMEOUT = 5.0
_AT_ONCE = 8
# Their addresses have no list of deployments: what they answer there is what could be deployed.
_WITHOUT_A_LIST = frozenset({"azure", "azure_openai", "bedrock", "sagemaker"})


@dataclass(frozen=True, slots=True)
class _Server:
    """One address with one credential, and the models registered there."""

    provider: str
    api_base: str
    api_key: str | None
    known: tuple[ModelSpec, ...]

    @property
    def lists_tags(self) -> bool:
        return self.provider == "ollama" and not self.api_base.endswith("/v1")

    @property
    def url(self) -> str:
        return f"{self.api_base}/{'api/tags' if self.lists_tags else 'models'}"

    def headers(self) -> dict[str, str]:
        try:
            key = self.known[0].secret()
        except MissingCredentialError:
            key = None
        return {"authorization": f"Bearer {key}"} if key else {}


@dataclass(slots=True)
class _Found:
    additions: list[ModelSpec] = field(default_factory=list)
    removals: list[ModelSpec] = field(default_factory=list)
    changes: list[ModelChange] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ignored: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def discover(
    registry: ModelRegistry,
    *,
    providers: Iterable[str] = (),
    timeout: float = DEFAULT_TIMEOUT,
    today: date | None = None,
) -> Discovery:
    """Ask the servers of registered models what they have; see `adiscover`."""
    return _run(adiscover(registry, providers=providers, timeout=timeout, today=today))


async def adiscover(
    registry: ModelRegistry,
    *,
    providers: Iterable[str] = (),
    timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109  for each server, all of its answer included
    today: date | None = None,
) -> Discovery:
    """Ask the servers of registered models (those with an `api_base`) what they have; nothing is changed.

    Ollama is asked for `/api/tags`, all others for `models` below their address, as OpenAI's API has it. Only these
    addresses are asked: no redirect is followed, and link-local ones and metadata services are refused.

    Args:
        registry: what is known.
        providers: ask only these providers' servers.
        timeout: for each server, its whole answer included.
        today: the day that new facts are of.
    """
    wanted = frozenset(providers)
    servers = [each for each in _servers(registry) if not wanted or each.provider in wanted]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(server: _Server) -> Listing | ListingError:
        async with gate:
            try:
                tree = await fetch_json(server.url, server.headers(), timeout)
                return (read_ollama if server.lists_tags else read_openai)(tree)
            except ListingError as error:
                return error

    answers = await asyncio.gather(*(ask(server) for server in servers))
    found = _Found()
    for server, answer in zip(servers, answers, strict=True):
        if isinstance(answer, ListingError):
            found.problems[server.url] = str(answer)
        else:
            _compare(server, answer, registry, today or datetime.now(UTC).date(), found)
    return Discovery(
        additions=tuple(found.additions),
        removals=tuple(found.removals),
        changes=tuple(change for change in found.changes if not change.jumps),
        quarantined=tuple(change for change in found.changes if change.jumps),
        asked=tuple(found.asked),
        ignored=found.ignored,
        problems=found.problems,
    )


def _servers(registry: ModelRegistry) -> list[_Server]:
    groups: dict[tuple[str, str, str | None], list[ModelSpec]] = {}
    for spec in registry:
        if spec.api_base is not None and spec.provider not in _WITHOUT_A_LIST:
            groups.setdefault((spec.provider, spec.api_base.rstrip("/"), spec.api_key), []).append(spec)
    return [_Server(*where, known=tuple(specs)) for where, specs in groups.items()]


def _compare(server: _Server, listing: Listing, registry: ModelRegistry, today: date, found: _Found) -> None:
    found.asked.append(server.url)
    if listing.unusable:
        found.ignored[server.url] = f"{listing.unusable} entries of its list name no usable model"
    listed = {_bare(each.id): each for each in listing.models}
    seen: set[str] = set()
    for spec in server.known:
        names = _names_there(spec) & listed.keys()
        seen |= names
        if not names:
            found.removals.append(spec)
        elif change := _change(spec, listed[min(names)], server, today, found):
            found.changes.append(change)
    taken = {spec.key for spec in (*registry, *found.additions)}
    for name, each in listed.items():
        if name in seen:
            continue
        try:
            spec = _addition(each, server, today)
        except InvalidModelError as error:
            found.ignored[f"{server.provider}:{each.id}"] = error.message
            continue
        if spec.key in taken:
            found.ignored[spec.key] = f"{server.api_base} lists it too; it is registered for another address"
        else:
            found.additions.append(spec)


def _names_there(spec: ModelSpec) -> set[str]:
    """What the server may call a registered model."""
    route, _, rest = (spec.litellm_model or "").partition("/")
    names = {spec.name, spec.deployment_name, rest or route, *spec.aliases}
    return {_bare(name) for name in names if name}


def _bare(name: str) -> str:
    return name.removesuffix(":latest")


def _addition(listed: Listed, server: _Server, today: date) -> ModelSpec:
    routes = [spec.litellm_model.partition("/") for spec in server.known if spec.litellm_model]
    route = next((route for route, slash, _ in routes if slash), None)
    return ModelSpec(
        **{
            **listed.assumed,
            **listed.stated,
            "name": listed.id,
            "provider": server.provider,
            "api_base": server.known[0].api_base,
            **({"api_key": server.api_key} if server.api_key else {}),
            **({"litellm_model": f"{route}/{listed.id}"} if route else {}),
            "source": server.url,
            "as_of": today,
        }
    )


def _change(spec: ModelSpec, listed: Listed, server: _Server, today: date, found: _Found) -> ModelChange | None:
    news = {name: value for name, value in listed.stated.items() if getattr(spec, name) != value}
    if not news:
        return None
    fields = spec.model_dump(exclude_unset=True) | news
    window, output = fields.get("context_window"), fields.get("max_output_tokens")
    if window is not None and output is not None and output > window:
        fields["max_output_tokens"] = news["max_output_tokens"] = window
    evidence = {name: {"source": server.url, "as_of": today} for name in news}
    try:
        return ModelChange(spec, ModelSpec(**fields | {"evidence": {**spec.evidence, **evidence}}))
    except InvalidModelError as error:
        found.ignored[spec.key] = error.message
        return None


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end, also where a loop is running already, as in notebooks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1, thread_name_prefix="pointsman-discovery") as thread:
        return thread.submit(asyncio.run, work).result()
