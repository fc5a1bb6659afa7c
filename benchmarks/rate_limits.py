"""What counting ahead costs: taking room, being refused, and a whole call with and without limits, beside others.

Peers: the check that `usage-based-routing-v2` of LiteLLM's Router makes before each call, LangChain's rate limiter, and
the packages `limits` and `aiolimiter` where they are installed. `passed` is how many of 4 threads with 1,000 requests
each pass a limit of 1,000. Times are medians of repeated batches; compare the ratios.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
sys.path.insert(0, str(Path(__file__).parent))

from decide import microseconds
from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, ModelSpec, Request, Router
from pointsman.limits.buckets import Take
from pointsman.limits.memory import MemoryBuckets
from pointsman.limits.settings import BudgetSettings, LimitSettings
from pointsman.types import SystemClock

PLENTY = 10**9
LIMIT = 1_000
# A peer's check of one request: makes one for a limit.
Checks = Callable[[int], Callable[[], bool]]


def ours(limit: int) -> Callable[[], bool]:
    buckets = MemoryBuckets(SystemClock())
    takes = (Take("rpm|openai:m", 1, limit, 60.0),)
    return lambda: buckets.take(takes) <= 0


def ours_of_four(limit: int) -> Callable[[], bool]:
    buckets = MemoryBuckets(SystemClock())
    takes = (
        Take("rpm|openai:m", 1, limit, 60.0),
        Take("tpm|openai:m", 1, limit, 60.0),
        Take("usd|tenant|acme|86400", 1, limit, 86_400.0, "window"),
        Take("usd|total|86400", 1, limit, 86_400.0, "window"),
    )
    return lambda: buckets.take(takes) <= 0


def litellm_v2(limit: int) -> Callable[[], bool]:
    import litellm
    from litellm.caching.caching import DualCache
    from litellm.router_strategy.lowest_tpm_rpm_v2 import LowestTPMLoggingHandler_v2

    async def make() -> Any:  # it starts a task for Redis where a loop runs
        return LowestTPMLoggingHandler_v2(router_cache=DualCache())

    handler = asyncio.run(make())
    deployment = {"model_info": {"id": "m"}, "litellm_params": {"model": "openai/m", "rpm": limit}}

    def check() -> bool:
        try:
            handler.pre_call_check(deployment)
        except litellm.RateLimitError:
            return False
        return True

    return check


def langchain(limit: int) -> Callable[[], bool]:
    from langchain_core.rate_limiters import InMemoryRateLimiter

    limiter = InMemoryRateLimiter(requests_per_second=limit / 60, max_bucket_size=limit)
    return lambda: limiter.acquire(blocking=False)


def limits_fixed(limit: int) -> Callable[[], bool]:
    import limits

    limiter = limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
    item = limits.RateLimitItemPerMinute(limit)
    return lambda: limiter.hit(item, "m")


def aiolimiter(limit: int) -> Callable[[], bool]:
    from aiolimiter import AsyncLimiter

    loop = asyncio.new_event_loop()
    limiter = AsyncLimiter(limit, 60)
    loop.run_until_complete(limiter.acquire())

    def check() -> bool:
        # Driven by hand: what `acquire` does when there is room never waits.
        with contextlib.suppress(StopIteration):
            limiter.acquire().send(None)
            return False
        return True

    return check


PEERS: tuple[tuple[str, Checks], ...] = (
    ("pointsman", ours),
    ("pointsman, 2 rates + 2 budgets", ours_of_four),
    ("LiteLLM usage-based-routing-v2", litellm_v2),
    ("LangChain InMemoryRateLimiter", langchain),  # which starts empty
    ("limits (fixed window)", limits_fixed),
    ("aiolimiter", aiolimiter),
)


def passed(check: Callable[[], bool]) -> int:
    counts: list[int] = []

    def work() -> None:
        counts.append(sum(check() for _ in range(LIMIT)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def checks_table() -> Table:
    table = Table("one rate, unless said", "take, µs", "ratio", "refusal, µs", "passed")
    base = microseconds(ours(PLENTY))
    for name, make in PEERS:
        try:
            check = make(PLENTY)
        except ImportError as error:
            table.add_row(name, f"not installed ({error.name})", "", "", "")
            continue
        granted = microseconds(check)
        tight = make(1)
        tight()
        refused = "waits" if name.startswith("aiolimiter") else f"{microseconds(tight):.2f}"
        count = "one thread" if name.startswith("aiolimiter") else f"{passed(make(LIMIT)):,}"
        table.add_row(name, f"{granted:.2f}", f"{granted / base:.1f}", refused, count)
    return table


def calls_table() -> Table:
    """A call that does nothing: what is left is deciding, failover and counting."""
    answer = {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 5},
    }
    limited = {"rate_limit_rpm": PLENTY, "rate_limit_tpm": PLENTY}
    budget = BudgetSettings.model_validate({"tenants": {"*": {"usd": 1e9, "period": "day"}}})
    request = Request(messages="Say something.", tenant="acme", max_output_tokens=100)
    table = Table("router.run of a call that answers at once", "µs", "more than unlimited, µs")
    base = 0.0
    cases: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("nothing limited", {}, {}),
        ("nothing limited, headers not looked for", {}, {"limits": LimitSettings(learn_from_headers=False)}),
        ("rpm and tpm", limited, {}),
        ("rpm, tpm and a tenant's budget", limited, {"budget": budget}),
    )
    for name, fields, options in cases:
        prices = {"cost_per_1m_input_tokens": 1, "cost_per_1m_output_tokens": 4}
        registry = ModelRegistry([ModelSpec(name="m", provider="openai", **prices, **fields)])
        router = Router(registry, "cheapest", seed=1, **options)
        cost = microseconds(
            lambda router=router: router.run(request, lambda _: answer, honours_timeout=True)  # type: ignore[misc]
        )
        base = base or cost
        table.add_row(name, f"{cost:.1f}", f"{cost - base:+.1f}")
    return table


def main() -> None:
    console = Console()
    console.print(checks_table())
    console.print(calls_table())


if __name__ == "__main__":
    main()
