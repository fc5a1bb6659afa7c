"""Charts as inline SVG, drawn by hand: bars stacked over time, and lines. Sizes suit a phone; colours come from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 480.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 8.0, 12.0, 26.0
_INNER_WIDTH, _INNER_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_TICKS = 4

Series = Mapping[str, Sequence[float | None]]


def bars(title: str, labels: Sequence[str], series: Series, *, sign: str = "") -> str:
    """Bars, one per label, the series stacked in their order."""
    heights = [sum(values[at] or 0.0 for values in series.values()) for at in range(len(labels))]
    top = _nice(max(heights, default=0.0))
    width = _INNER_WIDTH / max(len(labels), 1)
    gap = min(2.0, width * 0.2)
    shapes = []
    for at, label in enumerate(labels):
        base = _TOP + _INNER_HEIGHT
        for number, (name, values) in enumerate(series.items()):
            value = values[at] or 0.0
            height = value / top * _INNER_HEIGHT
            if height <= 0:
                continue
            base -= height
            told = f"{label}: {name} {sign}{_short(value)}"
            shapes.append(
                f'<rect class="s{number}" x="{_LEFT + at * width:.1f}" y="{base:.2f}" width="{width - gap:.2f}" '
                f'height="{height:.2f}"><title>{escape(told)}</title></rect>'
            )
    return _frame(title, labels, top, shapes, sign=sign)


def lines(title: str, labels: Sequence[str], series: Series, *, unit: str = "", top: float | None = None) -> str:
    """Lines over the labels; where a series has no value its line has a gap."""
    highest = max((value for values in series.values() for value in values if value is not None), default=0.0)
    top = _nice(highest) if top is None else top
    step = _INNER_WIDTH / max(len(labels) - 1, 1)
    shapes = []
    for number, values in enumerate(series.values()):
        runs: list[list[str]] = [[]]
        for at, value in enumerate(values):
            if value is None:
                runs.append([])
                continue
            x, y = _LEFT + at * step, _TOP + _INNER_HEIGHT * (1 - value / top)
            runs[-1].append(f"{x:.1f},{y:.1f}")
        for run in runs:
            if len(run) > 1:
                shapes.append(f'<polyline class="s{number}" points="{" ".join(run)}"/>')
            elif run:
                left, _, height = run[0].partition(",")
                shapes.append(f'<circle class="s{number}" cx="{left}" cy="{height}" r="2.5"/>')
    return _frame(title, labels, top, shapes, unit=unit)


def share_bar(share: float) -> str:
    """A small bar for a table's cell."""
    width = min(max(share, 0.0), 1.0) * 100
    return (
        f'<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{width:.1f}" height="8"/></svg>'
    )


def legend(names: Sequence[str]) -> str:
    """Which colour is whose."""
    entries = "".join(
        f'<li><i class="s{at}" aria-hidden="true"></i>{escape(name)}</li>' for at, name in enumerate(names)
    )
    return f'<ul class="legend">{entries}</ul>'


def _frame(
    title: str, labels: Sequence[str], top: float, shapes: Sequence[str], *, sign: str = "", unit: str = ""
) -> str:
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(title)}">']
    for tick in range(_TICKS + 1):
        y = _TOP + _INNER_HEIGHT * (1 - tick / _TICKS)
        parts.append(f'<line x1="{_LEFT:.0f}" x2="{_WIDTH - _RIGHT:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 6:.0f}" y="{y + 4.5:.1f}" text-anchor="end">{sign}{_short(top * tick / _TICKS)}{unit}</text>'
        )
    parts += shapes
    if labels:
        y = _HEIGHT - 7
        parts.append(f'<text x="{_LEFT:.0f}" y="{y:.0f}">{escape(labels[0])}</text>')
        if len(labels) > 1:
            parts.append(f'<text x="{_WIDTH - _RIGHT:.0f}" y="{y:.0f}" text-anchor="end">{escape(labels[-1])}</text>')
    return "".join([*parts, "</svg>"])


def _nice(highest: float) -> float:
    """A round number that is not below the highest value.

    >>> _nice(0.0), _nice(7.3), _nice(0.021)
    (1.0, 8.0, 0.04)
    """
    if highest <= 0:
        return 1.0
    power = 10.0 ** (len(f"{int(highest)}") - 1) if highest >= 1 else 1.0
    while power > highest:
        power /= 10
    return next(round(power * each, 12) for each in (1, 2, 4, 8, 10) if power * each >= highest)


def _short(value: float) -> str:
    """A number of few characters.

    >>> _short(0), _short(1500), _short(2_000_000), _short(0.00012), _short(0.5)
    ('0', '1.5k', '2M', '0.00012', '0.5')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}" if value >= 1e-4 or value == 0 else f"{value:.1g}"
