"""What the LiteLLM doors cost, and save: CPU per call in the Router and in the Proxy, failover, and the bill.

Peers are measured in turns within one process, and the least of nine rounds counts, so the ratios hold on a busy
machine. Everything is real but the models: LiteLLM's `mock_response`, or servers of `pointsman.testing` on loopback.
Run: `python benchmarks/door_litellm.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import httpx
import litellm
import yaml

from pointsman import ModelRegistry, Router
from pointsman.litellm import install
from pointsman.testing import ModelFleet, ServedModel, serve

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
ROUNDS = 9

Call = Callable[[], Awaitable[Any]]


# -- in the Router


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


def acompletion(router: litellm.Router) -> Call:
    return lambda: router.acompletion(model="chat", messages=MESSAGES, mock_response="Paris.")


def selection(router: litellm.Router) -> Call:
    return lambda: router.async_get_available_deployment(model="chat", messages=MESSAGES, request_kwargs={})


async def compare(run: Callable[[litellm.Router], Call], deployments: int, policy: str, calls: int) -> None:
    plain, routed = (litellm.Router(model_list=model_list(deployments)) for _ in range(2))
    strategy = install(routed, pointsman_router=Router(ModelRegistry(), policy=policy))
    spent: dict[str, list[float]] = {"plain": [], "routed": []}
    try:
        for router in (plain, routed):
            await cpu_per_call(run(router), 20)  # warm
        for _ in range(ROUNDS):
            strategy.listener.uninstall()  # LiteLLM's callbacks are global; plain calls must not pay for ours
            spent["plain"].append(await cpu_per_call(run(plain), max(calls // ROUNDS, 1)))
            strategy.listener.install()
            spent["routed"].append(await cpu_per_call(run(routed), max(calls // ROUNDS, 1)))
    finally:
        strategy.uninstall()
    # The least of the rounds: whatever else the machine does only adds to the others.
    before, after = (min(spent[name]) * 1e6 for name in ("plain", "routed"))
    name = f"{run.__name__}, {deployments:,} deployments, {policy}"
    print(f"{name:46} {before:12,.0f} us {after:10,.0f} us {after / before:7.2f}", flush=True)


async def cpu_per_call(call: Call, calls: int) -> float:
    """CPU seconds of this process per call, what LiteLLM does after the answers included."""
    started = time.process_time()
    for _ in range(calls):
        await call()
    with contextlib.suppress(ImportError, AttributeError):
        from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

        await GLOBAL_LOGGING_WORKER.flush()
    return (time.process_time() - started) / calls


# -- the bill


async def bill(strategy: str, fleet: ModelFleet, calls: int) -> float:
    """USD for so many calls to a group in which the cheaper deployment is as good."""
    entries = fleet.litellm_model_list("chat")
    if strategy.startswith("pointsman"):
        router = litellm.Router(model_list=entries)
        policy = strategy.partition(" ")[2]
        installed = install(router, pointsman_router=Router(ModelRegistry(), policy=policy, seed=7))
    elif strategy == "adaptive_router":
        router, installed = litellm.Router(model_list=adaptively_routed(fleet)), None
    else:
        router, installed = litellm.Router(model_list=entries, routing_strategy=strategy), None
    before = {name: server.calls for name, server in fleet.items()}
    tokens = {"input": 0, "output": 0}
    for number in range(calls):
        text = [{"role": "user", "content": f"What is {number} plus {number}?"}]
        answer = await router.acompletion(model="chat", messages=text)
        tokens["input"], tokens["output"] = answer.usage.prompt_tokens, answer.usage.completion_tokens
        await asyncio.sleep(0)
    if installed is not None:
        installed.uninstall()
    return (
        sum(
            (server.calls - before[name])
            * (tokens["input"] * server.model.input_price_per_1m + tokens["output"] * server.model.output_price_per_1m)
            for name, server in fleet.items()
        )
        / 1e6
    )


def adaptively_routed(fleet: ModelFleet) -> list[dict[str, Any]]:
    """LiteLLM's own learned router over the same deployments, its weights and priors as they come."""
    entries = fleet.litellm_model_list()
    for entry in entries:
        entry["model_info"] = {
            **entry.get("model_info", {}),
            "input_cost_per_token": fleet[entry["model_name"]].model.input_price_per_1m / 1e6,
        }
    config = {"available_models": [entry["model_name"] for entry in entries]}
    params = {"model": "auto_router/adaptive_router", "adaptive_router_config": config}
    return [*entries, {"model_name": "chat", "litellm_params": params}]


