"""HTML for the report: tables, figures and numbers for people; everything that goes in is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

_LONGEST = 160


class Markup(NamedTuple):
    """Text that is HTML already."""

    html: str


Cell = Markup | str | int | float | None


def text(value: object) -> str:
    """A value as text of a bounded length, escaped."""
    plain = str(value)
    return escape(plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}...")


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Sequence[str] = ()) -> str:
    """A table whose first column names its rows; on a phone each row is a card."""
    head = "".join(f'<th scope="col"{_side(each, numbers)}>{escape(each)}</th>' for each in headings)
    body = []
    for row in rows:
        cells = [f'<th scope="row">{_cell(row[0])}</th>']
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            cells.append(f'<td data-name="{escape(heading)}"{_side(heading, numbers)}>{_cell(cell)}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="cards">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def figures(pairs: Iterable[tuple[str, str]]) -> str:
    """The few numbers to read first."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="figures">{cells}</dl>'


def figure(title: str, drawing: str, note: str = "") -> str:
    """A chart under its title."""
    below = f"<figcaption>{escape(note)}</figcaption>" if note else ""
    return f"<figure><h3>{escape(title)}</h3>{drawing}{below}</figure>"


def paragraph(words: str, kind: str = "") -> str:
    """A sentence or two."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(words)}</p>"


def count(value: float) -> str:
    """A whole number.

    >>> count(12345.0)
    '12,345'
    """
    return f"{value:,.0f}"


def usd(value: float | None) -> str:
    """An amount of money, with as many places as it needs.

    >>> usd(12.3), usd(0.00042), usd(0.0)
    ('$12.30', '$0.00042', '$0')
    """
    if value is None:
        return "\N{EN DASH}"
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if abs(value) >= 1 else f"${value:.2g}" if abs(value) >= 1e-4 else f"${value:.6f}"


def seconds(value: float | None) -> str:
    """A duration.

    >>> seconds(0.0421), seconds(2.5)
    ('42 ms', '2.50 s')
    """
    if value is None:
        return "\N{EN DASH}"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def percent(part: float, whole: float) -> str:
    """A share.

    >>> percent(1, 8)
    '12.5 %'
    """
    return f"{part / whole * 100:.1f} %" if whole else "\N{EN DASH}"


def moment(at: float | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time, in UTC."""
    if at is None:
        return "\N{EN DASH}"
    try:
        return datetime.fromtimestamp(at, UTC).strftime(form)
    except (OverflowError, ValueError, OSError):
        return "?"


def _side(heading: str, numbers: Sequence[str]) -> str:
    return ' class="n"' if heading in numbers else ""


def _cell(value: Cell) -> str:
    if isinstance(value, Markup):
        return value.html
    if value is None:
        return "&ndash;"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else text(value)
