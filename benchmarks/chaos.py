"""The scorecard: what pointsman, LiteLLM's Router and LangChain's fallbacks do when things break, in one run.

Everything is real but the models, which are servers on loopback that fail on demand. `python benchmarks/chaos.py` plays
every row with every contender; name rows by a part of their title (`--row poison`) and contenders (`--only LiteLLM`) to
play some. `--long` plays the rows that are tests with all their rounds. It ends with 1 if pointsman's Python or LangChain
door misses a goal.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import sys
import time
import warnings
from importlib.metadata import version

from rich.console import Console
from rich.table import Table
from scorecard.contenders import CONTENDERS
from scorecard.loopback import QUESTION, TWO, fleet_of
from scorecard.rows import Figure, Limits, Maker, Row, ask
from scorecard.table import ROWS

# Seconds a contender may take for a row; some wait longer between attempts than anybody would.
PATIENCE = 300.0
LONGEST = 3_600.0
PROMISED = ("pointsman", "pointsman, LangChain")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", default=[], help="a part of a row's title")
    parser.add_argument("--only", action="append", default=[], help="a part of a contender's name")
    parser.add_argument("--long", action="store_true", help="100 kills, a million requests: some 15 minutes more")
    options = parser.parse_args()
    if options.long:
        os.environ["POINTSMAN_LONG"] = "1"
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")  # LiteLLM's, when it is cancelled
    for name in ("LiteLLM Router", "LiteLLM", "LiteLLM Proxy", "asyncio", "httpx", "pointsman"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    rows = [row for row in ROWS if not options.row or any(part in row.title for part in options.row)]
    chosen = {
        name: maker for name, maker in CONTENDERS.items() if not options.only or any(p in name for p in options.only)
    }
    began = time.perf_counter()
    for maker in chosen.values():
        asyncio.run(_warmed(maker))
    table = Table(title="what happened, and the goal", caption=_setting(), show_lines=True)
    for heading in ("scenario", "goal", *chosen):
        table.add_column(heading, overflow="fold")
    missed = []
    for row in rows:
        cells = []
        for name, maker in chosen.items():
            if row.once and name != next(iter(CONTENDERS)):
                cells.append("-")
                continue
            started = time.perf_counter()
            figure = asyncio.run(_played(row, maker, LONGEST if options.long and row.once else PATIENCE))
            print(f"{row.title} | {name}: {figure.text} [{time.perf_counter() - started:.0f} s]", flush=True)
            cells.append(_cell(figure))
            if figure.met is False and name in PROMISED:
                missed.append(f"{row.title}: {name}: {figure.text}")
        table.add_row(row.title, row.goal, *cells)
    Console(width=60 + 22 * len(chosen)).print(table)
    for line in missed:
        print(f"missed: {line}")
    print(f"{'missed' if missed else 'met'} by pointsman's Python and LangChain doors, in {_minutes(began)} minutes")
    return bool(missed)


async def _played(row: Row, maker: Maker, patience: float) -> Figure:
    try:
        return await asyncio.wait_for(row.run(maker), patience)
    except TimeoutError:
        return Figure(f"over {patience:.0f} s", met=False)


async def _warmed(maker: Maker) -> None:
    """Ask once in each way: what is imported at the first call is nobody's failure to answer in time."""
    with fleet_of(TWO) as fleet:
        contender = maker(fleet, Limits(timeout=60.0), TWO)
        for streamed in (False, True):
            answer = await ask(contender, QUESTION, streamed=streamed)
            if answer.lost:
                raise RuntimeError(f"{type(contender).__name__} does not answer while all is well") from answer.error
        await contender.close()


def _setting() -> str:
    """Who was compared, where."""
    packages = ("pointsman", "litellm", "langchain-core", "langchain-openai")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{versions}; Python {platform.python_version()}, {os.cpu_count()} cores"


def _minutes(began: float) -> str:
    return f"{(time.perf_counter() - began) / 60:.1f}"


def _cell(figure: Figure) -> str:
    colour = {True: "green", False: "red", None: "white"}[figure.met]
    return f"[{colour}]{figure.text}[/{colour}]"


if __name__ == "__main__":
    sys.exit(main())
