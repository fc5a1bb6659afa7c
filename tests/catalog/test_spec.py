"""What a model's entry may say, in whose words, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import InvalidModelError, ModelSpec
from pointsman.catalog.spec import split_key


def test_what_is_not_said_is_unknown() -> None:
    spec = ModelSpec(name="m", provider="openai")
    assert (spec.context_window, spec.cost_per_1m_input_tokens, spec.latency_p50, spec.mean_quality) == (None,) * 4
    assert spec.key == spec.arm == "openai:m"


@pytest.mark.parametrize(
    ("spelled", "field", "value"),
    [
        ({"model_id": "m"}, "name", "m"),
        ({"name": "m", "max_context_length": 8000}, "context_window", 8000),
        ({"name": "m", "latency_p50_ms": 800}, "latency_p50", 0.8),
        ({"name": "m", "cost_per_1k_input_tokens": 0.005}, "cost_per_1m_input_tokens", 5.0),
        ({"name": "m", "input_cost_per_token": 0.00000015}, "cost_per_1m_input_tokens", 0.15),
        ({"name": "m", "size": "8x7B"}, "size_billions", 56.0),
        ({"name": "m", "supports_function_calling": True, "supports_vision": False}, "capabilities", ("tools",)),
        ({"name": "m", "capabilities": {"supports_json_mode": True}}, "capabilities", ("json",)),
        ({"name": "m", "supports_temperature": False}, "unsupported_parameters", ("temperature",)),
        ({"name": "m", "is_deprecated": True}, "status", "deprecated"),
        (
            {"name": "m", "capabilities": ["text_generation", "code"]},
            "capabilities",
            ("generation.text", "generation.code"),
        ),
    ],
)
def test_other_spellings_are_read(spelled: dict[str, object], field: str, value: object) -> None:
    assert getattr(ModelSpec(provider="openai", **spelled), field) == value


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"provider": "openai"}, "'name' is missing"),
        ({"name": "m", "provider": "openai", "contxt_window": 1}, "did you mean 'context_window'"),
        ({"name": "m", "provider": "openai", "context_window": "big"}, "found 'big'"),
        ({"name": "m", "provider": "openai", "cost_per_1m_input_tokens": -1}, "greater than or equal to 0"),
        ({"name": "m", "provider": "openai", "cost_per_1m_input_tokens": float("nan")}, "finite"),
        ({"name": "m", "provider": "openai", "quality": {"coding": 1.5}}, "less than or equal to 1"),
        ({"name": "m", "provider": "openai", "latency_p50": 2, "latency_p99": 1}, "above latency_p99"),
        ({"name": "m", "provider": "openai", "context_window": 10, "max_output_tokens": 20}, "above context_window"),
        ({"name": "m", "provider": "openai", "context_window": 10, "context_length": 20}, "disagree"),
    ],
)
def test_what_is_wrong_is_said_in_our_words(fields: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidModelError, match=says) as caught:
        ModelSpec(**fields)
    assert caught.value.code == "E4003"


def test_a_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidModelError, match="env:OPENAI_API_KEY") as caught:
        ModelSpec(name="m", provider="openai", api_key="sk-verysecret123")
    assert "verysecret" not in str(caught.value) + repr(caught.value)
    assert "verysecret" not in repr([each.__dict__ for each in caught.value.problems])


def test_all_problems_of_an_entry_are_reported_at_once() -> None:
    with pytest.raises(InvalidModelError) as caught:
        ModelSpec(name="m", provider="openai", context_window=-1, quality={"x": 2}, colour="red")
    assert {getattr(each, "field", None) for each in caught.value.problems} == {"context_window", "quality.x", "colour"}


@given(st.floats(min_value=1e-4, max_value=1e4).map(lambda price: float(f"{price:.6g}")))
def test_a_price_means_the_same_in_every_unit(per_million: float) -> None:
    specs = [
        ModelSpec(name="m", provider="openai", cost_per_1m_input_tokens=per_million),
        ModelSpec(name="m", provider="openai", cost_per_1k_input_tokens=per_million / 1e3),
        ModelSpec(name="m", provider="openai", input_cost_per_token=per_million / 1e6),
    ]
    assert len({spec.cost_per_1m_input_tokens for spec in specs}) == 1


def test_a_key_is_split_only_after_a_known_provider() -> None:
    assert split_key("openai:gpt-4o") == ("openai", "gpt-4o")
    assert split_key("llama3.1:8b") == (None, "llama3.1:8b")
    assert split_key("ollama:llama3.1:8b") == ("ollama", "llama3.1:8b")
