"""The deployments of a `litellm.Router` as models of a registry, kept in step with its `model_list`."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.catalog import capabilities
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import CatalogError
from pointsman.events import RegistryEvent
from pointsman.litellm.models import group_alias, model_id, specs_for
from pointsman.registry.models import ModelRegistry

_log = logging.getLogger("pointsman")


class Deployments:
    """Registers what a LiteLLM router serves, and finds it again by key.

    Args:
        host: the LiteLLM router.
        registry: where the models are registered; what it holds already describes deployments that match it.
        prune: whether models that the router does not serve leave the registry; else they are only never chosen.
    """

    def __init__(self, host: Any, registry: ModelRegistry, *, prune: bool) -> None:
        self._host = host
        self._registry = registry
        self._prune = prune
        self._lock = threading.Lock()
        self._declared: list[ModelSpec] = []
        self._stale = True
        self._seen: tuple[Any, ...] = ()
        self.by_key: Mapping[str, Any] = {}
        self.key_of: Mapping[str, str] = {}
        self.groups: frozenset[str] = frozenset()
        self.unserved: frozenset[str] = frozenset()
        self._sizes: dict[str, int] = {}
        self._kinds: dict[str, frozenset[str]] = {}
        self._own_change = False
        registry.subscribe(self._noticed)
        self._take_in(self._fingerprint())

    def refresh(self) -> bool:
        """Take in deployments that were added to the router or removed from it since; says whether there were any."""
        current = self._fingerprint()
        if current == self._seen and not self._stale:
            return False
        with self._lock:
            if current == self._seen and not self._stale:
                return False
            try:
                self._take_in(current)
            except CatalogError as error:
                # A deployment that cannot be read must not stop those that can.
                _log.warning("%s: the router's changed model list is not taken in: %s", error.code, error)
                self._seen, self._stale = current, False
                return False
        return True

    def target(self, model: str) -> str | None:
        """What a request's `model` is called in the registry: a pool, a group of deployments; None if it is neither."""
        if model in self._registry.snapshot.pools:
            return model
        if model in self.groups:
            return group_alias(model)
        alias = getattr(self._host, "model_group_alias", None) or {}
        named = alias.get(model)
        named = named.get("model") if isinstance(named, Mapping) else named
        return group_alias(named) if isinstance(named, str) and named in self.groups else None

    def sizes(self) -> dict[str, int]:
        """How many deployments each name can reach: groups, their aliases, and pools, which may reach any."""
        alias = getattr(self._host, "model_group_alias", None) or {}
        aliases = {name: self._sizes.get(named, 0) for name in alias if isinstance(named := alias[name], str)}
        pools = dict.fromkeys(self._registry.snapshot.pools, len(self.by_key))
        return {**self._sizes, **aliases, **pools}

    def kind_of(self, model: str) -> frozenset[str]:
        """What a group is for, if not for text: its deployments are as LiteLLM's user has grouped them."""
        return self._kinds.get(model, frozenset())

    def _fingerprint(self) -> tuple[Any, ...]:
        # The router changes its list in place and appends what is new; nothing tells of it.
        entries = self._host.model_list
        return (id(entries), len(entries), id(entries[-1]) if entries else 0)

    def _take_in(self, fingerprint: tuple[Any, ...]) -> None:
        entries = [each for each in self._host.model_list if each.get("model_name") and each.get("litellm_params")]
        entries = [each for each in entries if "*" not in each["model_name"]]  # a route to many models is none of them
        snapshot = self._registry.snapshot
        if self._stale:  # what a file or a hand has registered; what was taken in from LiteLLM is made anew
            self._declared = [spec for _, spec in snapshot.numbered() if snapshot.origins[spec.key] != "discovery"]
        pairs = specs_for(entries, self._declared)
        by_key = {spec.key: deployment for spec, deployment in pairs}
        gone = [key for key in (snapshot.bits if self._prune else self.by_key) if key not in by_key]
        self._own_change = True
        try:
            self._registry.replace_models([spec for spec, _ in pairs], remove=gone)
        finally:
            self._own_change = False
        self.by_key = by_key
        self.key_of = {model_id(deployment): key for key, deployment in by_key.items()}
        self.groups = frozenset(deployment["model_name"] for deployment in entries)
        self.unserved = frozenset(key for key in self._registry.snapshot.bits if key not in by_key)
        self._sizes = dict(Counter(deployment["model_name"] for deployment in entries))
        kinds: dict[str, list[ModelSpec]] = {}
        for spec, deployment in pairs:
            kinds.setdefault(group_alias(deployment["model_name"]), []).append(spec)
        self._kinds = {name: kind for name, specs in kinds.items() if (kind := _kind(specs))}
        self._seen, self._stale = fingerprint, False

    def _noticed(self, event: RegistryEvent) -> None:
        """The registry was changed by somebody else: a file was read again, a model registered."""
        del event
        if not self._own_change:
            self._stale = True


def _kind(specs: Sequence[ModelSpec]) -> frozenset[str]:
    """The kind that deployments share when none of them answers in text; nothing otherwise."""
    if any(capabilities.answers_text(spec.capabilities) for spec in specs):
        return frozenset()
    shared = set(specs[0].capabilities).intersection(*(spec.capabilities for spec in specs))
    return frozenset(path for path in shared if capabilities.names_a_kind([path]))
