"""What each part of `adaptive` is worth: the learner with one thing changed at a time, on every trace and scenario.

    python benchmarks/ablate.py [--traces DIR] [--seeds 5] [--only "no alarm"] [--jobs 2]

The changes are made here, from outside, so that the learner carries no switches for things that did not help. Figures are
means over seeds (less noisy than medians) of the per cent of the best single model; a trace is generated if none is there.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from statistics import mean
from typing import Any
from unittest.mock import patch

import numpy as np
from protocol.players import PolicyPlayer
from protocol.scenarios import SCENARIOS, Replay, Scenario
from protocol.traces import TRACES, generate, load
from rich.console import Console
from rich.table import Table

from pointsman.policies import adaptive, candidates
from pointsman.policies.posterior import Posterior
from pointsman.policies.watch import Watch
from pointsman.replay.traces import Trace

Change = tuple[object, str, Any]


def no_context(request: object) -> list[float]:
    del request
    return [1.0]


def never(watch: Watch, residual: float) -> float:
    del watch, residual
    return 0.0


def calibrated(posterior: Posterior) -> None:
    """`refresh` with one more effect that all arms share: how far the catalogue's differences are true."""
    size, ridge = posterior.size, posterior.ridge
    residual = posterior.scores - posterior.priors[:, None] * posterior.sums
    own = (posterior.spread @ residual[:, :, None])[:, :, 0]
    apart = np.zeros(len(posterior.priors))
    if len(apart) > 1:
        apart[1:] = posterior.priors[1:] - posterior.priors[1:].mean()
    seen = -(ridge[:, None] * posterior.spread * ridge)
    seen[:, range(size), range(size)] += ridge
    information = np.zeros((size + 1, size + 1))
    information[:size, :size] = seen.sum(axis=0)
    information[size, :size] = information[:size, size] = apart @ seen[:, :, 0]
    information[size, size] = (apart * apart) @ seen[:, 0, 0] + 0.3
    information[range(size), range(size)] += posterior.difficulty_ridge
    weighted = ridge * own
    shared = np.linalg.solve(information, np.append(weighted.sum(axis=0), apart @ weighted[:, 0]))
    expected = np.tile(shared[:size], (len(apart), 1))
    expected[:, 0] += shared[size] * apart
    posterior.effect = own + (posterior.spread @ (ridge * expected)[:, :, None])[:, :, 0]


def option(**given: Any) -> list[Change]:
    return [
        (
            adaptive.AdaptivePolicy.__init__,
            "__kwdefaults__",
            {**adaptive.AdaptivePolicy.__init__.__kwdefaults__, **given},
        )
    ]


VARIANTS: dict[str, list[Change]] = {
    "as it is": [],
    "no context": [(adaptive, "features_of", no_context)],
    "no shared difficulty": [(adaptive, "_DIFFICULTY_RIDGE", (1e6, 1e6))],
    "vague difficulty (1, 1)": [(adaptive, "_DIFFICULTY_RIDGE", (1.0, 1.0))],
    "vague features of difficulty (8, 1)": [(adaptive, "_DIFFICULTY_RIDGE", (8.0, 1.0))],
    "firm difficulty (8, 8)": [(adaptive, "_DIFFICULTY_RIDGE", (8.0, 8.0))],
    "no alarm": [(Watch, "see", never)],
    "no nursery": option(nursery=0),
    "nursery of 10": option(nursery=10),
    "no curiosity": [(candidates, "_CURIOSITY", 0.0)],
    "exploration 0.05": option(exploration=0.05),
    "exploration 0.2": option(exploration=0.2),
    "no floor": option(floor=0.0),
    "exploring as much when few are scored": [(candidates, "_UNSCORED", 0.0)],
    "priors hardly trusted (ridge 5)": [(adaptive, "_RIDGE", (5.0, 50.0))],
    "priors trusted more (ridge 40)": [(adaptive, "_RIDGE", (40.0, 50.0))],
    "features trusted sooner (ridge 15)": [(adaptive, "_RIDGE", (15.0, 15.0))],
    "catalogue's scale learnt too": [(Posterior, "refresh", calibrated)],
}


@lru_cache(maxsize=1)
def traces(folder: Path) -> list[Trace]:
    found = load(folder)
    return found if found[0].name == "generated" else [*found, generate()]


def play(job: tuple[Path, int, Scenario, str, int]) -> float:
    folder, trace, scenario, variant, seed = job
    with ExitStack() as stack:
        for owner, name, value in VARIANTS[variant]:
            stack.enter_context(patch.object(owner, name, value))
        replay = Replay(traces(folder)[trace], scenario, seed)
        return replay.run(PolicyPlayer(replay.told, "adaptive")).of_best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=TRACES, help="a folder with NAME.models.csv and so on")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", action="append", help="play just these variants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    console = Console(width=130)
    with ProcessPoolExecutor(given.jobs) as pool:

        def played(trace: int, scenario: Scenario, variant: str) -> float:
            jobs = [(given.traces, trace, scenario, variant, seed) for seed in range(given.seeds)]
            return mean(pool.map(play, jobs))

        for number, trace in enumerate(traces(given.traces)):
            table = Table("variant", title=f"{trace.name}, {given.seeds} seeds", title_justify="left")
            for scenario in SCENARIOS:
                table.add_column(scenario.name, justify="right")
            table.add_column("mean", justify="right")
            for variant in given.only or VARIANTS:
                row = [played(number, scenario, variant) for scenario in SCENARIOS]
                table.add_row(variant, *(f"{each:.1f}" for each in row), f"{mean(row):.1f}")
            console.print(table)


if __name__ == "__main__":
    main()
