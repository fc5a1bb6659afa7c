"""Starts three model servers and a LiteLLM Proxy on loopback, and asks it as any OpenAI client would.

The proxy's configuration is `config.yaml`, pointsman's is `pointsman.yaml`, both beside this file.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai

from pointsman.testing import ModelFleet, ServedModel, serve

HERE = Path(__file__).parent
MODELS = [
    ServedModel("small", context_window=16_000),
    ServedModel("medium", context_window=32_000),
    ServedModel("large", context_window=200_000),
]


@contextmanager
def proxy(fleet: ModelFleet) -> Iterator[openai.OpenAI]:
    """A running proxy, as the client that talks to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = f"sk-{secrets.token_hex(24)}"
    environment = {
        **os.environ,
        **{f"{name.upper()}_URL": server.url for name, server in fleet.items()},
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    command = [str(Path(sys.executable).with_name("litellm")), "--config", "config.yaml"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=HERE, env=environment, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
        try:
            await_life(process, f"http://127.0.0.1:{port}/health/liveliness")
            yield openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)
        finally:
            process.terminate()
            process.wait(15)


def await_life(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the proxy ended with code {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own loopback address
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the proxy did not start within a minute")


def ask(client: openai.OpenAI, model: str, text: str) -> str:
    raw = client.chat.completions.with_raw_response.create(model=model, messages=[{"role": "user", "content": text}])
    return f"{raw.headers['x-pointsman-model']:7} decision {raw.headers['x-pointsman-decision']}"


def main() -> None:
    with serve(MODELS, seed=7) as fleet, proxy(fleet) as client:
        print("a short prompt        ", ask(client, "auto", "Hello!"))
        print("60,000 words          ", ask(client, "auto", "word " * 60_000))
        print("the pool `roomy`      ", ask(client, "roomy", "Hello!"))
        fleet["small"].kill()
        print("with small killed     ", ask(client, "auto", "Hello again!"))
        stream = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "Stream, please."}], stream=True
        )
        words = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        print("a stream              ", len("".join(words)), "characters")


if __name__ == "__main__":
    main()
