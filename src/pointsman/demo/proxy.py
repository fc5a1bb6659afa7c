"""The door through a LiteLLM Proxy: a real proxy process with pointsman in its config, asked over HTTP by OpenAI's client."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from pointsman.demo.door import Answer
from pointsman.errors import MissingDependencyError, PointsmanError, UnknownDecisionError
from pointsman.testing.process import end

if TYPE_CHECKING:
    from types import TracebackType

    from pointsman.registry.models import ModelRegistry
    from pointsman.testing import ModelFleet

_START_SECONDS = 90.0
_STEP = 0.25
# What `litellm[proxy]` brings and the demo's proxy cannot do without.
_NEEDED = ("fastapi", "uvicorn", "apscheduler", "backoff", "orjson")
# Settings of a proxy that somebody really runs must not reach this one.
_FOREIGN = ("LITELLM_", "DATABASE_", "REDIS_")
_VIRTUAL = "auto"


class ProxyProcess:
    """`litellm --config config.yaml` in a process of its own, until it is stopped or this process is gone.

    Args:
        fleet: the model servers behind it.
        folder: where its files go.
        settings: sections of its pointsman.yaml besides the models: policy, store, calls ...

    Attributes:
        key: what clients send as their API key.
    """

    def __init__(self, fleet: ModelFleet, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self.key = f"sk-{secrets.token_hex(24)}"  # LiteLLM's proxy insists on one
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        ours = {"models": fleet.catalogue(), "pools": {_VIRTUAL: {}}, **settings}
        theirs = {
            "model_list": fleet.litellm_model_list(),
            "environment_variables": {"POINTSMAN_CONFIG": str(folder / "pointsman.yaml"), "POINTSMAN_STRICT": "true"},
            "litellm_settings": {"callbacks": ["pointsman.litellm.proxy_handler"]},
        }
        for name, content in (("pointsman.yaml", ours), ("config.yaml", theirs)):
            (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))

    @property
    def url(self) -> str:
        """The base URL for OpenAI's client."""
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> Self:
        """Start the process.

        Raises:
            MissingDependencyError: E4401, if LiteLLM's proxy is not installed.
        """
        if any(find_spec(package) is None for package in _NEEDED):
            raise MissingDependencyError("litellm[proxy]", extra="proxy")
        command = [sys.executable, "-m", "pointsman.demo.proxy_host", "--config", str(self._folder / "config.yaml")]
        command += ["--host", "127.0.0.1", "--port", str(self._port), "--telemetry", "False"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        source = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(part for part in (source, os.environ.get("PYTHONPATH")) if part)
        ours = {"PYTHONPATH": path, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": self.key}
        with (self._folder / "proxy.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, env={**kept, **ours}, cwd=self._folder
            )
        return self

    async def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            PointsmanError: if it ends, or does not answer in time.
        """
        import httpx  # noqa: PLC0415  only needed here

        give_up = time.monotonic() + _START_SECONDS
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
            while time.monotonic() < give_up and self._process is not None and self._process.poll() is None:
                try:
                    response = await client.get(f"http://127.0.0.1:{self._port}/health/liveliness")
                except httpx.HTTPError:
                    await asyncio.sleep(_STEP)
                    continue
                if response.is_success:
                    return
        log = (self._folder / "proxy.log").read_text(errors="replace").strip().splitlines()
        errors = [line for line in log if "rror" in line] or log or ["nothing"]
        raise PointsmanError("the LiteLLM proxy did not start", hint=f"it said: {errors[-1].strip()}")

    def stop(self) -> None:
        """End the process; it leaves when its standard input closes."""
        process, self._process = self._process, None
        if process is not None:
            end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ProxyDoor:
    """OpenAI's client, which knows nothing of pointsman but the model name `auto`.

    Args:
        url: base URL of the proxy.
        key: its API key.
        registry: turns the model names of the proxy's headers into keys.
    """

    name = "LiteLLM Proxy"

    def __init__(self, url: str, key: str, registry: ModelRegistry) -> None:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415  half a second

        self._registry = registry
        # No proxy settings of the environment: this is loopback.
        client = DefaultAsyncHttpxClient(trust_env=False)
        self._client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0, http_client=client)
        self._feedback = (client, f"{url.removesuffix('/v1')}/pointsman/feedback", {"authorization": f"Bearer {key}"})

    async def ask(self, prompt: str) -> Answer:
        """Ask for a chat completion and read the headers."""
        raw = await self._client.chat.completions.with_raw_response.create(
            model=_VIRTUAL, messages=[{"role": "user", "content": prompt}]
        )
        response = raw.parse()
        return Answer(
            text=response.choices[0].message.content or "",
            model=self._registry.get_model(raw.headers["x-pointsman-model"]).key,
            decision_id=raw.headers["x-pointsman-decision"],
            input_tokens=response.usage.prompt_tokens if response.usage else 0,
            output_tokens=response.usage.completion_tokens if response.usage else 0,
        )

    async def score(self, answer: Answer, score: float) -> None:
        """Post the grade to the proxy, whose own policy it teaches.

        Raises:
            UnknownDecisionError: E4302, if the proxy does not take it.
        """
        client, url, headers = self._feedback
        body = {"decision": answer.decision_id, "score": score, "source": "demo"}
        response = await client.post(url, headers=headers, json=body)
        if not response.is_success:
            raise UnknownDecisionError(answer.decision_id)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
