"""Where tables are printed: as wide as the terminal, or as wide as they need to be in a pipe."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table

_WIDTH_OF_A_PIPE = 240


def console() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def table(*, numbers: tuple[str, ...] = (), columns: tuple[str, ...]) -> Table:
    """Make an empty table; columns of numbers stand to the right, and only the last column gives way."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    for name in columns:
        side: JustifyMethod = "right" if name in numbers else "left"
        made.add_column(name, justify=side, no_wrap=name != columns[-1], overflow="fold")
    return made
