"""The whole configuration: every section of one file, typed, with problems located by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pointsman.cache.settings import CacheSettings
from pointsman.cache.urls import check_levels
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.catalog.files import gathered, read_catalogue, validated
from pointsman.catalog.loader import locate
from pointsman.catalog.parameters import OnUnsupported
from pointsman.eligibility.question import OnDeprecated, OnUnknown, Rules
from pointsman.errors import CatalogError, ConfigError, InvalidRequestError
from pointsman.failover.calls import CallSettings
from pointsman.health.states import HealthSettings
from pointsman.learning.checks import CheckSettings
from pointsman.learning.ledger import LedgerSettings
from pointsman.limits.settings import BudgetSettings, LimitSettings
from pointsman.loading import LoadingSettings
from pointsman.policies.names import make_policy
from pointsman.registry.models import ModelRegistry
from pointsman.stores.urls import open_store
from pointsman.telemetry.settings import TelemetrySettings
from pointsman.wishes import read_soft

_Section = TypeVar("_Section", bound=BaseModel)

DEFAULT_POLICY = "adaptive"
DEFAULT_STORE = "memory://"


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
    store: Any = field(default=DEFAULT_STORE, repr=False)  # a URL may hold a password
    seed: int | None = None
    health: HealthSettings = field(default_factory=HealthSettings)
    calls: CallSettings = field(default_factory=CallSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    rules: Rules = field(default_factory=Rules)
    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    cache: CacheSettings | None = None
    loading: LoadingSettings | None = None
    checks: CheckSettings | None = None


def typed(section: str, kind: type[_Section], given: _Section | Mapping[str, Any] | None) -> _Section | None:
    """Settings as they are, or made of a mapping such as a section of the file.

    Raises:
        ConfigError: E4006, naming what is wrong.
    """
    if given is None or isinstance(given, kind):
        return given
    problems: list[CatalogError] = []
    made = validated(kind, given, {}, (section,), None, problems)
    if problems:
        raise gathered(problems)
    return made


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
    limits = section("limits", LimitSettings)
    parameters = section("parameters", ParameterSettings)
    lifecycle = section("lifecycle", LifecycleSettings)
    discovery = section("discovery", DiscoverySettings)
    telemetry = section("telemetry", TelemetrySettings)
    ledger = section("ledger", LedgerSettings)
    cache = section("cache", CacheSettings) if sections.get("cache") is not None else None
    loading = section("loading", LoadingSettings) if sections.get("loading") is not None else None
    checks = section("checks", CheckSettings) if sections.get("checks") is not None else None
    if cache is not None:
        _try(check_levels, cache.levels, sections, ("cache", "levels"), path, problems)
    seed = _checked(sections, "seed", TypeAdapter(int), path, problems)
    for name, check in (("policy", make_policy), ("store", _check_store)):
        value = sections.get(name)
        if value is not None:
            _try(check, value, sections, (name,), path, problems)
    pools = sections.get("pools")
    for name, pool in pools.items() if isinstance(pools, Mapping) else ():
        if isinstance(pool, Mapping) and pool.get("policy") is not None:
            _try(make_policy, pool["policy"], sections, ("pools", name, "policy"), path, problems)
    relax = _read_ladder(sections, path, problems)
    if problems:
        raise gathered(problems)
    return Settings(
        policy=sections.get("policy") or DEFAULT_POLICY,
        store=sections.get("store") or DEFAULT_STORE,
        seed=seed,
        health=health,
        calls=calls,
        limits=limits,
        budget=budget,
        discovery=discovery,
        telemetry=telemetry,
        ledger=ledger,
        cache=cache,
        loading=loading,
        checks=checks,
        rules=Rules(parameters.on_unknown, parameters.on_unsupported, budget.per_request, lifecycle.deprecated, relax),
    )


def _read_ladder(sections: Mapping[str, Any], path: str | None, problems: list[CatalogError]) -> tuple[str, ...]:
    """The `relax:` section: names of requirements that may give way, first to go first."""
    value = sections.get("relax")
    if value is None:
        return ()
    if not isinstance(value, list):
        line, column = locate(sections, ("relax",))
        text = f"relax: expected a list of names, found {type(value).__name__}"
        problems.append(ConfigError(text, hint="such as [max_latency, region]", path=path, line=line, column=column))
        return ()
    ladder: tuple[str, ...] = ()
    for number, name in enumerate(value):
        try:
            ladder += read_soft([name], "relax")
        except InvalidRequestError as error:
            line, column = locate(sections, ("relax", number))
            problems.append(ConfigError(error.message, hint=error.hint, path=path, line=line, column=column))
    return tuple(dict.fromkeys(ladder))


def _check_store(url: Any) -> None:
    if not isinstance(url, str):
        raise ConfigError("expected a URL such as sqlite:///pointsman.db")
    if not url.startswith(("sqlite:///", "jsonl:///", "env:")):
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
