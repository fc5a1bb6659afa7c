"""Commands that call models: a streamed answer, and a probe of everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointsman.testing import Fault

if TYPE_CHECKING:
    from cli.kinds import Invoke, Write

    from pointsman.testing import ModelFleet


def test_route_prints_the_answer_and_who_gave_it(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    config = write({"policy": "cheapest", "models": fleet.catalogue()})
    result = invoke("route", "good morning", "--config", config, "--exclude", "second")
    assert result.exit_code == 0
    assert result.stdout == "This is first. You wrote 2 words: good morning\n"
    assert result.stderr.startswith("openai:first, ")
    assert fleet["first"].requests[-1].stream


def test_route_fails_over_and_says_so(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    fleet["first"].fail(Fault.server_error(503))
    config = write({"models": fleet.catalogue()})
    result = invoke("route", "good morning", "--config", config, "--prefer", "first")
    assert result.exit_code == 0
    assert result.stdout.startswith("This is second.")
    assert "openai:second after openai:first (overloaded) failed" in result.stderr


def test_a_stream_that_breaks_keeps_what_was_printed(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail(Fault.reset_after_chunks(3))
    result = invoke("route", "good morning to all of you", "--config", write({"models": fleet.catalogue()}))
    assert result.exit_code == 1
    assert "This" in result.stdout
    error, hint = result.stderr.splitlines()
    assert error.startswith("error E4203: ")
    assert "ask again from the start" in hint


def test_health_tells_who_answers(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    hosted = {"name": "hosted", "provider": "anthropic"}
    config = write({"models": [*fleet.catalogue(), hosted]})
    result = invoke("health", "--config", config)
    assert result.exit_code == 0
    assert "2 of 2 probed models answer; 1 not probed" in result.stdout
    unprobed = next(line for line in result.stdout.splitlines() if "anthropic:hosted" in line)
    assert "not probed" in unprobed


def test_health_fails_when_a_model_does_not_answer(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    fleet["second"].kill()
    config = write({"models": fleet.catalogue()})
    result = invoke("health", "--config", config)
    assert result.exit_code == 1
    assert "1 of 2 probed models answer" in result.stdout
    failed = next(line for line in result.stdout.splitlines() if "openai:second" in line)
    assert "failed" in failed
    assert invoke("health", "first", "--config", config).exit_code == 0
