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

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, ModelSpec, Request, Router

SIZES = (10, 100, 1_000, 10_000)
LONG_PROMPT = "All work and no play makes Jack a dull boy. " * 9_000  # about 100,000 tokens


def microseconds(action: Callable[[], object], *, batches: int = 15, seconds: float = 0.02) -> float:
    """Median over batches of the mean time per call."""
    action()
    started = time.perf_counter()
    action()
    per_batch = max(1, int(seconds / max(time.perf_counter() - started, 1e-7)))
    means = []
    for _ in range(batches):
        started = time.perf_counter()
        for _ in range(per_batch):
            action()
        means.append((time.perf_counter() - started) / per_batch)
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
    router = Router(ModelRegistry([ModelSpec(name="wide", provider="openai", context_window=1_000_000)]), "weighted")
    long = Request(messages=[{"role": "user", "content": LONG_PROMPT}])
    short_time, long_time = microseconds(lambda: router.decide(everybody)), microseconds(lambda: router.decide(long))
    print(
        f"a prompt of {len(LONG_PROMPT):,} bytes whose size the bytes decide: {long_time:.1f} us, a short one: {short_time:.1f}"
    )


if __name__ == "__main__":
    main()
