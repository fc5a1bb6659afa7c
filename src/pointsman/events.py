"""What a registry tells those who subscribed."""

from __future__ import annotations

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
