"""One contract for every command: with --json, standard output is JSON and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pointsman import Outcome, Router
from pointsman.cli import main

if TYPE_CHECKING:
    from cli.kinds import Invoke, Write

    from pointsman.testing import ModelFleet

CONFIG = "pointsman.yaml"
# How each command is called; what is not here fails the test below.
CALLS: dict[str, list[str]] = {
    "demo": ["--fast", "--requests", "4"],
    "init": ["--output", "new.yaml"],
    "validate": [CONFIG],
    "models": [],
    "explain": ["hello"],
    "route": ["hello"],
    "health": [],
    "bench": ["--yes", "--requests", "1"],
    "report": ["ledger.db"],
    "replay": ["ledger.db", "--policy", "cheapest"],
    "diff": [CONFIG, CONFIG],
    "discover": [],
    "import-litellm": ["--provider", "mistral"],
    "schema": [],
}


def test_every_command_is_covered() -> None:
    assert set(CALLS) == set(main.commands)


def test_every_command_takes_json() -> None:
    for name, command in main.commands.items():
        assert any("--json" in parameter.opts for parameter in command.params), name


@pytest.mark.parametrize("name", [name for name in CALLS if name != "demo"])
def test_json_is_all_there_is_on_standard_output(
    name: str, invoke: Invoke, write: Write, fleet: ModelFleet, folder: Path
) -> None:
    write({"policy": "cheapest", "models": fleet.catalogue()})
    ledger = Router.from_config(CONFIG, store=f"sqlite:///{folder / 'ledger.db'}")
    for _ in range(60):
        decision = ledger.decide("hello")
        ledger.observe(decision, Outcome(seconds=1.0, cost=0.001))
        ledger.feedback(decision.id, 1.0)
    ledger.close()
    result = invoke(name, "--json", *CALLS[name])
    assert result.exit_code in (0, 1), result.stderr
    assert json.loads(result.stdout) is not None


def test_the_demo_keeps_its_picture_on_standard_error() -> None:
    """Its picture is long; it is run as a process of its own."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "pointsman", "demo", "--json", *CALLS["demo"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout) == {"requests_lost": 0}
    assert "one decision, explained" in done.stderr


def test_explain_as_json_says_why_and_why_not(invoke: Invoke, write: Write) -> None:
    models = [
        {"name": "a", "provider": "openai", "capabilities": ["generation.text.chat", "vision"]},
        {"name": "b", "provider": "openai", "capabilities": ["generation.text.chat"]},
    ]
    write({"policy": "cheapest", "models": models})
    found = json.loads(invoke("explain", "hello", "--needs", "vision", "--json").stdout)
    assert found["model"] == "openai:a"
    assert found["probabilities"] == {"openai:a": 1.0}
    assert found["excluded"]["openai:b"]["check"] == "needs"
    refused = invoke("explain", "hello", "--needs", "audio", "--json")
    assert refused.exit_code == 1
    assert set(json.loads(refused.stdout)["excluded"]) == {"openai:a", "openai:b"}


