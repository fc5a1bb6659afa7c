"""What differs between two sets of models: added, removed, and changed field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pointsman.catalog.spec import ModelSpec
from pointsman.html import table


class FieldChange(NamedTuple):
    """One field's value before and after."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {self.old!r} -> {self.new!r}"


@dataclass(frozen=True, slots=True)
class CatalogDiff:
    """What it takes to get from one set of models to another; false when nothing."""

    added: tuple[ModelSpec, ...] = ()
    removed: tuple[ModelSpec, ...] = ()
    changed: Mapping[str, tuple[FieldChange, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        lines = [f"+ {spec.key}" for spec in self.added]
        lines += [f"- {spec.key}" for spec in self.removed]
        lines += [f"~ {key}: {change}" for key, changes in self.changed.items() for change in changes]
        return "\n".join(lines) or "no difference"

    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [(spec.key, "added", None, None) for spec in self.added]
        rows += [(spec.key, "removed", None, None) for spec in self.removed]
        rows += [
            (key, change.field, repr(change.old), repr(change.new))
            for key, changes in self.changed.items()
            for change in changes
        ]
        return table("difference", ("model", "what", "old", "new"), rows)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "added": [spec.key for spec in self.added],
            "removed": [spec.key for spec in self.removed],
            "changed": {
                key: {change.field: [_json(change.old), _json(change.new)] for change in changes}
                for key, changes in self.changed.items()
            },
        }


def compare(old: Iterable[ModelSpec], new: Iterable[ModelSpec]) -> CatalogDiff:
    """Compare two sets of models by key."""
    before, after = {spec.key: spec for spec in old}, {spec.key: spec for spec in new}
    changed = {}
    for key in before.keys() & after.keys():
        if before[key] is not after[key] and (changes := _changes(before[key], after[key])):
            changed[key] = changes
    return CatalogDiff(
        added=tuple(after[key] for key in sorted(after.keys() - before.keys())),
        removed=tuple(before[key] for key in sorted(before.keys() - after.keys())),
        changed=dict(sorted(changed.items())),
    )


def _changes(old: ModelSpec, new: ModelSpec) -> tuple[FieldChange, ...]:
    fields = ModelSpec.model_fields
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in fields)
    return tuple(FieldChange(name, before, after) for name, before, after in pairs if before != after)


def _json(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
