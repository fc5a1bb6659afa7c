"""`pointsman demo` as a user starts it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cli.kinds import Invoke, Write

    from pointsman.testing import ModelFleet


def run_demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointsman", "demo", *options]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, timeout=180)


def test_the_fast_demo_loses_no_request(folder: Path) -> None:
    done = run_demo(folder, "--fast", "--plain")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "requests lost: 0"
    assert any("half way: " in line and "hangs" in line and "429" in line for line in lines)
    assert "answers   120 of 120 requests (LangChain 60, LiteLLM Router 60)" in done.stdout
    assert re.search(r"^openai:\S+ serves decision \w+$", done.stdout, re.MULTILINE)
    assert re.search(r"alone: \$\d\.\d{4}, so \d+% saved; the prices are made up", done.stdout)
    assert done.stderr == ""


def test_the_whole_demo_goes_through_a_real_proxy_too(folder: Path) -> None:
    done = run_demo(folder, "--plain", "--requests", "45", "--seed", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "requests lost: 0"
    assert "(LangChain 15, LiteLLM Router 15, LiteLLM Proxy 15)" in done.stdout
    assert "grades    45 taught the policy\n" in done.stdout


def test_own_models_are_asked_only_after_their_cost_was_agreed_to(
    invoke: Invoke, write: Write, fleet: ModelFleet
) -> None:
    config = write({"models": fleet.catalogue()})
    result = invoke("demo", "--config", config, "--requests", "4", stdin="n\n")
    assert result.exit_code == 1
    assert "4 prompts to 2 models of pointsman.yaml, at most $" in result.stdout
    assert fleet.calls == 0


def test_own_models_answer_and_nothing_is_written_down(
    invoke: Invoke, write: Write, folder: Path, fleet: ModelFleet
) -> None:
    config = write({"models": fleet.catalogue(), "store": "sqlite:///learnt.db"})
    result = invoke("demo", "--config", config, "--requests", "6", "--yes")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "requests lost: 0"
    assert "answers   6 of 6 requests" in result.stdout
    assert fleet.calls == 6
    assert not (folder / "learnt.db").exists()


def test_a_lost_request_makes_the_exit_code_1(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("server_error_503")
    config = write({"models": fleet.catalogue(), "calls": {"retries": 0}})
    result = invoke("demo", "--config", config, "--requests", "3", "--yes")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "requests lost: 3"
    assert result.stdout.count("LOST a request through Python: AllModelsFailedError") == 3


def test_a_broken_configuration_is_told_before_anything_starts(invoke: Invoke, write: Write) -> None:
    result = invoke("demo", "--config", write("models: 3\n"), "--yes")
    assert result.exit_code == 1
    assert result.stderr.startswith("pointsman.yaml:1:1: error E4006")
