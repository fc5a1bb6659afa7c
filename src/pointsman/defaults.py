"""The registry of a program that needs just one: made when it is first asked for, and the same from then on."""

from __future__ import annotations

import threading

from pointsman.registry.models import ModelRegistry

_lock = threading.Lock()
_registries: list[ModelRegistry] = []


def default_registry() -> ModelRegistry:
    """The one registry of this process: every built-in catalogue that states current facts, and what is added to it.

    Nothing is made before the first call, and nothing in this package uses it unasked.
    """
    with _lock:
        if not _registries:
            _registries.append(ModelRegistry.builtin())
        return _registries[0]