def test_validate_as_json_lists_problems(invoke: Invoke, write: Write) -> None:
    write("models:\n  - {name: a, provider: openai, contxt_window: 3}\n")
    result = invoke("validate", CONFIG, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["usable"] is False
    assert (found["problems"][0]["line"], found["problems"][0]["code"]) == (2, "E4003")


# What is wrong, how a command meets it, and the code it fails with.
FAILURES: dict[str, tuple[list[str], int, str | None]] = {
    "explain: a broken file": (["explain", "hi", "-c", "broken.yaml"], 1, "E4003"),
    "explain: no model": (["explain", "hi", "--needs", "vision"], 1, "E4101"),
    "explain: a name": (["explain", "hi", "--model", "aa"], 1, "E4001"),
    "explain: a number": (["explain", "hi", "--max-cost", "-1"], 1, "E4103"),
    "route: no file": (["route", "hi", "-c", "none.yaml"], 1, "E4005"),
    "route: no model": (["route", "hi", "--needs", "vision"], 1, "E4101"),
    "validate: a broken file": (["validate", "broken.yaml"], 1, "E4003"),
    "models: a catalogue": (["models", "nonsense"], 1, "E4006"),
    "models: a capability": (["models", "--capability", "no way!"], 1, "E4103"),
    "health: a name": (["health", "aa"], 1, "E4001"),
    "bench: a name": (["bench", "aa", "--yes"], 1, "E4001"),
    "report: no ledger": (["report", "none.db"], 1, "E4006"),
    "replay: no log": (["replay", "none.db"], 1, "E4301"),
    "discover: no file": (["discover", "-c", "none.yaml"], 1, "E4005"),
    "diff: no file": (["diff", "none.yaml", CONFIG], 2, "E4005"),
    "init: it is there": (["init", "--output", CONFIG], 1, "E4006"),
    "import: a capability": (["import-litellm", "--capability", "no way!"], 1, "E4103"),
    "usage: no prompt": (["explain"], 2, None),
    "usage: a status": (["models", "--status", "activ"], 2, None),
    "usage: an option": (["explain", "hi", "--needz", "vision"], 2, None),
    "usage: a command": (["explian", "hi"], 2, None),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_json_too(case: str, invoke: Invoke, write: Write) -> None:
    arguments, exit_code, code = FAILURES[case]
    write({"models": [{"name": "a", "provider": "openai", "capabilities": ["generation.text"]}]})
    write("models: [{name: a, provider: openai, contxt_window: 3}]", "broken.yaml")
    plain, found = invoke(*arguments), invoke(*arguments, "--json")
    assert (plain.exit_code, found.exit_code) == (exit_code, exit_code)
    told = json.loads(found.stdout)
    assert told["code"] == code
    assert told["message"]
    assert "hint" in told
    assert found.stderr == plain.stderr


def test_a_prompt_that_reads_like_an_option_asks_for_no_json(invoke: Invoke, write: Write) -> None:
    write({"models": [{"name": "a", "provider": "openai"}]})
    assert invoke("explain", "--needs", "vision", "--", "--json").stdout.startswith("excluded ")


def test_route_as_json_says_who_failed_and_what_had_arrived(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    write({"policy": "cheapest", "models": fleet.catalogue(), "calls": {"retries": 0}})
    for server in fleet.values():
        server.fail("server_error_503")
    failed = json.loads(invoke("route", "hello", "--json").stdout)
    assert (failed["code"], failed["answer"]) == ("E4201", None)
    assert {each["error"] for each in failed["causes"]} == {"ServiceUnavailableError"}
    fleet.heal()
    for server in fleet.values():
        server.fail("reset_after_3_chunks")
    broken = json.loads(invoke("route", "hello", "--json").stdout)
    assert broken["code"] == "E4203"
    assert broken["answer"]
    fleet.heal()
    for server in fleet.values():
        server.fail("bad_request")
    refused = json.loads(invoke("route", "hello", "--json").stdout)
    assert refused["code"] is None
    assert "BadRequestError" in refused["hint"]


def test_route_as_json_has_the_answer_and_its_attempts(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    fleet["first"].fail("server_error_503")
    write({"policy": "cheapest", "models": fleet.catalogue()})
    found = json.loads(invoke("route", "good morning", "--prefer", "first", "--json").stdout)
    assert found["answer"].startswith("This is second.")
    assert [each["fault"] for each in found["attempts"]] == ["overloaded", None]
    assert found["attempts"][1]["output_tokens"] > 0


def test_health_is_watched_for_as_many_rounds_as_asked(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    write({"models": fleet.catalogue()})
    result = invoke("health", "--watch", "0.01", "--rounds", "2", "--json")
    rounds = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rounds) == 2
    assert all(each["answers"] for one in rounds for each in one["models"])
    pictured = invoke("health", "--watch", "0.01", "--rounds", "2")
    assert pictured.exit_code == 0
    assert "openai:first" in pictured.stdout
