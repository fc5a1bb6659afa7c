"""Where tables are printed: as wide as the terminal, or as wide as they need to be in a pipe."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table

_WIDTH_OF_A_PIPE = 240


def console() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def table(*, numbers: tuple[str, ...] = (), columns: tuple[str, ...]) -> Table:
    """Make an empty table; columns of numbers stand to the right."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return made
