"""What a registry tells those who subscribed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pointsman.errors import CatalogError

EventKind = Literal["registered", "removed", "changed", "reloaded", "reload_failed", "overlay_dropped", "rolled_back"]


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """What changed: `key` names the model, if it was one; `error` says why a reload failed."""

    kind: EventKind
    key: str | None = None
    error: CatalogError | None = None


class Listeners:
    """Who is told, in the order they came."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[RegistryEvent], None]] = []

    def subscribe(self, callback: Callable[[RegistryEvent], None]) -> Callable[[], None]:
        """Tell this one too; returns what ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def tell(self, event: RegistryEvent) -> None:
        """Tell all of an event."""
        for callback in tuple(self._callbacks):
            callback(event)
