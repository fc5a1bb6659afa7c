"""What telemetry adds to `decide`: off, metrics on, metrics and spans on, in the same run.

Short rounds of the three alternate, in an order that rotates, so that a machine that slows down slows all of them; a ratio
is the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, ModelSpec, Request, Router
from pointsman.telemetry.otel import SpanListener
from pointsman.telemetry.prometheus import PrometheusListener

PROMPT = Request(messages=[{"role": "user", "content": "hello"}])
KINDS = ("off", "metrics", "metrics and spans")


def router_of(policy: str, size: int, kind: str) -> Router:
    registry = ModelRegistry(
        ModelSpec(
            name=f"m{number}",
            provider="openai",
            capabilities=["generation.text.chat"],
            context_window=128_000,
            cost_per_1m_input_tokens=0.1 + number % 7,
            cost_per_1m_output_tokens=0.4 + number % 11,
            weight=1 + number % 3,
        )
        for number in range(size)
    )
    router = Router(registry, policy, seed=1)
    if kind != "off":
        PrometheusListener(router, CollectorRegistry())
    if kind == "metrics and spans":
        router.listen(SpanListener())
    return router


def seconds_of(router: Router, decisions: int) -> float:
    started = time.perf_counter()
    for _ in range(decisions):
        router.decide(PROMPT)
    return (time.perf_counter() - started) / decisions


def measured(policy: str, size: int, *, rounds: int, decisions: int) -> dict[str, list[float]]:
    """Seconds of a decision per kind and round."""
    routers = {kind: router_of(policy, size, kind) for kind in KINDS}
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        for at in range(len(KINDS)):
            kind = KINDS[(number + at) % len(KINDS)]
            taken = seconds_of(routers[kind], decisions)
            if number:  # the first round warms up
                times[kind].append(taken)
    return times


def ratio_of(times: dict[str, list[float]], kind: str) -> float:
    return statistics.median(on / off for on, off in zip(times[kind], times["off"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=151)
    parser.add_argument("--decisions", type=int, default=256)
    options = parser.parse_args()
    table = Table(title="one decision, microseconds (median); goal: at most 1.10 x")
    for heading in ("policy", "models", *KINDS, "metrics / off", "both / off"):
        table.add_column(heading, justify="right")
    for policy, size in (("weighted", 10), ("weighted", 1_000), ("cheapest", 10), ("adaptive", 10)):
        times = measured(policy, size, rounds=options.rounds, decisions=options.decisions)
        shown = [f"{statistics.median(times[kind]) * 1e6:.1f}" for kind in KINDS]
        table.add_row(policy, f"{size:,}", *shown, *(f"{ratio_of(times, kind):.3f} x" for kind in KINDS[1:]))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
