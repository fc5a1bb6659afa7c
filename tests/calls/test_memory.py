"""However many requests go through: what is kept is bounded, and no task or thread is left."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from samples import LONG, StatusError, make_spec

from pointsman import AllModelsFailedError, ModelRegistry, Request, Router
from pointsman.learning.ledger import LedgerSettings
from pointsman.testing import FakeClock

ANSWER = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}
ROUNDS = {"weighted": 1_000_000, "ucb": 200_000} if LONG else {"weighted": 12_000, "ucb": 12_000}


def resident_mib() -> float:
    """Memory of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("policy", ["weighted", "ucb"])
def test_memory_keys_and_threads_stay_as_they_were(policy: str, clock: FakeClock) -> None:
    rng = Random(3)
    specs = [make_spec(f"m{at}", provider=f"p{at}", rate_limit_rpm=1_000_000) for at in range(5)]
    router = Router(ModelRegistry(specs), policy, clock=clock, seed=1, ledger=LedgerSettings(keep=1_000))

    def call(attempt: Any) -> Any:
        clock.advance(0.01)
        if rng.random() < 0.1:
            raise StatusError(rng.choice([429, 500, 503]))
        return ANSWER

    def play(rounds: int) -> None:
        for number in range(rounds):
            request = Request(
                messages=f"question {number} {rng.random()}",
                session=f"session {rng.random()}",
                tenant=f"tenant {rng.random()}",
                parameters={"max_tokens": rng.randint(1, 4_000)},
            )
            try:
                router.run(request, call, honours_timeout=True)
            except AllModelsFailedError:
                continue

    threads = threading.active_count()
    rounds = ROUNDS[policy]
    play(rounds // 5)
    before = resident_mib()
    play(rounds)
    grown = resident_mib() - before
    assert threading.active_count() <= threads
    assert grown < 16, f"{grown:.1f} MiB more after {rounds:,} requests"


async def test_no_task_is_left(clock: FakeClock) -> None:
    router = Router(ModelRegistry([make_spec("a"), make_spec("b")]), "weighted", clock=clock, seed=1)
    rng = Random(3)

    async def call(_: Any) -> Any:
        await asyncio.sleep(0)
        if rng.random() < 0.3:
            raise StatusError(500)
        return ANSWER

    before = asyncio.all_tasks()
    for _ in range(20):
        await asyncio.gather(*(router.arun("hello", call) for _ in range(50)), return_exceptions=True)
    assert asyncio.all_tasks() <= before
