"""The model names of a LiteLLM Proxy as models of a registry: one spec per name, whatever deployments are behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pointsman.catalog.files import Catalogue
from pointsman.catalog.pools import Pool
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import ConfigError
from pointsman.litellm.models import Deployment, changed, match, model_id, spec_of, with_facts
from pointsman.registry.models import ModelRegistry

# Of a name with several deployments any one may answer, so what is promised is what all of them can do.
_SMALLEST = ("context_window", "max_input_tokens", "max_output_tokens")
_RATES = ("rate_limit_rpm", "rate_limit_tpm")
_LARGEST = ("cost_per_1m_input_tokens", "cost_per_1m_output_tokens", "cached_cost_per_1m_input_tokens")


class Groups:
    """The proxy's model names in a registry.

    Args:
        catalogue: what pointsman.yaml declares. If it declares models, only those take part; else all of the proxy's.

    Attributes:
        registry: the models, under their keys, and the pools.
        name_of: the proxy's name of a model by its key.
        shared: keys of names with several deployments: what one provider says of its limits is not true of the whole.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._declared = list(ModelRegistry.from_catalogue(replace(catalogue, pools={})))
        self._lock = threading.Lock()
        self._seen: tuple[Any, ...] = ()
        self.registry = ModelRegistry()
        self.name_of: Mapping[str, str] = {}
        self.shared: frozenset[str] = frozenset()
        self._key_of: Mapping[str, str] = {}
        self._names: frozenset[str] = frozenset()

    def refresh(self, host: Any) -> None:
        """Take in what the proxy serves now; costs nothing while that has not changed.

        Raises:
            CatalogError: E4003 or E4006, if names and declared models cannot be matched.
        """
        entries = host.model_list
        current = (id(entries), len(entries), id(entries[-1]) if entries else 0)
        if current == self._seen:
            return
        with self._lock:
            if current != self._seen:
                named = [each for each in entries if each.get("model_name") and each.get("litellm_params")]
                self._take_in([each for each in named if "*" not in each["model_name"]])  # no model but a route to many
                self._seen = current

    def key_of(self, deployment_id: Any) -> str | None:
        """The key of the model that a deployment belongs to."""
        return self._key_of.get(str(deployment_id))

    def is_virtual(self, name: Any, automatic: str) -> bool:
        """Whether a client that asks for this name leaves the choice to us."""
        return isinstance(name, str) and (
            name in self.registry.snapshot.pools or (name == automatic and name not in self._names)
        )

    def _take_in(self, entries: Sequence[Deployment]) -> None:
        groups: dict[str, list[Deployment]] = {}
        for entry in entries:
            if entry["model_name"] not in self._catalogue.pools:  # such an entry is there to be listed in /v1/models
                groups.setdefault(entry["model_name"], []).append(entry)
        specs = dict(specs_of_groups(groups, self._declared))
        registry = ModelRegistry.from_catalogue(
            replace(self._catalogue, models=tuple(specs.values()), include=(), pools=self._served_pools(specs.values()))
        )
        gone = [key for key in self.registry.snapshot.bits if key not in registry.snapshot.bits]
        if self.name_of:
            self.registry.replace_models(registry, remove=gone)
        else:
            self.registry = registry
        self.name_of = {spec.key: name for name, spec in specs.items()}
        self._key_of = {model_id(each): spec.key for name, spec in specs.items() for each in groups[name]}
        self.shared = frozenset(spec.key for name, spec in specs.items() if len(groups[name]) > 1)
        self._names = frozenset(groups)
        for deployments in groups.values():
            if len(deployments) == 1:
                # A lone deployment in LiteLLM's cool-down would refuse what the plan sends there as its last resort.
                (deployments[0].get("model_info") or {}).setdefault("cooldown_time", 0)

    def _served_pools(self, specs: Iterable[ModelSpec]) -> dict[str, Pool]:
        """The pools without the models that are declared but not served here; a name nobody knows stays an error."""
        served = {name for spec in specs for name in (spec.key, spec.name, *spec.aliases)}
        declared = {name for spec in self._declared for name in (spec.key, spec.name, *spec.aliases)}
        pools = {}
        for name, pool in self._catalogue.pools.items():
            listed = pool.models
            kept = None if listed is None else tuple(each for each in listed if each in served or each not in declared)
            pools[name] = pool if kept == listed else pool.model_copy(update={"models": kept})
        return pools


def specs_of_groups(
    groups: Mapping[str, Sequence[Deployment]], declared: Sequence[ModelSpec]
) -> Iterable[tuple[str, ModelSpec]]:
    """Pairs of the proxy's name and its spec.

    Raises:
        ConfigError: E4006, if a name could be several of the declared models, or a model several of the names.
    """
    taken: dict[str, str] = {}
    for name, deployments in groups.items():
        if not declared:
            yield name, _whole([spec_of(each, name) for each in deployments], name)
            continue
        found = {spec.key: spec for each in deployments if (spec := match(each, declared)) is not None}
        if len(found) > 1:
            raise ConfigError(
                f"the proxy's model {name!r} could be any of {', '.join(sorted(found))}",
                hint="give these deployments names of their own, or one `model_info.id` each",
            )
        for key, spec in found.items():
            if key in taken:
                raise ConfigError(
                    f"{key} could be the proxy's model {taken[key]!r} as well as {name!r}",
                    hint="set `model_info.id` of the deployment it is to this key",
                )
            taken[key] = name
            aliases = spec.aliases if name in (spec.name, *spec.aliases) else (*spec.aliases, name)
            yield name, changed(with_facts(spec, deployments[0]), {"aliases": aliases, "base": None})


def _whole(specs: Sequence[ModelSpec], name: str) -> ModelSpec:
    first = specs[0]
    changes: dict[str, Any] = {"aliases": ()}
    if len(specs) > 1:
        for field in _SMALLEST:
            changes[field] = min((value for each in specs if (value := getattr(each, field)) is not None), default=None)
        window, output = changes["context_window"], changes["max_output_tokens"]
        if window is not None and output is not None:
            changes["max_output_tokens"] = min(window, output)
        for field in _RATES:  # LiteLLM shares requests out among them
            rates = [getattr(each, field) for each in specs]
            changes[field] = None if None in rates else sum(rates)
        for field in _LARGEST:
            values = [getattr(each, field) for each in specs]
            changes[field] = None if None in values else max(values)
        shared = set(first.capabilities).intersection(*(each.capabilities for each in specs[1:]))
        changes |= {"capabilities": tuple(each for each in first.capabilities if each in shared), "name": name}
        if len({each.arm for each in specs}) > 1:
            changes["serves"] = None
        if len({each.api_base for each in specs}) > 1:
            changes["api_base"] = None
    return changed(first, changes)
