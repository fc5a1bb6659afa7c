"""The whole page: figures, charts, models, failures, learning, other policies, and decisions to open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pointsman.registry.models import ModelRegistry
from pointsman.report.charts import bars, legend, lines, share_bar
from pointsman.report.comparing import comparison
from pointsman.report.findings import Findings, gather, number
from pointsman.report.markup import (
    Cell,
    Markup,
    count,
    figure,
    figures,
    moment,
    paragraph,
    percent,
    seconds,
    table,
    text,
    usd,
)
from pointsman.report.opening import opened
from pointsman.report.style import CSS, SCRIPT, policy
from pointsman.report.sums import Timeline
from pointsman.stores.base import Store

OTHERS = "others"
_SERIES = 6
_MODELS_SHOWN = 50
_SECTIONS = (
    ("models", "Who served what"),
    ("time", "Answers, cost and latency over time"),
    ("failures", "Failures and breakers"),
    ("learning", "Learning"),
    ("policies", "Other policies on the same log"),
    ("decisions", "Decisions"),
)


def page_of(store: Store, *, name: str, decisions: int = 100, registry: ModelRegistry | None = None) -> str:
    """Make the page of a ledger.

    Args:
        store: where the ledger is.
        name: how the page calls it.
        decisions: how many can be opened.
        registry: the models as they are now; else those that the store keeps.

    Raises:
        StoreError: E4301.
    """
    found = gather(store, opened=decisions)
    bodies = {
        "models": _models(found),
        "time": _time(found),
        "failures": _failures(found),
        "learning": _learning(found),
        "policies": comparison(store, found.decisions, registry),
        "decisions": _decisions(found),
    }
    sections = "".join(
        f'<section aria-labelledby="{key}"><h2 id="{key}">{title}</h2>{bodies[key]}</section>'
        for key, title in _SECTIONS
    )
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title in _SECTIONS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>pointsman: {text(name)}</title><style>{CSS}</style></head><body>"
        f'<a class="skip" href="#models">To the content</a><header><h1>{text(name)}</h1>{_summary(found)}'
        f'<nav aria-label="Sections">{links}</nav></header><main>{sections}</main>'
        f"<footer>{paragraph('All times are UTC. Prompts and answers are never written down.', 'soft')}</footer>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _summary(found: Findings) -> str:
    sums = found.models.values()
    answered, failed = sum(each.answered for each in sums), sum(each.faults.total() for each in sums)
    scored = sum(each.scored for each in sums)
    score = f"{sum(each.score for each in sums) / scored:.3f}" if scored else "\N{EN DASH}"
    span = f"{moment(found.first, '%Y-%m-%d %H:%M')} to {moment(found.last, '%Y-%m-%d %H:%M')} UTC"
    pairs = (
        ("decisions", count(found.decisions)),
        ("answers", count(answered)),
        ("failed attempts", percent(failed, found.attempts)),
        ("cost", usd(sum(each.cost for each in sums))),
        ("median latency", seconds(found.latency.quantile(0.5))),
        ("mean score", score),
        ("explored", percent(found.explored, found.decisions)),
    )
    policies = ", ".join(name for name, _ in found.policies.most_common(5))
    told = f"{span}, policy {policies}" if found.decisions else "The ledger holds no decision yet."
    lost = f" {found.unreadable:,} rows could not be read." if found.unreadable else ""
    return paragraph(told + lost, "soft") + figures(pairs)


def _models(found: Findings) -> str:
    busiest = sorted(found.models.items(), key=lambda item: (-item[1].answered, -item[1].chosen, item[0]))
    total = sum(each.answered for each in found.models.values())
    headings = ("model", "share", "answers", "first choice", "failed", "p50", "p95", "first token", "cost", "score")
    rows: list[Sequence[Cell]] = []
    for key, each in busiest[:_MODELS_SHOWN]:
        bar = Markup(f"{share_bar(each.answered / total if total else 0.0)} {percent(each.answered, total)}")
        rows.append(
            (
                *(key, bar, each.answered, each.chosen, each.faults.total()),
                *(seconds(each.seconds.quantile(0.5)), seconds(each.seconds.quantile(0.95))),
                *(seconds(each.ttft.quantile(0.5)), usd(each.cost if each.billed else None)),
                f"{each.score / each.scored:.3f} ({each.scored:,})" if each.scored else None,
            )
        )
    more = len(busiest) - _MODELS_SHOWN
    note = paragraph(f"And {more:,} models more.", "soft") if more > 0 else ""
    shown = table("Models by answers", headings, rows, numbers=headings[2:])
    return shown + note


def _time(found: Findings) -> str:
    top = _top(found.answers)
    labels, answers = _over_time(found.answers, top)
    drawn = bars("Answers over time, per model", labels, answers) + legend(list(answers))
    charts = figure("Answers", drawn, _slots(found.answers))
    labels, costs = _over_time(found.costs, top)
    drawn = bars("Cost over time, per model", labels, costs, sign="$") + legend(list(costs))
    charts += figure("Cost", drawn, _slots(found.costs))
    labels, sums = _over_time(found.seconds, top)
    _, timed = _over_time(found.timed, top)
    means = {
        name: [total / timed[name][at] if timed[name][at] else None for at, total in enumerate(values)]
        for name, values in sums.items()
    }
    drawn = lines("Mean latency over time, per model", labels, means, unit="s") + legend(list(means))
    charts += figure("Mean latency", drawn, _slots(found.seconds))
    if found.failures:
        labels, failures = _over_time(found.failures, _top(found.failures))
        drawn = bars("Failed attempts over time, per class", labels, failures) + legend(list(failures))
        charts += figure("Failed attempts", drawn, _slots(found.failures))
    return f'<div class="charts">{charts}</div>'


def _failures(found: Findings) -> str:
    totals: Counter[str] = Counter()
    rows: list[Sequence[Cell]] = []
    for key, each in sorted(found.models.items(), key=lambda item: -item[1].faults.total()):
        totals.update(each.faults)
        if each.faults and len(rows) < _MODELS_SHOWN:
            kinds = ", ".join(f"{kind} {number:,}" for kind, number in each.faults.most_common(6))
            tried = each.answered + each.cached + each.faults.total()
            rows.append((key, each.faults.total(), percent(each.faults.total(), tried), kinds))
    parts = [paragraph("No attempt has failed.")]
    if rows:
        headings = ("model", "failed", "of attempts", "classes")
        parts = [table("Failed attempts by model", headings, rows, numbers=headings[1:3])]
    if found.health:
        changes = [
            (
                str(row.get("model")),
                moment(number(row, "at")),
                f"{row.get('old')} \N{RIGHTWARDS ARROW} {row.get('new')}",
            )
            for row in reversed(found.health)
        ]
        caption = "The latest changes of health: unhealthy means that the breaker is open"
        parts.append(f"<h3>Health</h3>{table(caption, ('model', 'when', 'change'), changes)}")
    else:
        parts.append(paragraph("No model fell ill.", "soft"))
    return "".join(parts)


def _learning(found: Findings) -> str:
    points = found.scores.points()
    labels, series = _over_time(found.answers, _top(found.answers))
    totals = [sum(values[at] for values in series.values()) for at in range(len(labels))]
    shares = {
        name: [value / totals[at] * 100 if totals[at] else None for at, value in enumerate(values)]
        for name, values in series.items()
    }
    drawn = lines("Share of answers over time, per model", labels, shares, unit="%", top=100.0) + legend(list(shares))
    charts = figure("Who it turned to", drawn, "Share of the answers, per model.")
    if len(points) > 1:
        curve = {"mean of each step": [mean for _, mean in points], "mean so far": found.scores.so_far()}
        drawing = lines("Learning curve: mean score", [f"{until:,}" for until, _ in points], curve, top=1.0)
        charts = figure("Learning curve", drawing + legend(list(curve)), "Along the scored answers.") + charts
        return f'<div class="charts">{charts}</div>'
    return paragraph("No answers are scored yet, so there is no curve.") + f'<div class="charts">{charts}</div>'


def _decisions(found: Findings) -> str:
    if not found.opened:
        return paragraph("There is nothing to open yet.")
    told = f"{len(found.opened):,} of {found.decisions:,}: the latest, and the latest that did not go well at once."
    tools = (
        '<div class="tools" hidden><label>Filter by model, outcome, id'
        '<input id="filter" type="search" autocomplete="off"></label>'
        '<button id="open" type="button" aria-pressed="false">Open all</button>'
        '<span id="shown" class="soft" role="status"></span></div>'
    )
    return paragraph(told, "soft") + tools + "".join(map(opened, found.opened))


def _top(timeline: Timeline) -> list[str]:
    totals: Counter[str] = Counter()
    for _, row in timeline:
        totals.update({name: int(value * 1e6) for name, value in row.items()})
    return [name for name, _ in totals.most_common(_SERIES)]


def _over_time(timeline: Timeline, top: Iterable[str]) -> tuple[list[str], dict[str, list[float]]]:
    """Labels of the slots, and per series a value for each; what is not at the top is one series."""
    slots = list(timeline)
    names = [*top]
    form = "%Y-%m-%d" if timeline.width >= 86_400 else "%m-%d %H:%M" if timeline.width >= 60 else "%H:%M:%S"
    series = {name: [row.get(name, 0.0) for _, row in slots] for name in names}
    rest = [sum(value for name, value in row.items() if name not in series) for _, row in slots]
    if any(rest):
        series[OTHERS] = rest
    return [moment(at, form) for at, _ in slots], series


def _slots(timeline: Timeline) -> str:
    width = timeline.width
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if width >= size:
            number_of = width // size
            return f"Per {word}." if number_of == 1 else f"Per {number_of} {word}s."
    return ""
