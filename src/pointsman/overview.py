"""A registry at a glance: its totals, its names, and a table for notebooks."""

from __future__ import annotations

from itertools import islice
from typing import Any

from pointsman.html import table
from pointsman.snapshot import Snapshot

_ROWS_SHOWN = 50


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
