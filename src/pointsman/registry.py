"""`ModelRegistry`: what exists now; register, look up, change. Readers take a snapshot and never wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pointsman import overview
from pointsman.catalog import capabilities as tree
from pointsman.catalog import parameters as parameter_rules
from pointsman.catalog.files import Catalogue, builtin_names, read_builtin, read_catalogue
from pointsman.catalog.inheritance import with_base
from pointsman.catalog.loader import locate
from pointsman.catalog.parameters import Dialect, OnUnsupported, ParameterIssue
from pointsman.catalog.prices import Cost, call_cost
from pointsman.catalog.spec import KNOWN_PROVIDERS, ModelSpec, Status, split_key
from pointsman.errors import (
    AmbiguousModelError,
    CatalogError,
    DuplicateModelError,
    InvalidModelError,
    ModelNotFoundError,
)
from pointsman.lifecycle import last_replacement
from pointsman.membership import pool_mask
from pointsman.snapshot import Snapshot, set_bits

Origin = Literal["manual", "file", "discovery", "builtin"]
# The catalogue of facts as of 2024, for systems that were built on them; never part of "everything".
_DATED = "legacy"
_PRECEDENCE: dict[str, int] = {"manual": 0, "file": 1, "discovery": 2, "builtin": 2}


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """What changed: `kind` is `registered`, `removed`, `changed` or `reloaded`; `key` names the model, if it was one."""

    kind: Literal["registered", "removed", "changed", "reloaded"]
    key: str | None = None


class ModelRegistry:
    """All models that are known now, with their pools.

    Safe to share between threads and tasks: a change swaps in a new snapshot, whoever reads keeps the one it has.
    """

    def __init__(self, models: Iterable[ModelSpec] = ()) -> None:
        self._lock = threading.RLock()
        self._snapshot = Snapshot()
        self._listeners: list[Callable[[RegistryEvent], None]] = []
        self.sections: Mapping[str, Any] = {}
        self.path: str | None = None
        for spec in models:
            self.register_model(spec)

    # -- where models come from

    @classmethod
    def load(cls, path: str | Path) -> ModelRegistry:
        """Read a YAML or JSON file: its models, its pools, and the built-in catalogues it includes.

        Raises:
            CatalogError: E4005, E4003 or E4006, with file, line and column; `.problems` lists everything wrong.
        """
        return cls.from_catalogue(read_catalogue(path))

    @classmethod
    def from_catalogue(cls, catalogue: Catalogue) -> ModelRegistry:
        """Register what a catalogue that was read already declares and includes; see `load`."""
        registry = cls()
        registry._add_file(catalogue)
        return registry

    @classmethod
    def builtin(cls, *names: str) -> ModelRegistry:
        """Start from catalogues that ship with the package; without a name, from all that state current facts."""
        registry = cls()
        for name in names or [each for each in builtin_names() if each != _DATED]:
            registry._add_catalogue(read_builtin(name), "builtin")
        return registry

    def load_default_models(self) -> None:
        """Add the models for local development (Ollama's)."""
        self._add_catalogue(read_builtin("ollama"), "builtin")

    def _add_file(self, catalogue: Catalogue) -> None:
        for name in catalogue.include:
            self._add_catalogue(read_builtin(name), "builtin")
        self._add_catalogue(catalogue, "file")
        self.sections = catalogue.sections
        self.path = catalogue.path

    def _add_catalogue(self, catalogue: Catalogue, origin: Origin) -> None:
        with self._lock:
            declared = {
                **{spec.name: spec for spec in catalogue.models},
                **{spec.key: spec for spec in catalogue.models},
            }
            resolved = []
            for number, spec in enumerate(catalogue.models):
                try:
                    resolved.append((self._with_base(spec, declared), origin))
                except InvalidModelError as error:
                    error.path = catalogue.path
                    error.line, error.column = locate(catalogue.sections, ("models", number, error.field or "name"))
                    raise
            self._check_pools(catalogue, self._snapshot.with_models(resolved))
            self._snapshot = self._snapshot.with_models(resolved).with_pools(catalogue.pools)
        self._tell(RegistryEvent("reloaded"))

    @staticmethod
    def _check_pools(catalogue: Catalogue, snapshot: Snapshot) -> None:
        for name, pool in catalogue.pools.items():
            for number, model in enumerate(pool.models or ()):
                if not snapshot.mask_of([model]):
                    line, column = locate(catalogue.sections, ("pools", name, "models", number))
                    near = get_close_matches(model, [*snapshot.names, *snapshot.bits], n=1)
                    raise CatalogError(
                        f"pool {name!r} lists {model!r}, which is not registered",
                        hint=f"did you mean {near[0]!r}?" if near else "declare it under `models:` or `include:` it",
                        path=catalogue.path,
                        line=line,
                        column=column,
                    )

    def _with_base(self, spec: ModelSpec, declared: Mapping[str, ModelSpec]) -> ModelSpec:
        """Inherit from a model declared beside this one, else from a registered one."""
        if spec.base is None:
            return spec

        def find(name: str) -> ModelSpec | None:
            beside = declared.get(name)
            return self.find_model(name) if beside is None or beside is spec else beside

        return with_base(spec, find, lambda: [*declared, *self._snapshot.names, *self._snapshot.bits])

    # -- changes

    def register_model(self, spec: ModelSpec | Mapping[str, Any], *, replace: bool = False) -> ModelSpec:
        """Add a model and return it as stored (with what it inherits from its base).

        Raises:
            DuplicateModelError: E4004, unless `replace`.
            InvalidModelError: E4003.
        """
        given = spec if isinstance(spec, ModelSpec) else ModelSpec(**spec)
        with self._lock:
            if given.key in self._snapshot.bits and not replace:
                raise DuplicateModelError(given.key)
            stored = self._with_base(given, {})
            self._snapshot = self._snapshot.with_model(stored, "manual")
        self._tell(RegistryEvent("registered", stored.key))
        return stored

    def replace_models(self, models: Iterable[ModelSpec], *, remove: Iterable[str] = ()) -> None:
        """Add or replace many models and remove others by key, in one step that readers see whole."""
        with self._lock:
            gone = [key for key in remove if key in self._snapshot.bits]
            self._snapshot = self._snapshot.with_models(((spec, "manual") for spec in models), without=gone)
        self._tell(RegistryEvent("reloaded"))

    def unregister_model(self, name: str, provider: str | None = None) -> ModelSpec:
        """Remove a model and return what it was.

        Raises:
            ModelNotFoundError: E4001.
        """
        with self._lock:
            spec = self.get_model(name, provider)
            self._snapshot = self._snapshot.without_model(spec.key)
        self._tell(RegistryEvent("removed", spec.key))
        return spec

    def update_model_status(self, name: str, status: Status, *, reason: str | None = None) -> ModelSpec:
        """Set a model's status, with a reason and today as since when."""
        with self._lock:
            spec = self.get_model(name)
            today = datetime.now(UTC).date()
            changes = {"status": status, "status_reason": reason, "status_since": today}
            changed = ModelSpec(**{**spec.model_dump(exclude_unset=True), **changes})
            self._snapshot = self._snapshot.with_model(changed, self._snapshot.origins[spec.key])
        self._tell(RegistryEvent("changed", spec.key))
        return changed

    def subscribe(self, callback: Callable[[RegistryEvent], None]) -> Callable[[], None]:
        """Call back after every change; returns what ends the subscription."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def _tell(self, event: RegistryEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    # -- look-up

    @property
    def snapshot(self) -> Snapshot:
        """What is registered at this moment; never changes once taken."""
        return self._snapshot

    @property
    def version(self) -> str:
        """A hash of everything registered."""
        return self._snapshot.version

    def __len__(self) -> int:
        return len(self._snapshot.bits)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._snapshot.mask_of([name]))

    def __iter__(self) -> Iterator[ModelSpec]:
        return (spec for _, spec in self._snapshot.numbered())

    def __repr__(self) -> str:
        return f"ModelRegistry({len(self)} models, version {self.version})"

    def _repr_html_(self) -> str:
        """The models as a table, for notebooks; the first fifty of many."""
        return overview.html(self._snapshot)

    def get_model(self, name: str, provider: str | None = None) -> ModelSpec:
        """Look up a key, a bare name or an alias.

        Raises:
            ModelNotFoundError: E4001, naming what looks alike.
            AmbiguousModelError: E4002, if several providers have it and none was registered by hand.
        """
        spec = self._find(name, provider)
        if spec is None:
            known = [*self._snapshot.bits, *self._snapshot.names]
            raise ModelNotFoundError(name, nearest=get_close_matches(name, known, n=3, cutoff=0.5))
        return spec

    def find_model(self, name: str, provider: str | None = None) -> ModelSpec | None:
        """Look up a key, a bare name or an alias; None if it is not registered."""
        return self._find(name, provider)

    def _find(self, name: str, provider: str | None) -> ModelSpec | None:
        snapshot = self._snapshot
        bit = snapshot.bits.get(name if provider is None else f"{provider}:{name}")
        if bit is not None:
            return snapshot.specs[bit]
        if provider is None:
            provider, name = split_key(name, KNOWN_PROVIDERS)
        candidates = [spec for bit in snapshot.names.get(name, ()) if (spec := snapshot.specs[bit]) is not None]
        if provider is not None:
            candidates = [spec for spec in candidates if spec.provider == provider]
        if len(candidates) > 1:
            best = min(_PRECEDENCE[snapshot.origins[spec.key]] for spec in candidates)
            first = [spec for spec in candidates if _PRECEDENCE[snapshot.origins[spec.key]] == best]
            if len(first) > 1:
                raise AmbiguousModelError(name, sorted(spec.key for spec in first))
            candidates = first
        return candidates[0] if candidates else None

    def list_models(
        self,
        *,
        provider: str | None = None,
        family: str | None = None,
        status: Status | None = None,
        capability: str | None = None,
        tag: str | None = None,
    ) -> list[ModelSpec]:
        """List models, optionally only those of a provider, family, status, capability or tag."""
        snapshot = self._snapshot
        mask = snapshot.live
        for prefix, value in (("provider", provider), ("family", family), ("status", status), ("tag", tag)):
            if value is not None:
                mask &= snapshot.mask(f"{prefix}:{value}")
        if capability is not None:
            mask &= snapshot.mask(f"cap:{tree.canonical(capability)}")
        return self._specs(snapshot, mask)

    def get_models_by_capability(self, capability: str) -> list[ModelSpec]:
        """Models that declare this node of the capability tree or one below it."""
        return self.list_models(capability=capability)

    def get_models_by_capabilities(self, capabilities: Iterable[str]) -> list[ModelSpec]:
        """Models that declare all of them."""
        snapshot = self._snapshot
        mask = snapshot.live
        for capability in capabilities:
            mask &= snapshot.mask(f"cap:{tree.canonical(capability)}")
        return self._specs(snapshot, mask)

    def get_family_models(self, family: str) -> list[ModelSpec]:
        """Models of one family."""
        return self.list_models(family=family)

    def get_available_models(self) -> list[ModelSpec]:
        """Models that are routable by their status: active, or deprecated but not gone."""
        snapshot = self._snapshot
        return self._specs(snapshot, snapshot.mask("status:active") | snapshot.mask("status:deprecated"))

    def list_providers(self) -> list[str]:
        """Providers that have a model."""
        return overview.named(self._snapshot, "provider")

    def list_capabilities(self) -> list[str]:
        """Nodes of the capability tree that some model serves."""
        return overview.named(self._snapshot, "cap")

    def pools_of(self, name: str) -> list[str]:
        """Names of the pools this model is in."""
        snapshot = self._snapshot
        flag = 1 << snapshot.bits[self.get_model(name).key]
        return sorted(pool for pool in snapshot.pools if pool_mask(snapshot, pool) & flag)

    @staticmethod
    def _specs(snapshot: Snapshot, mask: int) -> list[ModelSpec]:
        return [spec for bit in set_bits(mask) if (spec := snapshot.specs[bit]) is not None]

    # -- parameters, prices, lifecycle

    def validate_parameters(self, name: str, parameters: Mapping[str, Any]) -> list[ParameterIssue]:
        """Report everything wrong with standard parameters for a model; empty when fine."""
        return parameter_rules.check(self.get_model(name), parameters)

    def map_parameters(
        self,
        name: str,
        parameters: Mapping[str, Any],
        *,
        dialect: Dialect = "provider",
        on_unsupported: OnUnsupported = "raise",
    ) -> dict[str, Any]:
        """Rename standard parameters to the provider's; see `pointsman.catalog.parameters.translate`."""
        return parameter_rules.translate(
            self.get_model(name), parameters, dialect=dialect, on_unsupported=on_unsupported
        )

    def get_model_defaults(self, name: str) -> dict[str, Any]:
        """Parameters the model is called with unless the request says otherwise."""
        return dict(self.get_model(name).default_parameters)

    def request_cost(
        self, name: str, input_tokens: int, output_tokens: int, *, cached_input_tokens: int = 0, batch: bool = False
    ) -> Cost:
        """Price a call in USD; what is not known is named in the result."""
        return call_cost(
            self.get_model(name), input_tokens, output_tokens, cached_input_tokens=cached_input_tokens, batch=batch
        )

    def migrate(self, name: str, *, as_of: date | None = None) -> str:
        """Name of the last replacement in the chain of models that are deprecated as of a day (today unless given)."""
        return last_replacement(self.get_model(name), self.find_model, as_of or datetime.now(UTC).date()).name

    def stats(self) -> dict[str, Any]:
        """Totals: models, active ones, providers, capabilities, models per provider."""
        return overview.stats(self._snapshot)
