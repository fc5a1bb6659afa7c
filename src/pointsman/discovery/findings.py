"""`Discovery`: what servers list that a registry does not know, no longer list, or state differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pointsman.catalog.difference import CatalogDiff, FieldChange, changes_of
from pointsman.catalog.spec import ModelSpec
from pointsman.html import table

# Beyond this factor a price or a window is more likely a mistake, or an attack, than news.
LARGEST_JUMP = 10.0


@dataclass(frozen=True)
class ModelChange:
    """One model as it is registered and as its server states it."""

    old: ModelSpec
    new: ModelSpec

    @property
    def key(self) -> str:
        """`provider:name` of the model."""
        return self.new.key

    @cached_property
    def fields(self) -> tuple[FieldChange, ...]:
        """The facts that differ; where the new ones come from is not one of them."""
        return tuple(each for each in changes_of(self.old, self.new) if not each.field.startswith("evidence"))

    @property
    def jumps(self) -> bool:
        """Whether a price or a window would change by more than ten times, or to or from nothing."""
        return any(_jumps(each) for each in self.fields)

    def __str__(self) -> str:
        return f"{self.key}: {'; '.join(map(str, self.fields))}"


@dataclass(frozen=True)
class Discovery:
    """What asking the servers found; nothing of it is applied until somebody does (`apply`).

    Attributes:
        additions: models that a server lists and the registry does not have.
        removals: registered models that their server does not list; never applied unless named.
        changes: registered models of which the server states something else.
        quarantined: the same, where a price or a window jumps by more than ten times.
        asked: the addresses that answered.
        ignored: entries of lists, and why nothing came of them.
        problems: addresses that could not be asked, and why.
    """

    additions: tuple[ModelSpec, ...] = ()
    removals: tuple[ModelSpec, ...] = ()
    changes: tuple[ModelChange, ...] = ()
    quarantined: tuple[ModelChange, ...] = ()
    asked: tuple[str, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.additions or self.removals or self.changes or self.quarantined)

    @property
    def diff(self) -> CatalogDiff:
        """The difference that applying all of it would make."""
        changed = {change.key: change.fields for change in (*self.changes, *self.quarantined)}
        return CatalogDiff(self.additions, self.removals, dict(sorted(changed.items())))

    @property
    def summary(self) -> str:
        """How much was found, in a few words."""
        return (
            f"{len(self.additions)} new, {len(self.removals)} not listed, {len(self.changes)} changed, "
            f"{len(self.quarantined)} quarantined, {len(self.asked)} servers asked"
        )

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """What was found as rows of a table: what, model or address, detail."""
        yield from (("new", spec.key, "") for spec in self.additions)
        yield from (("not listed", spec.key, "stays registered") for spec in self.removals)
        for kind, changes in (("changed", self.changes), ("quarantined", self.quarantined)):
            yield from ((kind, change.key, "; ".join(map(str, change.fields))) for change in changes)
        yield from (("ignored", name, why) for name, why in self.ignored.items())
        yield from (("problem", where, why) for where, why in self.problems.items())

    def __str__(self) -> str:
        lines = (f"{kind}: {name}{f': {detail}' if detail else ''}" for kind, name, detail in self.rows())
        return "\n".join([self.summary, *lines])

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        found = self.diff.to_dict()
        quarantined = {change.key for change in self.quarantined}
        return {
            "additions": found["added"],
            "removals": [spec.key for spec in self.removals],
            "changes": {key: fields for key, fields in found["changed"].items() if key not in quarantined},
            "quarantined": {key: fields for key, fields in found["changed"].items() if key in quarantined},
            "asked": list(self.asked),
            "ignored": dict(self.ignored),
            "problems": dict(self.problems),
        }

    def _repr_html_(self) -> str:
        """What was found as a table, for notebooks."""
        return table(self.summary, ("what", "model", "detail"), self.rows())


def _jumps(change: FieldChange) -> bool:
    if change.field != "context_window" and "cost_per_1m" not in change.field:
        return False
    if change.old is None or change.new is None or change.old == change.new:
        return False  # what was unknown cannot jump
    smaller, larger = sorted((change.old, change.new))
    return bool(larger > smaller * LARGEST_JUMP)
