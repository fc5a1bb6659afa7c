"""How well policies learn: two real traces (or a generated one), five scenarios and three budgets, peers in the same run.

    python benchmarks/learn.py [--traces DIR] [--seeds 20] [--only adaptive] [--jobs 2]

Every figure is the median over the seeds of the sum of rewards, in per cent of the best single model in hindsight.
"""

from __future__ import annotations

import os

# Many small matrices: threads only get in each other's way. LiteLLM must not fetch its price map.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from statistics import mean, median

from protocol.players import players
from protocol.scenarios import BUDGETS, SCENARIOS, Replay, Result, Scenario
from protocol.traces import TRACES, load
from rich.console import Console
from rich.table import Table

from pointsman.replay.traces import Trace

Results = Callable[[Scenario, str], list[Result]]


@lru_cache(maxsize=1)
def traces(folder: Path) -> list[Trace]:
    return load(folder)


def play(job: tuple[Path, int, Scenario, str, int]) -> Result:
    folder, trace, scenario, player, seed = job
    replay = Replay(traces(folder)[trace], scenario, seed)
    return replay.run(players()[player](replay.told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=TRACES, help="a folder with NAME.models.csv and so on")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", action="append", help="play just these policies")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    chosen = given.only or list(players())
    console = Console(width=130)
    with ProcessPoolExecutor(given.jobs) as pool:
        for number, trace in enumerate(traces(given.traces)):

            def results(scenario: Scenario, player: str, number: int = number) -> list[Result]:
                jobs = [(given.traces, number, scenario, player, seed) for seed in range(given.seeds)]
                return list(pool.map(play, jobs))

            size = f"{len(trace.prompts):,} prompts, {len(trace.models)} models, {given.seeds} seeds"
            console.print(learning_table(f"{trace.name}: {size}", chosen, results))
            if "adaptive" in chosen:
                console.print(budget_table(trace.name, results))


def learning_table(title: str, chosen: list[str], results: Results) -> Table:
    table = Table("% of the best single model", title=title, title_justify="left")
    for scenario in SCENARIOS:
        table.add_column(scenario.name, justify="right")
    table.add_column("static, worst seed", justify="right")
    table.add_column("static, % of oracle", justify="right")
    known = players()
    for player in chosen:
        if known[player] is None:
            table.add_row(player, "not installed")
            continue
        row = [results(scenario, player) for scenario in SCENARIOS]
        medians = [f"{median(each.of_best for each in cell):.1f}" for cell in row]
        worst = f"{min(each.of_best for each in row[0]):.1f}"
        table.add_row(player, *medians, worst, f"{median(each.of_oracle for each in row[0]):.1f}")
    return table


def budget_table(title: str, results: Results) -> Table:
    table = Table("adaptive, held to", title=f"{title}: budgets", title_justify="left")
    for column in ("% of the best single model", "overspend %, mean", "worst seed"):
        table.add_column(column, justify="right")
    for scenario in BUDGETS:
        cell = results(scenario, "adaptive")
        over = [each.overspend or 0.0 for each in cell]
        table.add_row(
            scenario.name,
            f"{median(each.of_best for each in cell):.1f}",
            f"{mean(over):+.2f}",
            f"{max(over):+.2f}",
        )
    return table


if __name__ == "__main__":
    main()
