"""What other policies would have got on the same log, where the log can say it."""

from __future__ import annotations

from pointsman.errors import PointsmanError
from pointsman.registry.models import ModelRegistry
from pointsman.report.markup import paragraph, table
from pointsman.stores.base import Store

_MOST_DECISIONS = 20_000
_SHOWN = ("policy", "DR", "SNIPS", "gain", "cost", "effective rows", "support")
POLICIES = ("best", "cheapest", "fastest", "round_robin", "weighted")


def comparison(store: Store, decisions: int, registry: ModelRegistry | None) -> str:
    """Estimates with intervals side by side, or sentences that say why there are none."""
    if not decisions:
        return paragraph("There is no decision yet.")
    if decisions > _MOST_DECISIONS:
        told = f"On {decisions:,} decisions this takes minutes; `pointsman replay` does it, for the policies you name."
        return paragraph(told)
    from pointsman.replay import compare  # noqa: PLC0415  numpy is loaded when something is estimated
    from pointsman.replay.results import COLUMNS  # noqa: PLC0415  likewise

    try:
        found = compare(store, POLICIES, registry=registry)
    except PointsmanError as error:
        return paragraph(f"Nothing can be said of other policies: {error.message}.")
    parts = []
    if found.evaluations:
        caption = "Mean score per request with 95 % intervals; DR is the one to read first"
        kept = [COLUMNS.index(name) for name in _SHOWN]
        parts.append(table(caption, _SHOWN, [[cells[at] for at in kept] for cells in found.cells], numbers=_SHOWN[1:]))
    parts += [paragraph(f"Refused: {each.message}.") for each in found.refusals]
    return "".join([*parts, paragraph(f"{found.note}.", "soft")])
