"""What differs between two sets of models: added, removed, and changed field by field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import to_jsonable_python

from pointsman.catalog.export import stated
from pointsman.catalog.spec import ModelSpec
from pointsman.html import table

_LONGEST_VALUE = 80


class FieldChange(NamedTuple):
    """One field's value before and after, None where it is not set; `quality.coding` names one of several scores."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.field}: {shown(self.old)} -> {shown(self.new)}"


@dataclass(frozen=True, slots=True)
class CatalogDiff:
    """What it takes to get from one set of models to another, ordered by key; false when nothing."""

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

    @property
    def summary(self) -> str:
        """How much differs, in a few words."""
        return f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """The difference as rows of a table: model, what, old value, new value."""
        yield from ((spec.key, "added", "", "") for spec in self.added)
        yield from ((spec.key, "removed", "", "") for spec in self.removed)
        for key, changes in self.changed.items():
            yield from ((key, change.field, shown(change.old), shown(change.new)) for change in changes)

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON values: whole entries of what came and went, `[old, new]` per changed field."""
        return {
            "added": [{"key": spec.key, **stated(spec)} for spec in self.added],
            "removed": [{"key": spec.key, **stated(spec)} for spec in self.removed],
            "changed": {
                key: {change.field: to_jsonable_python([change.old, change.new]) for change in changes}
                for key, changes in self.changed.items()
            },
        }

    def _repr_html_(self) -> str:
        """The difference as a table, for notebooks."""
        return table(self.summary, ("model", "what", "old", "new"), self.rows())


def compare(old: Iterable[ModelSpec], new: Iterable[ModelSpec]) -> CatalogDiff:
    """Compare two sets of models by key; their order, and how a value was spelt, make no difference."""
    before, after = {spec.key: spec for spec in old}, {spec.key: spec for spec in new}
    changed = {}
    for key in sorted(before.keys() & after.keys()):
        if changes := changes_of(before[key], after[key]):
            changed[key] = changes
    return CatalogDiff(
        added=tuple(after[key] for key in sorted(after.keys() - before.keys())),
        removed=tuple(before[key] for key in sorted(before.keys() - after.keys())),
        changed=changed,
    )


def changes_of(old: ModelSpec, new: ModelSpec) -> tuple[FieldChange, ...]:
    """Every field in which two states of a model differ."""
    return () if old is new else tuple(_changes(old, new))


def shown(value: Any) -> str:
    """A value for people: on one line, not too long, and a dash for what is not set."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        value = f"[{', '.join(str(each) for each in value)}]"
    text = "".join(each if each.isprintable() else " " for each in str(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 4]} ..."


def _changes(old: ModelSpec, new: ModelSpec) -> Iterator[FieldChange]:
    for name in ModelSpec.model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            parts = (FieldChange(f"{name}.{part}", before.get(part), after.get(part)) for part in {**before, **after})
            yield from (each for each in parts if each.old != each.new)
        else:
            yield FieldChange(name, before, after)
