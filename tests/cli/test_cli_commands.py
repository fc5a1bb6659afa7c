"""Commands that call no model: what they print, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pointsman
from pointsman.cli import main

if TYPE_CHECKING:
    from cli.kinds import Invoke, Write

TWO = """
policy: cheapest
models:
  - {name: small, provider: openai, context_window: 8000, max_output_tokens: 1000, capabilities: [generation.text.chat],
     cost_per_1m_input_tokens: 0.1, cost_per_1m_output_tokens: 0.4}
  - {name: big, provider: azure, context_window: 100000, max_output_tokens: 4000, status: deprecated,
     capabilities: [generation.text.chat, vision, tools], cost_per_1m_input_tokens: 5, cost_per_1m_output_tokens: 15}
pools:
  seeing: {needs: [vision]}
"""


def test_importing_the_command_line_loads_no_host() -> None:
    heavy = ("litellm", "langchain_core", "numpy", "httpx", "openai", "tiktoken")
    code = f"import sys, pointsman.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_module_runs_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "pointsman", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pointsman, version {pointsman.__version__}\n"


def test_there_are_these_commands_and_no_stubs_of_later_ones() -> None:
    assert set(main.commands) == {
        *("demo", "validate", "models", "explain", "route", "health", "schema"),
        *("diff", "discover", "import-litellm", "replay", "init", "bench", "report"),
    }


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_explains_itself(name: str, invoke: Invoke) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


# -- models


def test_models_lists_the_configuration(invoke: Invoke, write: Write) -> None:
    result = invoke("models", "--config", write(TWO))
    assert result.exit_code == 0
    small = next(line for line in result.stdout.splitlines() if "openai:small" in line)
    assert small.split() == ["openai:small", "active", "8,000", "1,000", "0.1", "0.4", "text.chat"]
    assert "2 models, registry" in result.stdout


def test_models_takes_the_configuration_of_this_folder(invoke: Invoke, write: Write) -> None:
    write(TWO)
    assert "azure:big" in invoke("models").stdout


def test_models_takes_the_configuration_that_the_environment_names(
    invoke: Invoke, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_CONFIG", write(TWO, "elsewhere.yaml"))
    assert "azure:big" in invoke("models").stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--capability", "vision,tools"], {"azure:big"}),
        (["--capability", "generation.text"], {"openai:small", "azure:big"}),
        (["--provider", "openai"], {"openai:small"}),
        (["--status", "deprecated"], {"azure:big"}),
        (["--capability", "rerank"], set()),
    ],
)
def test_models_can_be_narrowed_down(options: list[str], expected: set[str], invoke: Invoke, write: Write) -> None:
    result = invoke("models", "--config", write(TWO), "--json", *options)
    assert {each["key"] for each in json.loads(result.stdout)} == expected


def test_models_as_json_leave_out_what_is_unknown(invoke: Invoke, write: Write) -> None:
    result = invoke("models", "--config", write(TWO), "--json", "--provider", "openai")
    (model,) = json.loads(result.stdout)
    assert model["context_window"] == 8000
    assert model["status"] == "active"
    assert "latency_p50" not in model


def test_models_without_a_configuration_are_the_built_in_ones(invoke: Invoke) -> None:
    result = invoke("models")
    assert "the built-in catalogues" in result.stderr
    assert "openai:" in result.stdout
    assert "anthropic:" in result.stdout


def test_models_of_named_catalogues_only(invoke: Invoke, write: Write) -> None:
    write(TWO)
    result = invoke("models", "ollama", "--json")
    assert {each["provider"] for each in json.loads(result.stdout)} == {"ollama"}


# -- explain


def test_explain_prints_the_decision(invoke: Invoke, write: Write) -> None:
    result = invoke("explain", "hello", "--config", write(TWO))
    assert result.exit_code == 0
    assert result.stdout.startswith("openai:small serves decision ")
    assert "cheapest with probability 1.000; 2 of 2 models can serve" in result.stdout


def test_explain_names_the_check_that_left_a_model_out(invoke: Invoke, write: Write) -> None:
    result = invoke("explain", "hello", "--config", write(TWO), "--needs", "vision", "--max-cost", "1")
    assert result.stdout.startswith("azure:big serves")
    assert "openai:small: needs: does not declare vision" in result.stdout


def test_explain_reads_a_pool_and_a_prompt_from_standard_input(invoke: Invoke, write: Write) -> None:
    result = invoke("explain", "-", "--config", write(TWO), "--model", "seeing", stdin="a long story")
    assert result.stdout.startswith("azure:big serves")


def test_a_prompt_that_is_no_utf8_is_read_all_the_same(folder: Path, write: Write) -> None:
    command = [sys.executable, "-m", "pointsman", "explain", "--config", write(TWO)]
    by_pipe = subprocess.run([*command, "-"], input=b"\xff\xfe", capture_output=True, cwd=folder, check=True)
    by_argument = subprocess.run([*command, b"\xff\xfe"], capture_output=True, cwd=folder, check=True)
    assert by_pipe.stdout.startswith(b"openai:small serves")
    assert by_argument.stdout.startswith(b"openai:small serves")


def test_a_terminal_without_the_characters_of_a_table_shows_it_all_the_same(folder: Path, write: Write) -> None:
    command = [sys.executable, "-m", "pointsman", "models", "--config", write(TWO)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, cwd=folder, env=environment, check=True)
    assert b"openai:small" in done.stdout


def test_explain_lists_the_reason_for_every_model_when_none_can_serve(invoke: Invoke, write: Write) -> None:
    result = invoke("explain", "hello", "--config", write(TWO), "--needs", "audio")
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [
        ["excluded", "openai:small:"],
        ["excluded", "azure:big:"],
    ]
    assert result.stderr.startswith("error E4101: ")


def test_explain_leaves_no_trace_in_the_store(invoke: Invoke, write: Write, folder: Path) -> None:
    config = write(TWO + "store: sqlite:///learnt.db\n")
    assert invoke("explain", "hello", "--config", config).exit_code == 0
    assert not (folder / "learnt.db").exists()
    router = pointsman.Router.from_config(config)
    router.close()
    assert invoke("explain", "hello", "--config", config).exit_code == 0
    again = pointsman.Router.from_config(config)
    assert list(again.ledger.rows()) == []
    again.close()


# -- validate


def test_validate_finds_nothing_wrong_with_a_good_file(invoke: Invoke, write: Write) -> None:
    result = invoke("validate", write(TWO.replace("status: deprecated, ", "").replace("status: deprecated,", "")))
    assert result.exit_code == 0
    assert result.stdout.startswith("pointsman.yaml: fine: 2 models of 2 providers, 1 pools, policy cheapest")
    assert result.stderr == ""


def test_validate_reads_the_folders_configuration_unless_a_file_is_named(
    invoke: Invoke, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(TWO)
    assert invoke("validate").stdout.startswith("pointsman.yaml: fine")
    monkeypatch.setenv("POINTSMAN_CONFIG", write("models: 3\n", "other.yaml"))
    assert invoke("validate").exit_code == 1


def test_validate_says_what_a_file_without_sections_holds(invoke: Invoke, write: Write) -> None:
    result = invoke("validate", write("[1, 2]\n"))
    assert "the file holds a list, expected sections such as `models:`" in result.stderr


def test_validate_shows_every_problem_where_it_stands(invoke: Invoke, write: Write) -> None:
    text = (
        "policy: luck\n"
        "helth: {}\n"
        "models:\n"
        "  - {name: a, provider: openai, contxt_window: 3}\n"
        "  - {provider: openai}\n"
        "pools:\n"
        "  p: {policy: luck}\n"
        "health: {interval: -1}\n"
    )
    result = invoke("validate", write(text))
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "pointsman.yaml:1:1",
        "pointsman.yaml:2:1",
        "pointsman.yaml:4:33",
        "pointsman.yaml:5:5",
        "pointsman.yaml:7:7",
        "pointsman.yaml:8:10",
    ]
    assert "did you mean 'health'?" in lines[1]
    assert "did you mean 'context_window'?" in lines[2]


def test_validate_locates_a_base_and_a_pool_member_that_do_not_exist(invoke: Invoke, write: Write) -> None:
    based = "models:\n  - {name: a, provider: openai, base: nowhere}\n"
    pooled = "models:\n  - {name: a, provider: openai}\npools:\n  p: {models: [a, bb]}\n"
    assert invoke("validate", write(based)).stderr.startswith("pointsman.yaml:2:33: error E4003")
    assert invoke("validate", write(pooled)).stderr.startswith("pointsman.yaml:4:19: error ")


def test_validate_warns_of_keys_that_are_not_set(invoke: Invoke, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write("models: [{name: a, provider: openai, api_key: 'env:NO_SUCH_KEY'}]\n")
    result = invoke("validate", config)
    assert result.exit_code == 0
    assert "warning: NO_SUCH_KEY is not set; openai:a cannot be called without it" in result.stderr
    monkeypatch.setenv("NO_SUCH_KEY", "made-up")
    assert invoke("validate", config).stderr == ""


def test_validate_warns_of_models_that_fade(invoke: Invoke, write: Write) -> None:
    def model(name: str, days: int) -> dict[str, str]:
        date = datetime.now(UTC).date() + timedelta(days=days)
        return {"name": name, "provider": "openai", "deprecation_date": date.isoformat()}

    models = [model("gone-by", -1), model("soon", 20), model("later", 60)]
    result = invoke("validate", write({"models": models, "lifecycle": {"notice_days": 30}}))
    assert result.exit_code == 0
    first, second = result.stderr.splitlines()
    assert "openai:gone-by is deprecated since " in first
    assert "openai:soon will be deprecated on " in second


def test_a_key_in_the_file_is_refused_and_not_repeated(invoke: Invoke, write: Write) -> None:
    result = invoke("validate", write("models: [{name: a, provider: openai, api_key: sk-made-up-secret}]\n"))
    assert result.exit_code == 1
    assert "never the key itself" in result.stderr
    assert "sk-made-up-secret" not in result.output


# -- exit codes as a shell sees them


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["validate", "good.yaml"], 0),
        (["validate", "bad.yaml"], 1),
        (["validate", "missing.yaml"], 1),
        (["validate"], 1),
        (["models", "--no-such-option"], 2),
        (["bench"], 1),
        (["report"], 1),
        (["no-such-command"], 2),
        (["route", "hello"], 1),
    ],
)
def test_exit_codes(arguments: list[str], code: int, folder: Path, write: Write) -> None:
    write(TWO, "good.yaml")
    write("models: 3\n", "bad.yaml")
    environment = {name: value for name, value in os.environ.items() if name != "POINTSMAN_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-m", "pointsman", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
