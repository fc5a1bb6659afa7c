"""The deployments of a `litellm.Router` as models of a registry, kept in step with its `model_list`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from pointsman.errors import CatalogError
from pointsman.litellm.models import group_alias, model_id, specs_for
from pointsman.registry import ModelRegistry

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
        self._declared = list(registry)
        self._seen: tuple[Any, ...] = ()
        self.by_key: Mapping[str, Any] = {}
        self.key_of: Mapping[str, str] = {}
        self.groups: frozenset[str] = frozenset()
        self.unserved: frozenset[str] = frozenset()
        self.largest_group = 0
        self._take_in(self._fingerprint())

    def refresh(self) -> bool:
        """Take in deployments that were added to the router or removed from it since; says whether there were any."""
        current = self._fingerprint()
        if current == self._seen:
            return False
        with self._lock:
            if current == self._seen:
                return False
            try:
                self._take_in(current)
            except CatalogError as error:
                # A deployment that cannot be read must not stop those that can.
                _log.warning("%s: the router's changed model list is not taken in: %s", error.code, error)
                self._seen = current
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

    def _fingerprint(self) -> tuple[Any, ...]:
        # The router changes its list in place and appends what is new; nothing tells of it.
        entries = self._host.model_list
        return (id(entries), len(entries), id(entries[-1]) if entries else 0)

    def _take_in(self, fingerprint: tuple[Any, ...]) -> None:
        entries = [each for each in self._host.model_list if each.get("model_name") and each.get("litellm_params")]
        pairs = specs_for(entries, self._declared)
        by_key = {spec.key: deployment for spec, deployment in pairs}
        known = self._registry.snapshot.bits
        gone = [key for key in self.by_key if key not in by_key]
        if self._prune:
            gone = [key for key in known if key not in by_key]
        self._registry.replace_models([spec for spec, _ in pairs], remove=gone)
        self.by_key = by_key
        self.key_of = {model_id(deployment): key for key, deployment in by_key.items()}
        self.groups = frozenset(deployment["model_name"] for deployment in entries)
        self.unserved = frozenset(key for key in self._registry.snapshot.bits if key not in by_key)
        sizes: dict[str, int] = {}
        for deployment in entries:
            sizes[deployment["model_name"]] = sizes.get(deployment["model_name"], 0) + 1
        self.largest_group = max(sizes.values(), default=0)
        self._seen = fingerprint
