"""Bad input: a typed error in one or two lines, exit 1, no traceback, and nothing that was kept is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import pointsman

if TYPE_CHECKING:
    from cli.kinds import Invoke, Write

    from pointsman.testing import ModelFleet

GOOD = "models: [{name: a, provider: openai, context_window: 1000, max_output_tokens: 100}]\n"

CASES = {
    "an unknown key": (
        "models:\n  - {name: a, provider: openai, contxt_window: 3}\n",
        ["validate", "pointsman.yaml"],
        ["pointsman.yaml:2:33: error E4003: ", "did you mean 'context_window'?"],
    ),
    "an unknown section": (
        GOOD + "helth: {}\n",
        ["explain", "hello"],
        ["pointsman.yaml:2:1: error E4006: ", "did you mean 'health'?"],
    ),
    "a missing field": (
        "models:\n  - name: a\n",
        ["models"],
        ["pointsman.yaml:2:5: error E4003: ", "'provider' is missing", "add `provider: ...`"],
    ),
    "a wrong type": (
        "models:\n  - {name: a, provider: openai, context_window: many}\n",
        ["route", "hello"],
        ["pointsman.yaml:2:33: error E4003: ", "found 'many'"],
    ),
    "a broken file": (
        "models:\n  - {name: a, provider: x\n  foo: ]\n",
        ["health"],
        ["pointsman.yaml:3:6: error E4005: broken YAML"],
    ),
    "a file that is not there": (
        GOOD,
        ["models", "--config", "other.yaml"],
        ["other.yaml: error E4005: cannot read the file", "check the path"],
    ),
    "an unknown model": (
        GOOD,
        ["explain", "hello", "--model", "aa"],
        ["error E4001: model 'aa' is not registered", "  hint: did you mean "],
    ),
    "an unknown model to probe": (GOOD, ["health", "aa"], ["error E4001: model 'aa' is not registered", "  hint: "]),
    "an unknown catalogue": (
        GOOD,
        ["models", "nonsense"],
        ["error E4006: there is no built-in catalogue 'nonsense'", "one of: "],
    ),
    "no such capability": (GOOD, ["models", "--capability", "no way!"], ["error E4103: 'no way!' is no capability"]),
    "a number that cannot be meant": (
        GOOD,
        ["explain", "hello", "--max-cost", "-1"],
        ["error E4103: max_cost is -1.0; expected a number that is not negative"],
    ),
    "no eligible model": (
        GOOD,
        ["explain", "hello", "--needs", "vision"],
        [
            "error E4101: none of 1 models can serve this request",
            "  hint: for example openai:a does not declare vision",
        ],
    ),
    "a misspelt capability": (
        GOOD,
        ["explain", "hello", "--needs", "visoin"],
        ["error E4101: ", "  hint: no model has the capability 'visoin'; did you mean 'vision'?"],
    ),
    "a misspelt provider": (
        GOOD,
        ["route", "hello", "--provider", "opnai"],
        ["error E4101: ", "  hint: no model has the provider 'opnai'; did you mean 'openai'?"],
    ),
    "a misspelt policy": (
        GOOD + "policy: chepest\n",
        ["explain", "hello"],
        ["pointsman.yaml:2:1: error E4006: policy: there is no policy 'chepest'", "did you mean 'cheapest'?"],
    ),
    "a prompt larger than every window": (
        GOOD,
        ["explain", "-"],
        ["error E4102: the prompt has ", "  hint: shorten the prompt"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_in_two_lines_at_most(case: str, invoke: Invoke, write: Write) -> None:
    text, arguments, expected = CASES[case]
    write(text)
    result = invoke(*arguments, stdin="many words " * 2000)
    assert result.exit_code == 1
    told = result.stderr
    assert len(told.splitlines()) <= 2, told
    assert "Traceback" not in result.output
    for part in expected:
        assert part in told


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["--capability", "visoin"], "no model has the capability 'visoin'; did you mean 'vision'?"),
        (["--provider", "opnai"], "no model has the provider 'opnai'; did you mean 'openai'?"),
    ],
)
def test_a_list_that_is_empty_by_a_misspelling_says_so(
    arguments: list[str], meant: str, invoke: Invoke, write: Write
) -> None:
    write(GOOD)
    result = invoke("models", *arguments)
    assert result.stderr.strip() == f"hint: {meant}"
    assert result.stdout.startswith("0 of 1 models")


def test_a_command_that_needs_a_configuration_says_so(invoke: Invoke) -> None:
    for command in (["route", "hello"], ["health"]):
        result = invoke(*command)
        assert result.exit_code == 1
        assert result.stderr.startswith("error E4006: there is no configuration")
        assert len(result.stderr.splitlines()) == 1


def test_all_models_failing_is_told_in_two_lines(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("server_error_503")
    calls = {"deadline": 20, "retries": 0}
    result = invoke("route", "hello", "--config", write({"models": fleet.catalogue(), "calls": calls}))
    assert result.exit_code == 1
    error, hint = result.stderr.splitlines()
    assert error.startswith("error E4201: no model could answer: 2 attempts on 2 of 2 eligible models")
    assert "openai:first: ServiceUnavailableError" in error
    assert "`pointsman health` shows who is up" in hint
    assert result.stdout == ""


def test_a_request_that_a_model_refuses_is_told_without_a_traceback(
    invoke: Invoke, write: Write, fleet: ModelFleet
) -> None:
    for server in fleet.values():
        server.fail("bad_request")
    result = invoke("route", "hello", "--config", write({"models": fleet.catalogue()}))
    assert result.exit_code == 1
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: the model refused the request: ")
    assert "BadRequestError" in hint


def test_a_file_broken_later_loses_nothing_that_was_written_down(
    invoke: Invoke, write: Write, fleet: ModelFleet
) -> None:
    good = {"policy": "ucb", "store": "sqlite:///learnt.db", "models": fleet.catalogue()}
    assert invoke("route", "hello", "--config", write(good)).exit_code == 0
    assert invoke("route", "hello", "--config", write("models: [oops")).exit_code == 1
    for server in fleet.values():
        server.fail("server_error_503")
    assert invoke("route", "hello", "--config", write({**good, "calls": {"retries": 0}})).exit_code == 1
    router = pointsman.Router.from_config(write(good))
    decisions = dict(router.ledger.rows())
    learnt = router.statistics()["selection_stats"]["total_attempts"]
    router.close()
    assert len(decisions) == 2
    assert learnt == 1
