"""Decision time at 10 to 10,000 models, beside LiteLLM's own selection in the same run.

`all` means every model can serve; `10` means ten of them can (the request needs a capability that only they have).
Times are medians of repeated batches, in microseconds; compare the ratios, not the numbers of different machines.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import time
from collections.abc import Callable
from random import Random

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# Small matrices: threads only get in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, ModelSpec, Outcome, Request, Router
from pointsman.features import KeptFeatures
from pointsman.policies import Context, policy_names

SIZES = (10, 100, 1_000, 10_000)
MOST_LEARNT = 100
QUESTION = (
    "A train leaves Rome at 9:40 and travels 300 km at 75 km/h; another leaves Milan at 10:10 and goes 25 % faster. When do "
    "they meet, and how far from Rome? Explain each step of your calculation, and give the answer as a single number. "
) * 3
LONG_PROMPT = "All work and no play makes Jack a dull boy. " * 9_000  # about 100,000 tokens


def microseconds(action: Callable[[], object], *, batches: int = 15, seconds: float = 0.02) -> float:
    """Median over batches of the mean time per call: of this thread, so that what else the machine does counts less."""
    action()
    started = time.thread_time()
    action()
    per_batch = max(1, int(seconds / max(time.thread_time() - started, 1e-7)))
    means = []
    for _ in range(batches):
        started = time.thread_time()
        for _ in range(per_batch):
            action()
        means.append((time.thread_time() - started) / per_batch)
    return statistics.median(means) * 1e6


def registry_of(size: int) -> ModelRegistry:
    every = max(size // 10, 1)
    return ModelRegistry(
        ModelSpec(
            name=f"m{number}",
            provider="openai",
            capabilities=["generation.text.chat", "tools", *(["vision"] if number % every == 0 else [])],
            context_window=128_000,
            max_output_tokens=4_096,
            cost_per_1m_input_tokens=0.1 + number % 7,
            cost_per_1m_output_tokens=0.4 + number % 11,
            weight=1 + number % 3,
        )
        for number in range(size)
    )


def litellm_selection(size: int) -> Callable[[], object]:
    """LiteLLM's simple-shuffle over one group of so many deployments."""
    import litellm

    litellm.suppress_debug_info = True
    logging.getLogger("LiteLLM Router").setLevel(logging.ERROR)
    router = litellm.Router(
        model_list=[
            {
                "model_name": "group",
                "litellm_params": {"model": "openai/gpt-4o-mini", "api_key": "none", "weight": 1 + number % 3},
                "model_info": {"id": f"m{number}"},
            }
            for number in range(size)
        ]
    )
    messages = [{"role": "user", "content": "hello"}]
    return lambda: router.get_available_deployment(model="group", messages=messages, request_kwargs={})


def rated(size: int) -> ModelRegistry:
    """As `registry_of`, with catalogue qualities from 0.5 to 0.8."""
    specs = registry_of(size).list_models()
    return ModelRegistry(
        spec.model_copy(update={"quality": {"general": 0.5 + 0.3 * (at * 7 % size) / size}})
        for at, spec in enumerate(specs)
    )


def adaptive_times(size: int, scores: int) -> list[float]:
    """The learner after so many scores: a decision, its core (no features, no router), all a request costs."""
    router, chance = Router(rated(size), "adaptive", seed=1), Random(2)
    asked = Request(messages=QUESTION)
    answered = Outcome(input_tokens=200, output_tokens=100, seconds=1.0)

    def serve() -> None:
        decision = router.decide(asked)
        router.observe(decision, answered)
        router.feedback(decision.id, float(chance.random() < 0.5 + (decision.spec.mean_quality or 0.0) / 3.0))

    for _ in range(scores):
        serve()
    decision = router.decide(asked)
    # Features that are taken as they are cost next to nothing, and leave everything else as it is.
    known = Request(messages=QUESTION, features=KeptFeatures(decision.memo))

    def core() -> object:
        return router.policy.probabilities(decision.arms, Context(known, input_tokens=200))

    def outcome() -> None:
        router.observe(router.decide(asked), answered)

    return [microseconds(lambda: router.decide(asked)), *(microseconds(each) for each in (core, outcome, serve))]


def adaptive_table(sizes: list[int]) -> Table:
    table = Table(title="adaptive, microseconds (median)")
    for heading in ("models", "scores so far", "decide", "its core", "decide, outcome", "decide, outcome, score"):
        table.add_column(heading, justify="right")
    for size in sizes:
        for scores in (0, 1_000):
            times = adaptive_times(size, scores)
            table.add_row(f"{size:,}", f"{scores:,}", *(f"{each:,.1f}" for each in times))
    return table


def policies_table(sizes: list[int]) -> Table:
    """Every policy, where every model can serve and has a price and a quality of its own."""
    table = Table(title="one decision among all of them, microseconds (median)")
    table.add_column("policy")
    for size in sizes:
        table.add_column(f"{size:,} models", justify="right")
    registries = [rated(size) for size in sizes]
    asked = Request(messages=[{"role": "user", "content": "hello"}])
    policies: dict[str, str | dict[str, object]] = {name: name for name in policy_names()}
    # Nobody has been judged, so nobody can be ruled out: as dear as it gets.
    policies["adaptive, no nursery"] = {"name": "adaptive", "nursery": 0}
    for name, policy in policies.items():
        times = []
        for registry in registries:
            router = Router(registry, policy, seed=1)
            times.append(microseconds(lambda: router.decide(asked)))  # noqa: B023  used before the loop goes on
        table.add_row(name, *(f"{each:,.1f}" for each in times))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--without-litellm", action="store_true")
    options = parser.parse_args()
    prompt = [{"role": "user", "content": "hello"}]
    everybody, ten = Request(messages=prompt), Request(messages=prompt, needs={"vision"})
    table = Table(title="one decision, microseconds (median)")
    for heading in (
        "models",
        "weighted, all",
        "weighted, 10",
        "cheapest, 10",
        "ucb, 10",
        "litellm shuffle",
        "litellm / weighted, all",
    ):
        table.add_column(heading, justify="right")
    for size in options.sizes:
        registry = registry_of(size)
        weighted = Router(registry, "weighted", seed=1)
        times = [
            microseconds(lambda: weighted.decide(everybody)),  # noqa: B023  used before the loop goes on
            microseconds(lambda: weighted.decide(ten)),  # noqa: B023
            *(
                microseconds(lambda: router.decide(ten))  # noqa: B023
                for router in (Router(registry, "cheapest"), Router(registry, "ucb"))
            ),
        ]
        peer = None if options.without_litellm else microseconds(litellm_selection(size), batches=5)
        shown = ["-", "-"] if peer is None else [f"{peer:,.1f}", f"{peer / times[0]:,.1f} x"]
        table.add_row(f"{size:,}", *(f"{each:,.1f}" for each in times), *shown)
    Console(width=140).print(table)
    Console(width=140).print(policies_table(options.sizes))
    Console(width=140).print(adaptive_table([size for size in options.sizes if size <= MOST_LEARNT]))
    router = Router(ModelRegistry([ModelSpec(name="wide", provider="openai", context_window=1_000_000)]), "weighted")
    long = Request(messages=[{"role": "user", "content": LONG_PROMPT}])
    short_time, long_time = microseconds(lambda: router.decide(everybody)), microseconds(lambda: router.decide(long))
    print(
        f"a prompt of {len(LONG_PROMPT):,} bytes whose size the bytes decide: {long_time:.1f} us, a short one: {short_time:.1f}"
    )


if __name__ == "__main__":
    main()
