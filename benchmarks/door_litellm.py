"""What pointsman costs, or saves, inside `litellm.Router`: CPU per call and per selection against simple-shuffle.

Both routers are measured in turns within one process, so the ratios hold on a busy machine. The answers are LiteLLM's
`mock_response`; everything else of `Router.acompletion` runs. Run: `python benchmarks/door_litellm.py [--calls N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from pointsman.litellm import install

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]


def model_list(deployments: int) -> list[dict[str, Any]]:
    return [
        {
            "model_name": "chat",
            "litellm_params": {
                "model": "openai/gpt-4o-mini",
                "api_key": "none",
                "api_base": f"http://127.0.0.1:{port}",
            },
            "model_info": {"id": f"deployment-{port}"},
        }
        for port in range(1, deployments + 1)
    ]


def complete(router: litellm.Router) -> Callable[[], Awaitable[Any]]:
    return lambda: router.acompletion(model="chat", messages=MESSAGES, mock_response="Paris.")


def select(router: litellm.Router) -> Callable[[], Awaitable[Any]]:
    return lambda: router.async_get_available_deployment(model="chat", messages=MESSAGES, request_kwargs={})


async def compare(run: Callable[[litellm.Router], Callable[[], Awaitable[Any]]], deployments: int, calls: int) -> None:
    plain, routed = (
        litellm.Router(model_list=model_list(deployments)),
        litellm.Router(model_list=model_list(deployments)),
    )
    strategy = install(routed)
    spent: dict[str, list[float]] = {"plain": [], "routed": []}
    try:
        for router in (plain, routed):
            await measure(run(router), 20)  # warm
        rounds = 9
        for _ in range(rounds):
            for name, router in (("plain", plain), ("routed", routed)):
                if name == "plain":
                    strategy.listener.uninstall()  # LiteLLM's callbacks are global; plain calls must not pay for ours
                else:
                    strategy.listener.install()
                spent[name].append(await measure(run(router), max(calls // rounds, 1)))
    finally:
        strategy.uninstall()
    ratio = statistics.median(b / a for a, b in zip(spent["plain"], spent["routed"], strict=True))
    before, after = (statistics.median(spent[name]) * 1e6 for name in ("plain", "routed"))
    print(f"{run.__name__:10} {deployments:6,} deployments   {before:9,.0f} us   {after:9,.0f} us   {ratio:6.2f}")


async def measure(call: Callable[[], Awaitable[Any]], calls: int) -> float:
    """CPU seconds of this process per call, what LiteLLM does after the answers included."""
    started = time.process_time()
    for _ in range(calls):
        await call()
    await settle()
    return (time.process_time() - started) / calls


async def settle() -> None:
    """Wait for the work that LiteLLM puts off."""
    with contextlib.suppress(ImportError, AttributeError):
        from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

        await GLOBAL_LOGGING_WORKER.flush()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=450)
    calls = parser.parse_args().calls
    logging.getLogger("LiteLLM Router").setLevel(logging.CRITICAL)
    print(f"{'':32}{'simple-shuffle':>14}   {'pointsman':>10}   {'ratio':>6}")
    for deployments in (10, 1_000):
        await compare(complete, deployments, calls)
        await compare(select, deployments, calls * 4)


if __name__ == "__main__":
    asyncio.run(main())
