"""Four processes that share a store, against one process with the same total traffic: what learning apart costs.

    python benchmarks/shared.py [--traces DIR] [--seeds 5] [--processes 4] [--rate 40]

Real processes over one SQLite file, real routers; only time is made: the traffic comes at `--rate` requests a second, and
nobody runs ahead into the next second. Each process serves its share of the prompts, scores what it served, and learns
what the others have scored with the exchange of each second.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

from protocol.scenarios import Replay, Scenario
from protocol.traces import TRACES, load
from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.replay.traces import specs_of
from pointsman.testing import FakeClock

_WAIT_AT_MOST, _DONE_WITHIN = 120.0, 600.0


def serve(job: dict[str, Any], barrier: Any, told: Any) -> None:
    """Serve every so-manieth prompt of a replay; tell the rewards' sum and the per cent that the best model earned."""
    trace = load(job["traces"])[job["trace"]]
    replay = Replay(trace, Scenario("static"), job["seed"])
    registry = ModelRegistry(specs_of(trace))
    clock = FakeClock()
    column = {f"trace:{name}": at for at, name in enumerate(trace.models)}
    seed = job["seed"] * 100 + job["number"]
    router = Router(registry, "adaptive", job["store"], clock=clock, seed=seed)
    total, second = 0.0, 0
    for step, prompt in enumerate(replay.order.tolist()):
        if step // job["rate"] > second:
            second += 1
            barrier.wait(_WAIT_AT_MOST)
        if step % job["processes"] != job["number"]:
            continue
        clock.advance(job["processes"] / job["rate"])
        tokens = trace.prompt_tokens[prompt]
        decision = router.decide(Request(messages=trace.prompts[prompt], input_tokens=tokens))
        model = column[decision.model]
        written, cost = int(trace.output_tokens[prompt, model]), float(trace.costs[prompt, model])
        router.observe(decision, Outcome(input_tokens=tokens, output_tokens=written, seconds=1.0, cost=cost))
        router.feedback(decision.id, float(replay.scores[prompt, model]))
        total += float(replay.rewards[prompt, model])
    router.close()
    told.put((total, float(replay.rewards.sum(axis=0).max())))


def play(given: argparse.Namespace, trace: int, seed: int, processes: int) -> float:
    """Per cent of the best single model that so many processes earned together."""
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(processes), context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        job = {"traces": given.traces, "trace": trace, "seed": seed, "processes": processes, "rate": given.rate}
        job["store"] = f"sqlite:///{folder}/shared.db"
        running = [
            context.Process(target=serve, args=({**job, "number": number}, barrier, told))
            for number in range(processes)
        ]
        for each in running:
            each.start()
        try:
            shares = [told.get(timeout=_DONE_WITHIN) for _ in running]
        finally:
            for each in running:
                each.join(_WAIT_AT_MOST)
                each.kill()
    return 100.0 * sum(reward for reward, _ in shares) / shares[0][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=TRACES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--rate", type=int, default=40, help="requests a second, all processes together")
    given = parser.parse_args()
    table = Table("trace", "one process", f"{given.processes} processes", "difference, %")
    for number, trace in enumerate(load(given.traces)):
        alone, together = (
            mean(play(given, number, seed, processes) for seed in range(given.seeds))
            for processes in (1, given.processes)
        )
        table.add_row(trace.name, f"{alone:.2f}", f"{together:.2f}", f"{100.0 * (together / alone - 1.0):+.2f}")
    title = f"% of the best single model, mean of {given.seeds} seeds, {given.rate} requests a second"
    table.title = title
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
