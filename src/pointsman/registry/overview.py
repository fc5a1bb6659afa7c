"""A registry and a router at a glance: totals, names, and tables for people and notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pointsman.html import table
from pointsman.registry.snapshot import Snapshot

_ROWS_SHOWN = 50
_COUNTS = ("attempts", "successes", "scored")


def named(snapshot: Snapshot, kind: str) -> list[str]:
    """Every value of a kind of fact (`provider`, `family`, `cap`) that some model has."""
    prefix = f"{kind}:"
    return sorted(fact.removeprefix(prefix) for fact in snapshot.masks if fact.startswith(prefix))


def stats(snapshot: Snapshot) -> dict[str, Any]:
    """Totals: models, active ones, providers, capabilities, models per provider."""
    providers = named(snapshot, "provider")
    return {
        "total_models": len(snapshot.bits),
        "active_models": snapshot.mask("status:active").bit_count(),
        "providers": len(providers),
        "capabilities": len(named(snapshot, "cap")),
        "provider_breakdown": {each: snapshot.mask(f"provider:{each}").bit_count() for each in providers},
    }


def html(snapshot: Snapshot) -> str:
    """The models as a table, the first fifty of many."""
    headings = ("model", "status", "capabilities", "window", "output", "$/1M in", "$/1M out")
    rows = [
        (
            spec.key,
            spec.status,
            ", ".join(spec.capabilities),
            spec.context_window,
            spec.max_output_tokens,
            spec.cost_per_1m_input_tokens,
            spec.cost_per_1m_output_tokens,
        )
        for _, spec in islice(snapshot.numbered(), _ROWS_SHOWN)
    ]
    more = len(snapshot.bits) - len(rows)
    note = f"version {snapshot.version}" + (f", and {more} more" if more else "")
    return table(f"{len(snapshot.bits)} models", headings, rows, note)


class Statistics(dict[str, Any]):
    """What a router knows of its models: a dict that prints as a table, and shows itself as one in notebooks."""

    @property
    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self._learnt.values() for name in row))

    @property
    def _learnt(self) -> dict[str, dict[str, float]]:
        learnt: dict[str, dict[str, float]] = self["selection_stats"]["model_performance"]
        return learnt

    @property
    def _note(self) -> str:
        return (
            f"{self['selection_stats']['total_attempts']} attempts; {self['healthy_models']} of {self['total_models']} "
            f"models are well; replicas {self['replicas']}; failed writes {self['failed_writes']}"
        )

    def _rows(self) -> Iterator[tuple[object, ...]]:
        for arm, row in self._learnt.items():
            yield arm, *(int(row[name]) if name in _COUNTS else row[name] for name in self._columns)

    def __str__(self) -> str:
        """The arms as a table, the totals above it."""
        lines = [("model", *self._columns)]
        lines += [
            tuple(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row) for row in self._rows()
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self._note, *map(str.rstrip, shown if self._learnt else ())])

    def _repr_html_(self) -> str:
        """The arms as a table, for notebooks."""
        return table("statistics", ("model", *self._columns), self._rows(), self._note)
