"""Standard parameter names to the providers', refusals and limits."""

from __future__ import annotations

import pytest

from pointsman import InvalidParametersError, ModelRegistry, ModelSpec

STANDARD = {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "stop": ["\n"]}


@pytest.mark.parametrize(
    ("provider", "name", "expected"),
    [
        ("azure", "gpt-4o", {"max_tokens", "temperature", "top_p", "stop"}),
        ("bedrock", "claude-3-opus", {"max_tokens", "temperature", "top_p", "stop_sequences"}),
        ("gemini", "gemini-1.5-pro", {"max_output_tokens", "temperature", "top_p", "stop_sequences"}),
        ("anthropic", "claude-3-opus", {"max_tokens", "temperature", "top_p", "stop_sequences"}),
        ("ollama", "llama3.1:8b", {"num_predict", "temperature", "top_p", "stop"}),
    ],
)
def test_names_are_the_providers(provider: str, name: str, expected: set[str]) -> None:
    registry = ModelRegistry([ModelSpec(name=name, provider=provider)])
    assert set(registry.map_parameters(name, STANDARD)) == expected
    assert set(registry.map_parameters(name, STANDARD, dialect="openai")) == set(STANDARD), (
        "mapping must not happen twice"
    )


@pytest.mark.parametrize("name", ["o3-mini", "o1", "gpt-5", "gpt-5-mini"])
def test_reasoning_models_take_max_completion_tokens_and_no_sampling(name: str) -> None:
    registry = ModelRegistry([ModelSpec(name=name, provider="openai")])
    mapped = registry.map_parameters(name, STANDARD, on_unsupported="drop")
    assert mapped == {"max_completion_tokens": 100, "stop": ["\n"]}
    with pytest.raises(InvalidParametersError, match="temperature"):
        registry.map_parameters(name, STANDARD)


def test_every_issue_is_reported_at_once_with_its_limit() -> None:
    registry = ModelRegistry(
        [ModelSpec(name="m", provider="openai", max_output_tokens=4096, unsupported_parameters=["top_p"])]
    )
    issues = registry.validate_parameters("m", {"max_tokens": 20_000, "top_p": 0.5, "temperature": 1})
    assert [(issue.parameter, issue.limit) for issue in issues] == [("max_tokens", 4096), ("top_p", None)]
    assert "4096" in str(issues[0])
    assert registry.validate_parameters("m", {"max_tokens": 4096}) == []


def test_an_answer_is_clamped_to_what_the_model_can_produce_and_defaults_are_filled_in() -> None:
    registry = ModelRegistry(
        [ModelSpec(name="m", provider="gemini", max_output_tokens=50, default_parameters={"temperature": 0.2})]
    )
    assert registry.map_parameters("m", {"max_tokens": 100}) == {"temperature": 0.2, "max_output_tokens": 50}


def test_a_models_own_names_win() -> None:
    spec = ModelSpec(name="m", provider="openai", parameter_names={"max_tokens": "length"})
    assert ModelRegistry([spec]).map_parameters("m", {"max_tokens": 5}) == {"length": 5}
