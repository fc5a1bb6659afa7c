"""A real LiteLLM Proxy in a process of its own, for tests."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import openai
import yaml

import pointsman

LITELLM = tuple(map(int, version("litellm").split(".")[:2]))

_SOURCE = str(Path(pointsman.__file__).parents[1])
_ATTEMPTS = 600  # to connect, a tenth of a second apart: the proxy imports for ten seconds, more on a busy machine


class Proxy:
    """Started by `with`, on a free port, with a config.yaml whose one callbacks line names pointsman.

    Args:
        folder: its working directory.
        model_list: what it serves.
        workers: processes.
        key: its master key; one of its own unless given.
    """

    def __init__(
        self, folder: Path, model_list: Sequence[Mapping[str, Any]], *, workers: int = 1, key: str | None = None
    ) -> None:
        self.folder = folder
        self.key = key or f"sk-{secrets.token_hex(24)}"
        self.port = free_port()
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "config.yaml").write_text(
            yaml.safe_dump(
                {
                    "model_list": list(model_list),
                    "litellm_settings": {"callbacks": ["pointsman.litellm.proxy_handler"]},
                    "general_settings": {"master_key": self.key},
                }
            )
        )

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "proxy.log").read_text()

    def client(self) -> openai.OpenAI:
        """A client that makes no retries of its own."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=60)

    def post(self, path: str, body: Mapping[str, Any], **headers: str) -> tuple[int, Any, Any]:
        """Status, headers and body of a request by hand."""
        try:
            with self._open(path, body, headers) as response:
                return response.status, response.headers, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.load(error)

    def events(self, path: str, body: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        """Headers and events of a stream by hand."""
        with self._open(path, body, {}) as response:
            lines = response.read().decode().splitlines()
            data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
            return response.headers, [json.loads(each) for each in data if each != "[DONE]"]

    def _open(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(  # noqa: S310  our own loopback address
            f"{self.url}{path}",
            json.dumps(body).encode(),
            {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers},
        )
        return urllib.request.urlopen(request, timeout=60)  # noqa: S310

    def __enter__(self) -> Self:
        command = [str(Path(sys.executable).with_name("litellm")), "--config", "config.yaml"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--num_workers", str(self._workers)]
        with (self.folder / "proxy.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=environment(), stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._await_life()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _await_life(self) -> None:
        for _ in range(_ATTEMPTS):
            if self._process is None or self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/health/liveliness", timeout=5):  # noqa: S310
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the proxy does not serve:\n{self.log[-2000:]}")


def environment() -> dict[str, str]:
    """What a process of its own needs to run this source, and on the LiteLLM that the tests run on."""
    laid_over = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and each != _SOURCE]
    return {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONPATH": os.pathsep.join([_SOURCE, *laid_over]),
        # While a worker imports it answers no pings, and would be killed for it after five seconds.
        "TIMEOUT_WORKER_HEALTHCHECK": "120",
    }


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
