"""The scorecard: what pointsman, LiteLLM's Router and LangChain's fallbacks do when things break, in one run.

Everything is real but the models, which are servers on loopback that fail on demand. `python benchmarks/chaos.py` plays
every row with every contender; name rows by a part of their title (`--row poison`) and contenders (`--only LiteLLM`) to
play some. It ends with 1 if pointsman's Python or LangChain door misses a goal.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time

from rich.console import Console
from rich.table import Table
from scorecard.contenders import CONTENDERS
from scorecard.loopback import ROWS
from scorecard.rows import Figure, Maker, Row

# Seconds a contender may take for a row; some wait longer between attempts than anybody would.
PATIENCE = 180.0
PROMISED = ("pointsman", "pointsman, LangChain")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", default=[], help="a part of a row's title")
    parser.add_argument("--only", action="append", default=[], help="a part of a contender's name")
    options = parser.parse_args()
    for name in ("LiteLLM Router", "LiteLLM", "LiteLLM Proxy", "asyncio", "httpx", "pointsman"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    rows = [row for row in ROWS if not options.row or any(part in row.title for part in options.row)]
    chosen = {
        name: maker for name, maker in CONTENDERS.items() if not options.only or any(p in name for p in options.only)
    }
    table = Table(title="what happened, and the goal", show_lines=True)
    for heading in ("scenario", "goal", *chosen):
        table.add_column(heading, overflow="fold")
    missed = []
    for row in rows:
        cells = []
        for name, maker in chosen.items():
            if row.ours_only and not name.startswith("pointsman"):
                cells.append("-")
                continue
            started = time.perf_counter()
            figure = asyncio.run(_played(row, maker))
            print(f"{row.title} | {name}: {figure.text} [{time.perf_counter() - started:.0f} s]", flush=True)
            cells.append(_cell(figure))
            if figure.met is False and name in PROMISED:
                missed.append(f"{row.title}: {name}: {figure.text}")
        table.add_row(row.title, row.goal, *cells)
    Console(width=60 + 22 * len(chosen)).print(table)
    for line in missed:
        print(f"missed: {line}")
    return bool(missed)


async def _played(row: Row, maker: Maker) -> Figure:
    try:
        return await asyncio.wait_for(row.run(maker), PATIENCE)
    except TimeoutError:
        return Figure(f"over {PATIENCE:.0f} s", met=False)


def _cell(figure: Figure) -> str:
    colour = {True: "green", False: "red", None: "white"}[figure.met]
    return f"[{colour}]{figure.text}[/{colour}]"


if __name__ == "__main__":
    sys.exit(main())
