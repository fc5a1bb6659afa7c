"""Changes of status over what a file says: kept in a store, dropped when the file changes its mind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.snapshot import Snapshot
from pointsman.stores.base import Store, Write

OVERLAYS = "registry.overlays"


class Overlays:
    """One overlay per model: the status that was set, why, since when, and the status it was set over."""

    def __init__(self) -> None:
        self._rows: dict[str, Mapping[str, Any]] = {}

    def load(self, store: Store) -> None:
        """Take over what a store holds."""
        self._rows |= {key: row for key, row in store.items(OVERLAYS) if row is not None}

    def set(self, spec: ModelSpec, status: str, reason: str | None, since: str) -> tuple[ModelSpec, Write]:
        """Lay a status over a model: the model as it is then, and what is to be persisted."""
        over = self._rows.get(spec.key, {"over": spec.status})["over"]
        row = {"status": status, "reason": reason, "since": since, "over": over}
        changed = _laid_over(spec, row)
        self._rows[spec.key] = row
        return changed, Write(OVERLAYS, spec.key, row)

    def apply(self, snapshot: Snapshot) -> tuple[Snapshot, list[Write]]:
        """Lay all overlays over a fresh snapshot; writes are for those that the file has overtaken."""
        overtaken = []
        for key, row in list(self._rows.items()):
            spec = snapshot.get(key)
            if spec is None:
                continue
            if spec.status in (row["over"], row["status"]):
                snapshot = snapshot.with_model(_laid_over(spec, row), snapshot.origins[key])
            else:
                del self._rows[key]
                overtaken.append(Write(OVERLAYS, key, None))
        return snapshot, overtaken


def _laid_over(spec: ModelSpec, row: Mapping[str, Any]) -> ModelSpec:
    status = {"status": row["status"], "status_reason": row["reason"], "status_since": row["since"]}
    return ModelSpec(**{**spec.model_dump(exclude_unset=True), **status})
