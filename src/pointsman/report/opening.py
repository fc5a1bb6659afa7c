"""One decision opened: why this model, why not the others, and what became of it, from the ledger's rows alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pointsman.report.charts import share_bar
from pointsman.report.findings import OpenedDecision, Row, number
from pointsman.report.markup import Cell, Markup, count, moment, paragraph, seconds, table, text, usd

_MOST = 64


def opened(decision: OpenedDecision) -> str:
    """A decision that opens to its explanation."""
    row = decision.row
    outcome, kind = _outcome(decision.attempts)
    model = str(row.get("model"))
    words = " ".join([decision.id, model, outcome, str(row.get("pool") or ""), str(row.get("policy"))]).lower()
    return (
        f'<details class="one" id="{text(decision.id)}" data-words="{text(words)}"><summary>'
        f'<span class="soft">{moment(number(row, "at"))}</span><b>{text(model)}</b>'
        f'<span class="{kind}">{text(outcome)}</span></summary><div>{"".join(_body(decision))}</div></details>'
    )


def _outcome(attempts: Iterable[Row]) -> tuple[str, str]:
    attempts = list(attempts)
    if not attempts:
        return "no attempt known", "soft"
    last = attempts[-1]
    if last.get("fault") is not None:
        return f"failed: {last['fault']}", "bad"
    if last.get("cached"):
        return "from the cache", "good"
    failed = sum(each.get("fault") is not None for each in attempts)
    return (f"answered by {last.get('model')} after {failed} failed", "good") if failed else ("answered", "good")


def _body(decision: OpenedDecision) -> Iterable[str]:
    row = decision.row
    yield paragraph(_sentence(row))
    yield "<h3>Why</h3>"
    yield table("Who could serve, and with what probability", ("model", "probability", ""), _candidates(row))
    yield "<h3>Why not the others</h3>"
    yield from _why_not(row)
    yield "<h3>What became of it</h3>"
    yield _attempts(decision.attempts)
    if decision.score is not None:
        source = decision.score.get("source")
        yield paragraph(f"Scored {decision.score.get('score')}{f' by {source}' if source else ''}.")
    yield f'<p class="soft">decision {text(decision.id)}, registry {text(row.get("registry"))}</p>'


def _sentence(row: Row) -> str:
    override = row.get("override")
    bent = "" if override in (None, "none") else f", bent by {str(override).replace('_', ' ')}"
    asked = f"{row['pool']!s} was asked for" if row.get("pool") else "Any model was asked for"
    needs = row.get("needs")
    needing = f", able to do {', '.join(map(str, needs))}" if isinstance(needs, list) and needs else ""
    bound = number(row, "input_bound")
    room = "" if bound is None else f"; the prompt had at most {count(bound)} tokens"
    drawn = number(row, "probability")
    chance = "" if drawn is None else f" with probability {drawn:.3f}"
    return f"{asked}{needing}{room}. {row.get('policy')} drew {row.get('model')}{chance}{bent}."


def _candidates(row: Row) -> Iterable[tuple[Cell, ...]]:
    shares: Any = row.get("probabilities")
    known = shares if isinstance(shares, dict) else {}
    order = sorted(known, key=lambda key: -(number(known, key) or 0.0))
    for key in order[:_MOST]:
        share = number(known, key) or 0.0
        drawn = " (drawn)" if key == row.get("model") else ""
        yield f"{key}{drawn}", f"{share:.3f}", Markup(share_bar(share))


def _why_not(row: Row) -> Iterable[str]:
    excluded, behind = row.get("excluded"), row.get("behind")
    lines: list[tuple[Cell, ...]] = []
    if isinstance(behind, list):
        lines += [(str(key), "not well: tried last") for key in behind[:_MOST]]
    if isinstance(excluded, dict):
        lines += [(str(key), str(why)) for key, why in list(excluded.items())[:_MOST]]
    if lines:
        yield table("Who could not, or not first", ("model", "reason"), lines)
    total = number(row, "excluded_count")
    if total is None:
        yield paragraph("The row does not say; it was written by an earlier version.", "soft")
    elif not lines and not total:
        yield paragraph("Every registered model could serve.", "soft")
    elif total and not excluded:
        yield paragraph(f"{count(total)} more could not serve; reasons are kept where they are few.", "soft")


def _attempts(attempts: Iterable[Row]) -> str:
    lines: list[tuple[Cell, ...]] = []
    for each in attempts:
        status = number(each, "status")
        fault = each.get("fault")
        found = "answered" if fault is None else f"{fault}{'' if status is None else f' ({status:.0f})'}"
        tokens = [number(each, name) for name in ("input_tokens", "output_tokens")]
        told = " + ".join("?" if value is None else count(value) for value in tokens)
        lines.append((str(each.get("model")), found, seconds(number(each, "seconds")), told, usd(number(each, "cost"))))
    if not lines:
        return paragraph("No attempt was told to the router.", "soft")
    return table("Attempts, in order", ("model", "outcome", "time", "tokens", "cost"), lines)
