"""What a hit costs, level by level, beside the caches of LiteLLM and LangChain, in one run; and what must never happen.

A hit here means everything: hashing the request, finding the entry, checking it, decoding it. The peers' rows hash (or
take as it is) the same prompt and return their entry. Times are CPU time, the best of many rounds in which the rows take
turns: what else the machine does hardly shows. Compare the ratios, not the numbers of different machines. Redis's row
waits for a server on loopback, so it is wall-clock time and only there if `redis-server` is installed.

Below the table: how often identical requests at the same time reach the model, and whether keys of two tenants meet.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from langchain_core.caches import InMemoryCache
from langchain_core.outputs import Generation
from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, ModelSpec, Request, Router
from pointsman.cache import ModelCache
from pointsman.langchain import PointsmanCache
from pointsman.litellm import litellm_cache
from pointsman.testing import ServedModel, serve

PROMPT = "Explain in a few sentences why the sky is blue and the sunset red. " * 12
ANSWER = "Light of short wavelengths is scattered more by small particles. " * 15
MESSAGES = [{"role": "user", "content": PROMPT}]
# Microseconds, as promised.
MOST = {"memory": 60.0, "sqlite": 400.0}
CALL: dict[str, Any] = {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0}


def warmed(cache: ModelCache) -> Callable[[], Any]:
    """A router's answer to a prompt, from a cache in which it is."""
    registry = ModelRegistry()
    registry.register_model(
        ModelSpec(name="m", provider="custom"), implementation=lambda prompt: ANSWER if prompt else ""
    )
    router = Router(registry, "weighted", cache=cache, seed=1)
    assert router.ask(MESSAGES) == ANSWER
    assert router.reply(Request(messages=MESSAGES)).model == "custom:m"
    before = cache.get_statistics().hits
    assert router.ask(MESSAGES) == ANSWER
    assert cache.get_statistics().hits == before + 1
    return lambda: router.ask(Request(messages=MESSAGES))


def litellm_hit(cache: litellm.Cache) -> Callable[[], Any]:
    """What `litellm.completion` does for a hit, without the rest of it."""
    message = {"role": "assistant", "content": ANSWER}
    cache.add_cache(litellm.ModelResponse(choices=[{"message": message, "finish_reason": "stop"}]), **CALL)
    assert cache.get_cache(**CALL) is not None
    return lambda: cache.get_cache(**CALL)


def langchain_hit(cache: Any) -> Callable[[], Any]:
    cache.update(PROMPT, "model", [Generation(text=ANSWER)])
    assert cache.lookup(PROMPT, "model")[0].text == ANSWER
    return lambda: cache.lookup(PROMPT, "model")


def measured(rows: dict[str, Callable[[], Any]], rounds: int, timer: Callable[[], int]) -> dict[str, float]:
    """Microseconds per call, the best round of each; the rows take turns."""
    best = dict.fromkeys(rows, float("inf"))
    for _ in range(rounds):
        for name, hit in rows.items():
            started = timer()
            for _ in range(100):
                hit()
            best[name] = min(best[name], (timer() - started) / 100 / 1000)
    return best


@contextlib.contextmanager
def redis_url() -> Iterator[str | None]:
    """A redis-server of our own on loopback, if there is one to start."""
    binary = shutil.which("redis-server")
    if binary is None:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([binary, *options], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if b"eady to accept" in line:
                break
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield f"redis://127.0.0.1:{port}/0?timeout=5"
    finally:
        process.kill()
        process.wait()


def once(count: int) -> tuple[int, int]:
    """How many calls reach a model when threads, and tasks, ask it the same at the same time."""
    with serve([ServedModel("m")], seed=1, life_limit=120) as fleet:
        spec = ModelSpec(name="m", provider="openai", api_base=fleet["m"].url, context_window=100_000)
        router = Router(ModelRegistry([spec]), "weighted", cache="memory", seed=1)
        router.ask("warm up")
        before = fleet["m"].calls
        threads = [threading.Thread(target=router.ask, args=("by threads",)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        by_threads = fleet["m"].calls - before

        async def tasks() -> None:
            await asyncio.gather(*(router.aask("by tasks") for _ in range(count)))

        before = fleet["m"].calls
        asyncio.run(tasks())
        return by_threads, fleet["m"].calls - before


def collisions(count: int) -> int:
    """How many of so many keys of two tenants, who ask the same, meet."""
    cache = ModelCache()
    keys = {cache.key("text", "v", tenant, {"messages": at}) for at in range(count // 2) for tenant in ("a", "b")}
    return count // 2 * 2 - len(keys)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--keys", type=int, default=1_000_000)
    options = parser.parse_args()
    console = Console()
    failed = []
    with tempfile.TemporaryDirectory() as folder, redis_url() as redis:
        file = f"sqlite:///{Path(folder) / 'cache.db'}"
        rows = {
            "memory": warmed(ModelCache()),
            "sqlite": warmed(ModelCache(file)),
            "memory, compressed": warmed(_compressing()),
            "LiteLLM, its memory": litellm_hit(litellm.Cache(type="local")),
            "LiteLLM, ours in memory": litellm_hit(litellm_cache()),
            "LangChain, its memory": langchain_hit(InMemoryCache()),
            "LangChain, ours in memory": langchain_hit(PointsmanCache()),
        }
        times = measured(rows, options.rounds, time.process_time_ns)
        if redis is not None:
            times |= measured({"redis": warmed(ModelCache(redis))}, max(options.rounds // 10, 1), time.perf_counter_ns)
    table = Table(title=f"A hit: prompt of {len(PROMPT)} characters, answer of {len(ANSWER)}")
    table.add_column("cache")
    table.add_column("microseconds", justify="right")
    table.add_column("times LiteLLM's memory", justify="right")
    table.add_column("at most", justify="right")
    for name, microseconds in times.items():
        most = MOST.get(name)
        ratio = microseconds / times["LiteLLM, its memory"]
        table.add_row(name, f"{microseconds:.1f}", f"{ratio:.2f}", "" if most is None else f"{most:.0f}")
        if most is not None and microseconds > most:
            failed.append(f"{name}: {microseconds:.1f} microseconds")
    console.print(table)
    by_threads, by_tasks = once(100)
    met = collisions(options.keys)
    console.print(f"100 identical requests at once make {by_threads} call by threads, {by_tasks} by tasks")
    console.print(f"{options.keys:,} keys of two tenants: {met} meet")
    if (by_threads, by_tasks) != (1, 1):
        failed.append("single flight")
    if met:
        failed.append("keys meet")
    for each in failed:
        console.print(f"[red]missed: {each}")
    return 1 if failed else 0


def _compressing() -> ModelCache:
    from pointsman.cache import CacheSettings

    return ModelCache(settings=CacheSettings(compress_above=0))


if __name__ == "__main__":
    sys.exit(main())
