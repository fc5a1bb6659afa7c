"""Facts laid over what a file says (a status, an approved change): kept in a store, dropped when the file changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.registry.snapshot import Snapshot
from pointsman.stores.base import Store, Write

OVERLAYS = "registry.overlays"

# What goes with a status and has no life of its own.
_COMPANIONS = frozenset({"status_reason", "status_since"})


class Overlays:
    """One overlay per model: the fields that were set, and for each what the file said when it was."""

    def __init__(self) -> None:
        self._rows: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    def load(self, store: Store) -> None:
        """Take over what a store holds."""
        self._rows |= {key: row for key, row in store.items(OVERLAYS) if row is not None}

    def set(self, spec: ModelSpec, fields: Mapping[str, Any]) -> tuple[ModelSpec, Write]:
        """Lay fields (JSON values) over a model: the model as it is then, and what is to be persisted."""
        known = self._rows.get(spec.key, {"fields": {}, "over": {}})
        over = {name: _said(spec, name) for name in fields if name not in _COMPANIONS} | dict(known["over"])
        row = {"fields": {**known["fields"], **fields}, "over": over}
        changed = _laid_over(spec, fields)
        self._rows[spec.key] = row
        return changed, Write(OVERLAYS, spec.key, row)

    def apply(self, snapshot: Snapshot) -> tuple[Snapshot, list[Write]]:
        """Lay all overlays over a fresh snapshot; writes are for those that the file has overtaken."""
        overtaken = []
        for key, row in list(self._rows.items()):
            spec = snapshot.get(key)
            if spec is None:
                continue
            left = _left_of(spec, row)
            if len(left["over"]) < len(row["over"]):
                overtaken.append(Write(OVERLAYS, key, left if left["over"] else None))
                self._rows[key] = left
            if left["over"]:
                snapshot = snapshot.with_model(_laid_over(spec, left["fields"]), snapshot.origins[key])
            else:
                del self._rows[key]
        return snapshot, overtaken


def _left_of(spec: ModelSpec, row: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """What still holds: fields of which the file says what it said, or what was laid over it."""
    fields, over = row["fields"], row["over"]
    holds = {name: old for name, old in over.items() if _said(spec, name) in (old, fields[name])}
    return {
        "fields": {name: value for name, value in fields.items() if (name if name in over else "status") in holds},
        "over": holds,
    }


def _said(spec: ModelSpec, name: str) -> Any:
    return spec.model_dump(mode="json", include={name})[name]


def _laid_over(spec: ModelSpec, fields: Mapping[str, Any]) -> ModelSpec:
    return ModelSpec(**{**spec.model_dump(exclude_unset=True), **fields})
