"""Hostile catalogues by the thousand: what comes of them, how long the slowest takes and how much memory the largest.

Every bomb of the tests' corpus at 1 MiB, then random inputs of up to 1 MiB: odd values in real places, damaged
catalogues, soups of tokens, noise, bombs in disguise. Each goes the whole way from text to a registry and settings.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from catalog.bombs import BOMBS, MIB, Input
from catalog.random_inputs import random_inputs
from catalog.reading import GOAL_SECONDS, MOST_MEMORY, Reading, measure

SHOWN = 12


def bombs(size: int) -> Iterator[tuple[str, Input]]:
    return ((name, make(size)) for name, make in BOMBS.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="random inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=MIB, help="bytes of a bomb, and of the largest random input")
    parser.add_argument("--memory-every", type=int, default=10, help="watch the memory of every so many random inputs")
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    results: list[tuple[str, int, Reading]] = []
    started = time.perf_counter()
    inputs = chain(bombs(options.size), random_inputs(options.count, options.seed, options.size))
    for number, (name, data) in enumerate(inputs):
        is_json = name.startswith("json")
        try:
            reading = measure(data, memory=False, is_json=is_json)
            if number < len(BOMBS) or number % options.memory_every == 0:
                peak = measure(data, memory=True, is_json=is_json).peak
                reading = Reading(reading.outcome, reading.seconds, peak)
        except Exception as error:  # noqa: BLE001  finding these is what this is for
            reading = Reading(f"!! {type(error).__name__}", 0.0)
            print(f"{name}: {type(error).__name__}: {str(error)[:200]}")
        outcomes[reading.outcome] += 1
        results.append((name, len(data), reading))
    table = Table(title=f"the slowest of {len(results):,} hostile inputs (goals: 200 ms, 64 MiB)")
    for heading in ("input", "length", "outcome", "CPU ms", "peak MiB"):
        table.add_column(heading, justify="left" if heading in ("input", "outcome") else "right")
    for name, length, reading in sorted(results, key=lambda each: -each[2].seconds)[:SHOWN]:
        peak = f"{reading.peak / MIB:.1f}" if reading.peak else "-"
        table.add_row(name, f"{length:,}", reading.outcome, f"{reading.seconds * 1e3:.1f}", peak)
    Console(width=120).print(table)
    slow = sum(reading.seconds > GOAL_SECONDS for _, _, reading in results)
    large = max(reading.peak for _, _, reading in results)
    print(", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common()))
    print(
        f"over 200 ms: {slow}; largest peak: {large / MIB:.1f} MiB; "
        f"all of it took {time.perf_counter() - started:.0f} s"
    )
    sys.exit(any(outcome.startswith("!!") for outcome in outcomes) or large > MOST_MEMORY)


if __name__ == "__main__":
    main()
