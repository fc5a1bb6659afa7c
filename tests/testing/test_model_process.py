"""Model servers as a process: it can be killed, and it dies with its parent."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from pointsman.testing import ModelProcess, ServedModel
from pointsman.testing.__main__ import parse_model

HELLO = {"model": "cheap", "messages": [{"role": "user", "content": "hello"}]}


def test_a_killed_process_refuses_connections_and_serves_on_the_same_port_when_started_again() -> None:
    models = [ServedModel("cheap", 0.1, 0.4, latency=(0.0, 0.001), skills={"code": 1.0})]
    with ModelProcess(models, seed=7, life_limit=60) as process:
        url = process.url
        first = httpx.post(f"{url}/chat/completions", json=HELLO)
        assert (
            httpx.post(f"{url}/chat/completions", json=HELLO, headers={"x-test-fault": "server_error_503"}).status_code
            == 503
        )
        process.kill()
        assert process.pid is None
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/models")
        process.start()
        assert process.url == url
        again = httpx.post(f"{url}/chat/completions", json=HELLO)
    assert first.json()["choices"] == again.json()["choices"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")


def test_a_process_ends_when_its_parent_dies() -> None:
    parent = (
        "import os; from pointsman.testing import ModelProcess, ServedModel;"
        "print(ModelProcess([ServedModel('cheap')], life_limit=60).start().url, flush=True); os._exit(9)"
    )
    # The grandchild inherits standard error: end of file there says that it is gone too.
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 9, done.stderr
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{done.stdout.strip()}/models")


def test_a_process_that_cannot_start_says_so() -> None:
    taken = ModelProcess([ServedModel("cheap")])
    taken._urls = {"cheap": "http://127.0.0.1:1/v1"}  # a port that needs privileges, or is taken
    taken._models = []
    with pytest.raises(RuntimeError, match="ended with code 2"):
        taken.start()


def test_a_model_is_read_from_a_short_or_a_json_text() -> None:
    assert parse_model("cheap:0.1:0.4:0.7") == ServedModel("cheap", 0.1, 0.4, quality=0.7)
    assert parse_model("cheap") == ServedModel("cheap")
    assert parse_model('{"name": "m", "latency": [0.1, 0.2]}') == ServedModel("m", latency=(0.1, 0.2))
