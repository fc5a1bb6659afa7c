"""One replica as a process of its own: takes orders as JSON lines on its standard input, answers each with one line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

import httpx

from pointsman import ModelRegistry, ModelSpec, Router
from pointsman.limits.buckets import Take
from pointsman.limits.redis_buckets import RedisBuckets
from pointsman.limits.settings import BudgetSettings
from pointsman.stores.redis_link import RedisLink
from pointsman.types import SystemClock


class Replica:
    """A router over served models, and the orders it follows."""

    def __init__(self, catalogue: list[dict[str, Any]], url: str) -> None:
        self.url = url
        self.clock = SystemClock()
        self.router = Router(ModelRegistry(ModelSpec(**entry) for entry in catalogue), "priority", url)
        self.router.flush()

    async def ask(self, calls: int, deadline: float, quota: int | None = None) -> dict[str, Any]:
        """Make so many calls at once, within a quota per day; which models answered, and what was lost."""
        router = self.router
        if quota is not None:
            budget = BudgetSettings.model_validate({"total": {"requests": quota, "period": "day"}})
            router = Router(router.registry, "priority", self.url, budget=budget)
        async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as client:

            async def call(attempt: Any) -> Any:
                body = {"model": attempt.spec.name, "messages": [{"role": "user", "content": "hi"}]}
                response = await client.post(f"{attempt.spec.api_base}/chat/completions", json=body)
                response.raise_for_status()
                return response.json()

            async def one() -> str:
                decision = router.decide("hi")
                return (await router.aexecute(decision, call, deadline=deadline)).spec.name

            done = await asyncio.gather(*(one() for _ in range(calls)), return_exceptions=True)
        lost = [type(each).__name__ for each in done if isinstance(each, BaseException)]
        return {"served": Counter(each for each in done if isinstance(each, str)), "lost": lost}

    async def wait_behind(self, model: str) -> dict[str, Any]:
        """Exchange until the others' finding has come here; how long it still holds."""
        while self.router.health(model).available_in <= 0:
            self.router.flush()
            await asyncio.sleep(0.02)
        return {"available_in": self.router.health(model).available_in, "state": self.router.health(model).state}

    async def wait_available(self, model: str) -> dict[str, Any]:
        """Let the time pass for which it is behind."""
        while (wait := self.router.health(model).available_in) > 0:  # noqa: ASYNC110  nobody tells of time that passes
            await asyncio.sleep(wait)
        return {}

    async def take(self, key: str, limit: float, period: float, tries: int) -> dict[str, Any]:
        """Ask the shared limiter so often; how many were admitted, and how many of them without the server."""
        buckets = RedisBuckets(RedisLink(self.url), self.clock, lambda: 8)
        take = [Take(key, 1, limit, period), Take(f"{key}|day", 1, 10 * limit, 86_400.0, "window")]
        waits = [await buckets.atake(take) for _ in range(tries)]
        return {
            "admitted": sum(wait == 0 for wait in waits),
            "alone": buckets.taken_alone,
        }

    async def replicas(self, count: int) -> dict[str, Any]:
        """Exchange until so many processes are known."""
        while self.router.replicas != count:
            self.router.flush()
            await asyncio.sleep(0.02)
        return {"replicas": self.router.replicas}


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def follow(replica: Replica) -> None:
    _say({"ready": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        _say(await getattr(replica, order.pop("do"))(**order))


if __name__ == "__main__":
    asyncio.run(follow(Replica(json.loads(sys.argv[1]), sys.argv[2])))