async def compare_bills(calls: int) -> None:
    # The names are those of real models, so that LiteLLM's own map knows their prices.
    models = [
        ServedModel("gpt-4o", input_price_per_1m=2.5, output_price_per_1m=10.0, quality=0.9),
        ServedModel("gpt-4o-mini", input_price_per_1m=0.15, output_price_per_1m=0.6, quality=0.9),
    ]
    peers = (
        "simple-shuffle",
        "latency-based-routing",
        "cost-based-routing",
        "adaptive_router",
        "pointsman adaptive",
        "pointsman cheapest",
    )
    with serve(models, seed=7) as fleet:
        costs = {strategy: await bill(strategy, fleet, calls) for strategy in peers}
    print(f"\nthe bill of {calls} calls, both deployments equally good")
    for strategy, cost in costs.items():
        print(f"  {strategy:24} ${cost:.6f} {cost / costs['simple-shuffle']:8.2f} of simple-shuffle's")


# -- in the Proxy


class Proxy:
    """A proxy process, its CPU time, and a client of it."""

    def __init__(self, fleet: ModelFleet, folder: Path, *, plugin: bool) -> None:
        self._key = f"sk-{secrets.token_hex(24)}"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"litellm_settings": {"callbacks": ["pointsman.litellm.proxy_handler"]}} if plugin else {}
        config = {"model_list": fleet.litellm_model_list(), "general_settings": {"master_key": self._key}, **settings}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "pointsman.yaml").write_text("policy: cheapest\npools: {auto: {}}\n")
        command = [str(Path(sys.executable).with_name("litellm")), "--config", "config.yaml"]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(command, cwd=folder, stdout=self._log, stderr=subprocess.STDOUT)
        self._url = f"http://127.0.0.1:{port}"
        self._model = "auto" if plugin else "cheap"
        self._client = httpx.Client(headers={"authorization": f"Bearer {self._key}"}, timeout=60)

    def wait(self) -> None:
        for _ in range(900):
            if self._process.poll() is not None:
                raise RuntimeError("the proxy ended")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self._url}/health/liveliness", timeout=5):  # noqa: S310
                return
            time.sleep(0.1)
        raise RuntimeError("the proxy did not start")

    def ask(self) -> float:
        """Seconds of one answered request."""
        started = time.perf_counter()
        body = {"model": self._model, "messages": MESSAGES}
        self._client.post(f"{self._url}/v1/chat/completions", json=body).raise_for_status()
        return time.perf_counter() - started

    def cpu(self) -> float:
        """CPU seconds the process has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


@contextlib.contextmanager
def proxies(fleet: ModelFleet) -> Iterator[tuple[Proxy, Proxy]]:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        pair = (Proxy(fleet, Path(one), plugin=False), Proxy(fleet, Path(other), plugin=True))
        try:
            for proxy in pair:
                proxy.wait()
            yield pair
        finally:
            for proxy in pair:
                proxy.stop()


def compare_proxies(calls: int) -> None:
    models = [
        ServedModel("cheap", input_price_per_1m=0.1, output_price_per_1m=0.1),
        ServedModel("good", input_price_per_1m=5.0, output_price_per_1m=9.0),
    ]
    with serve(models, seed=7) as fleet, proxies(fleet) as (plain, routed):
        for proxy in (plain, routed):
            for _ in range(30):
                proxy.ask()  # warm
        spent: dict[Proxy, list[float]] = {plain: [], routed: []}
        for _ in range(ROUNDS):
            for proxy in (plain, routed):
                before = proxy.cpu()
                for _ in range(max(calls // ROUNDS, 1)):
                    proxy.ask()
                spent[proxy].append((proxy.cpu() - before) / max(calls // ROUNDS, 1))
        before, after = (sum(spent[proxy]) / ROUNDS * 1e6 for proxy in (plain, routed))
        print(f"{'CPU of the proxy per request':46} {before:12,.0f} us {after:10,.0f} us {after / before:7.2f}")
        healthy, failing = [], []
        for _ in range(max(calls // 4, 10)):
            fleet.heal()
            healthy.append(routed.ask())
            fleet["cheap"].fail("bad_request")  # says nothing of the model's health, so it stays first in the plan
            failing.append(routed.ask())
        added = (statistics.median(failing) - statistics.median(healthy)) * 1e3
        print(f"{'failover in the proxy adds, at the median':46} {'':15} {added:10.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=450)
    parser.add_argument("--no-proxy", action="store_true", help="leave out what needs proxy processes")
    arguments = parser.parse_args()
    for name in ("LiteLLM Router", "LiteLLM", "asyncio"):  # LiteLLM leaves its HTTP sessions to the garbage collector
        logging.getLogger(name).setLevel(logging.CRITICAL)
    print(f"{'':46} {'LiteLLM':>15} {'pointsman':>13} {'ratio':>7}")

    async def in_the_router() -> None:
        for policy in ("weighted", "adaptive"):
            for deployments in (10, 1_000):
                await compare(acompletion, deployments, policy, arguments.calls)
                await compare(selection, deployments, policy, arguments.calls * 4)

    asyncio.run(in_the_router())
    if not arguments.no_proxy:
        compare_proxies(arguments.calls)
    asyncio.run(compare_bills(arguments.calls // 3))


if __name__ == "__main__":
    main()
