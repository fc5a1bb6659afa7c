"""Validation: every issue at once, each with parameter, value, limit and hint."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pointsman import ModelNotFoundError, ModelRegistry, ModelSpec

SPEC = ModelSpec(name="m", provider="openai", context_window=8000, max_input_tokens=7000, max_output_tokens=4096)


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("temperature", [0, 0.5, 2, None], [-0.1, 2.1, "hot", True, math.nan, math.inf, [1]]),
        ("top_p", [0, 1], [1.01, -1, "x"]),
        ("top_k", [0, 40], [-1, 1.5]),
        ("presence_penalty", [-2, 2], [-2.1, 3]),
        ("frequency_penalty", [-2, 2], [-2.1, 3]),
        ("n", [1, 5], [0, 1.0, True]),
        ("seed", [0, -7, 2**60], [1.5, "1", False]),
        ("top_logprobs", [0, 20], [21, -1]),
        ("logprobs", [True, False], [1, "yes"]),
        ("stream", [True], [1]),
        ("stop", ["\n", ["a", "b"], []], [1, [""], ["a", 1], ["a"] * 5, b"x"]),
        ("logit_bias", [{}, {"50256": -100}], [[1], 3]),
        ("max_tokens", [1, 4096], [0, -1, 4097, 1.0, True, "10", 10**5000]),
        ("max_completion_tokens", [1], [4097]),
        ("parallel_tool_calls", [True, False], [0]),
        ("tools", [[], [{"type": "web_search"}]], ["search", [1], [{"type": "function"}]]),
        ("tool_choice", ["auto", {"type": "any"}], ["weather", 1, {"type": "function"}]),
        (
            "response_format",
            [{"type": "text"}, {"type": "json_object"}],
            ["json", {"type": "xml"}, {"type": "json_schema"}],
        ),
        ("user", ["ann", 5], []),
    ],
)
def test_values_of_known_parameters_are_checked(parameter: str, good: list[Any], bad: list[Any]) -> None:
    registry = ModelRegistry([SPEC])
    for value in good:
        assert registry.validate_parameters("m", {parameter: value}) == [], value
    for value in bad:
        (issue,) = registry.validate_parameters("m", {parameter: value})
        assert issue.parameter == parameter
        assert issue.value is value
        assert issue.hint


def test_every_issue_is_reported_at_once_with_the_limit_that_was_passed() -> None:
    wrong = {"temperature": 3, "top_p": -1, "max_tokens": 20_000, "stop": ["a"] * 6, "n": 0, "seed": 1}
    issues = ModelRegistry([SPEC]).validate_parameters("m", wrong, input_tokens=7500)
    assert [(issue.parameter, issue.limit) for issue in issues] == [
        ("temperature", 2),
        ("top_p", 0),
        ("max_tokens", 4096),
        ("stop", 4),
        ("n", 1),
        ("input_tokens", 7000),
        ("input_tokens", 8000),
    ]
    assert str(issues[0]) == "temperature is 3 (expected a number from 0 to 2)"
    assert str(issues[2]) == "max_tokens 20000 exceeds the limit 4096 of openai:m (ask for at most 4096)"
    assert issues[-1].hint == "ask for at most 500 output tokens"


def test_the_window_is_checked_when_the_prompts_size_is_given() -> None:
    registry = ModelRegistry([ModelSpec(name="m", provider="openai", context_window=1000)])
    assert registry.validate_parameters("m", {"max_tokens": 900}) == []
    assert registry.validate_parameters("m", {"max_tokens": 900}, input_tokens=100) == []
    (issue,) = registry.validate_parameters("m", {"max_tokens": 900}, input_tokens=101)
    assert (issue.parameter, issue.value, issue.limit) == ("input_tokens", 101, 1000)
    (issue,) = registry.validate_parameters("m", {}, input_tokens=1000)
    assert issue.hint == "shorten the prompt"
    (issue,) = registry.validate_parameters("m", {}, input_tokens=-1)
    assert issue.hint == "expected a whole number of tokens"


def test_claude_takes_less_and_lacks_some() -> None:
    registry = ModelRegistry([ModelSpec(name="claude-x", provider="anthropic")])
    (issue,) = registry.validate_parameters("claude-x", {"temperature": 1.5, "stop": ["a"] * 9})
    assert (issue.parameter, issue.limit) == ("temperature", 1)
    (issue,) = registry.validate_parameters("claude-x", {"seed": 1})
    assert "does not support seed" in str(issue)


def test_an_unknown_model_is_the_typed_error() -> None:
    with pytest.raises(ModelNotFoundError):
        ModelRegistry([SPEC]).validate_parameters("x", {})


def test_an_issue_never_repeats_more_than_a_short_value() -> None:
    (issue,) = ModelRegistry([SPEC]).validate_parameters("m", {"temperature": "secret" * 100})
    assert "secret" not in str(issue)
