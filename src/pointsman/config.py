"""The whole configuration: every section of one file, typed, with problems located by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pointsman.calls import CallSettings
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.catalog.files import gathered, read_catalogue, validated
from pointsman.catalog.loader import locate
from pointsman.catalog.parameters import OnUnsupported
from pointsman.errors import CatalogError, ConfigError
from pointsman.health import HealthSettings
from pointsman.policies.names import make_policy
from pointsman.question import OnDeprecated, OnUnknown, Rules
from pointsman.registry import ModelRegistry
from pointsman.stores.urls import open_store

DEFAULT_POLICY = "adaptive"
DEFAULT_STORE = "memory://"


class BudgetSettings(BaseModel):
    """The `budget:` section: USD that may be spent.

    Attributes:
        per_request: what one request may cost at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    per_request: float | None = Field(default=None, ge=0)


class ParameterSettings(BaseModel):
    """The `parameters:` section: what happens to parameters and facts that are in doubt.

    Attributes:
        on_unsupported: `drop`, `raise`, or `exclude` the model that does not take a parameter.
        on_unknown: whether an unknown limit, price or latency is allowed or excludes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    on_unsupported: OnUnsupported = "drop"
    on_unknown: OnUnknown = "allow"


class LifecycleSettings(BaseModel):
    """The `lifecycle:` section: what happens to models that are deprecated.

    Attributes:
        deprecated: `warn`, `prefer_replacement` for requests that name one, or `refuse`.
        notice_days: how far ahead `pointsman validate` lists what will be gone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    deprecated: OnDeprecated = "warn"
    notice_days: int = Field(default=90, ge=0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a router is told at construction, besides its registry."""

    policy: Any = DEFAULT_POLICY
    store: Any = DEFAULT_STORE
    seed: int | None = None
    health: HealthSettings = field(default_factory=HealthSettings)
    calls: CallSettings = field(default_factory=CallSettings)
    rules: Rules = field(default_factory=Rules)
    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)


def load_config(path: str | Path) -> tuple[ModelRegistry, Settings]:
    """Read a configuration file: the registry it declares and the router's settings.

    Raises:
        CatalogError: E4003, E4005 or E4006, located; `.problems` lists everything wrong with the router's sections.
    """
    catalogue = read_catalogue(path)
    registry = ModelRegistry.from_catalogue(catalogue)
    return registry, read_settings(catalogue.sections, str(path))


def read_settings(sections: Mapping[str, Any], path: str | None = None) -> Settings:
    """Read the router's sections out of a loaded tree; see `load_config`."""
    problems: list[CatalogError] = []

    def section(name: str, model: type[BaseModel]) -> Any:
        value = sections.get(name)
        return model() if value is None else validated(model, value, sections, (name,), path, problems)

    health = section("health", HealthSettings)
    calls = section("calls", CallSettings)
    budget = section("budget", BudgetSettings)
    parameters = section("parameters", ParameterSettings)
    lifecycle = section("lifecycle", LifecycleSettings)
    discovery = section("discovery", DiscoverySettings)
    seed = _checked(sections, "seed", TypeAdapter(int), path, problems)
    for name, check in (("policy", make_policy), ("store", _check_store)):
        value = sections.get(name)
        if value is not None:
            _try(check, value, sections, (name,), path, problems)
    pools = sections.get("pools")
    for name, pool in pools.items() if isinstance(pools, Mapping) else ():
        if isinstance(pool, Mapping) and pool.get("policy") is not None:
            _try(make_policy, pool["policy"], sections, ("pools", name, "policy"), path, problems)
    if problems:
        raise gathered(problems)
    return Settings(
        policy=sections.get("policy") or DEFAULT_POLICY,
        store=sections.get("store") or DEFAULT_STORE,
        seed=seed,
        health=health,
        calls=calls,
        discovery=discovery,
        rules=Rules(parameters.on_unknown, parameters.on_unsupported, budget.per_request, lifecycle.deprecated),
    )


def _check_store(url: Any) -> None:
    if not isinstance(url, str):
        raise ConfigError("expected a URL such as sqlite:///pointsman.db")
    if not url.startswith("sqlite:///"):
        open_store(url).close()


def _checked(
    sections: Mapping[str, Any], name: str, kind: TypeAdapter[Any], path: str | None, problems: list[CatalogError]
) -> Any:
    value = sections.get(name)
    if value is None:
        return None
    try:
        return kind.validate_python(value, strict=True)
    except ValidationError as error:
        line, column = locate(sections, (name,))
        problems.append(ConfigError(f"{name}: {error.errors()[0]['msg'].lower()}", path=path, line=line, column=column))
        return None


def _try(
    check: Any,
    value: Any,
    sections: Mapping[str, Any],
    where: tuple[str, ...],
    path: str | None,
    problems: list[CatalogError],
) -> None:
    try:
        check(value)
    except ConfigError as error:
        line, column = locate(sections, where)
        text = f"{'.'.join(where)}: {error.message}"
        problems.append(ConfigError(text, hint=error.hint, path=path, line=line, column=column))
