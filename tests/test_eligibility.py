"""Who can serve a request: every requirement, and for everybody left out the check and the reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_spec

from pointsman import (
    InvalidRequestError,
    ModelNotFoundError,
    ModelRegistry,
    NoEligibleModelsError,
    Pool,
    PromptTooLongError,
    Request,
    Router,
)
from pointsman.eligibility.masks import eligible, excluded, needs_of
from pointsman.eligibility.question import Question, Rules
from pointsman.eligibility.tokens import PromptSize


def ask(registry: ModelRegistry, rules: Rules | None = None, **wishes: Any) -> tuple[set[str], dict[str, str]]:
    request = Request(**wishes)
    snapshot = registry.snapshot
    question = Question(snapshot, request, needs_of(request, snapshot), PromptSize(request), rules or Rules())
    names = {spec.name for spec in snapshot.arms(eligible(question))}
    return names, {key.split(":")[1]: why.check for key, why in excluded(question).items()}


@pytest.mark.parametrize(
    ("wishes", "left", "check"),
    [
        ({"needs": {"tools"}}, {"cheap", "good", "fast"}, "needs"),
        ({"needs": {"supports_vision", "tool_use"}}, {"good"}, "needs"),
        ({"tools": [{"type": "function"}]}, {"cheap", "good", "fast"}, "needs"),
        ({"response_format": {"type": "json_object"}}, {"good", "fast"}, "needs"),
        ({"context_length": 20_000}, {"good", "fast"}, "context length"),
        ({"max_output_tokens": 5_000}, {"good", "fast"}, "output tokens"),
        ({"input_tokens": 60_000}, {"good"}, "context window"),
        ({"exclude": {"good", "openai:fast"}}, {"cheap", "plain"}, "excluded"),
        ({"exclude_providers": {"openai"}}, set(), "excluded"),
        ({"providers": {"anthropic"}}, set(), "provider"),
        ({"max_latency": 0.5}, {"fast", "plain"}, "latency"),
        ({"expertise": "reasoning"}, {"cheap", "good", "fast", "plain"}, None),
        ({"expertise": "law"}, {"plain"}, "expertise"),
        ({"min_size": 7}, set(), "size"),
        ({"max_size": "500M"}, set(), "size"),
        ({"input_tokens": 1000, "max_output_tokens": 1000, "max_cost": 0.001}, {"cheap"}, "cost"),
        ({"model": "good"}, {"good"}, "model"),
        ({"needs": {"feature:x"}}, set(), "needs"),
    ],
)
def test_each_requirement(registry: ModelRegistry, wishes: dict[str, Any], left: set[str], check: str | None) -> None:
    names, reasons = ask(registry, **wishes)
    assert names == left
    assert set(reasons) == {"cheap", "good", "fast", "plain"} - left
    assert set(reasons.values()) <= {check}


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ("7B", {"m7", "m70", "moe"}),
        ("7b", {"m7", "m70", "moe"}),
        ("7", {"m7", "m70", "moe"}),
        (7, {"m7", "m70", "moe"}),
        (7.0, {"m7", "m70", "moe"}),
        ("70B", {"m70"}),
        ("500M", {"m05", "m7", "m70", "moe"}),
        ("8x7B", {"m70", "moe"}),
        ("0", {"m05", "m7", "m70", "moe"}),
    ],
)
def test_sizes_are_read_as_people_write_them(size: Any, found: set[str]) -> None:
    sizes = {"m05": "500M", "m7": "7B", "m70": 70, "moe": "8x7B", "unknown": None}
    registry = ModelRegistry([make_spec(name, size_billions=each) for name, each in sizes.items()])
    assert ask(registry, min_size=size)[0] == found
    assert (
        ask(registry, max_size=size)[0]
        == {name for name in sizes if name != "unknown" and name not in found}
        | ask(registry, min_size=size, max_size=size)[0]
    )


def test_weights_are_numbers_by_name() -> None:
    request = Request(weights={"quality": 1, "cost": 2, "latency": 0.5})
    assert dict(request.weights) == {"quality": 1.0, "cost": 2.0, "latency": 0.5}
    assert dict(Request().weights) == {}
    assert "cost" in repr(request)
    assert "weights" not in repr(Request())


@pytest.mark.parametrize("policy", ["best", "cheapest", "fastest", "weighted", "priority", "ucb"])
def test_weights_mean_nothing_to_policies_with_one_goal(registry: ModelRegistry, policy: str) -> None:
    plain, weighed = Request(input_tokens=9), Request(input_tokens=9, weights={"cost": 100.0, "quality": 0})
    choices = [
        [Router(registry, policy, seed=seed).decide(request).model for seed in range(5)] for request in (plain, weighed)
    ]
    assert choices[0] == choices[1]


def test_unknown_facts_are_allowed_or_excluded_as_the_rules_say(registry: ModelRegistry) -> None:
    registry.register_model(make_spec("mystery"))
    for wishes in (
        {"input_tokens": 10},
        {"max_latency": 9.0},
        {"max_output_tokens": 10},
        {"input_tokens": 1, "max_cost": 1.0},
    ):
        assert "mystery" in ask(registry, **wishes)[0]
        assert "mystery" not in ask(registry, Rules(on_unknown="exclude"), **wishes)[0]


def test_images_in_messages_need_vision(registry: ModelRegistry) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 500_000}}
    names, _ = ask(registry, messages=[{"role": "user", "content": [{"type": "text", "text": "what?"}, picture]}])
    assert names == {"good"}, "and half a megabyte of base64 is one image, not half a million tokens"


def test_text_requests_never_meet_models_of_another_kind(registry: ModelRegistry) -> None:
    registry.register_model(make_spec("embedder", capabilities=["embedding.text"]))
    assert "embedder" not in ask(registry, messages="hi")[0]
    assert ask(registry, needs={"embedding.text"})[0] == {"embedder"}


def test_status_maintenance_and_disabled_exclude_deprecated_stays_behind(registry: ModelRegistry) -> None:
    registry.update_model_status("cheap", "disabled", reason="retired")
    registry.update_model_status("plain", "deprecated")
    names, reasons = ask(registry)
    assert (names, reasons) == ({"good", "fast", "plain"}, {"cheap": "status"})
    decision = Router(registry, "cheapest").decide(Request(input_tokens=10))
    assert decision.model == "openai:fast"
    assert decision.fallbacks[-1] == "openai:plain"


def test_parameters_may_exclude(registry: ModelRegistry) -> None:
    registry.register_model(make_spec("fussy", unsupported_parameters=["temperature"]))
    rules = Rules(on_unsupported="exclude")
    assert "fussy" not in ask(registry, rules, parameters={"temperature": 0.5})[0]
    assert "fussy" in ask(registry, rules, parameters={"stop": ["x"]})[0]


def test_nothing_eligible_says_why_for_each(registry: ModelRegistry) -> None:
    with pytest.raises(NoEligibleModelsError, match="needs 4") as caught:
        Router(registry, "cheapest").decide(Request(needs={"teleportation"}))
    assert caught.value.stage == "requirements"
    assert set(caught.value.excluded) == {spec.key for spec in registry}
    with pytest.raises(NoEligibleModelsError, match="no model is registered"):
        Router(ModelRegistry(), "cheapest").decide("hi")


def test_a_prompt_larger_than_every_window_has_its_own_error(registry: ModelRegistry) -> None:
    with pytest.raises(PromptTooLongError) as caught:
        Router(registry, "cheapest").decide(Request(messages="word " * 200_000))
    assert caught.value.largest == 128_000
    assert caught.value.tokens > 190_000


def test_an_unknown_model_is_not_an_empty_list(registry: ModelRegistry) -> None:
    with pytest.raises(ModelNotFoundError, match="cheap"):
        Router(registry, "cheapest").decide(Request(model="chep"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"needs": {"no spaces please"}},
        {"needs": {3}},
        {"input_tokens": -1},
        {"input_tokens": 1.5},
        {"max_cost": float("nan")},
        {"max_latency": -2},
        {"soft": ["colour"]},
        {"min_size": "big"},
        {"max_size": -7},
        {"weights": {"beauty": 1}},
        {"weights": {"cost": -1}},
        {"weights": {"cost": float("nan")}},
        {"weights": [1, 2]},
        {"exclude": 5},
    ],
)
def test_a_request_that_could_never_be_meant_is_refused(registry: ModelRegistry, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Router(registry, "cheapest").decide(Request(**wrong))
    assert caught.value.field in wrong


def test_a_pool_is_a_model_name(registry: ModelRegistry) -> None:
    router = Router(registry, "cheapest")
    registry._snapshot = registry.snapshot.with_words(
        {"seeing": Pool(needs=("vision",)), "small": Pool(models=("plain",))}, {}
    )
    assert router.decide(Request(model="seeing")).eligible == ("openai:good",)
    assert router.decide(Request(model="small")).eligible == ("openai:plain",)
    assert len(router.decide(Request(model="auto")).eligible) == 4


def test_the_prompt_is_in_no_repr(registry: ModelRegistry) -> None:
    request = Request(messages="my secret diary", parameters={"user": "my secret"})
    decision = Router(registry, "cheapest").decide(request)
    assert "secret" not in repr(request) + repr(decision) + str(decision)


WISHES = st.fixed_dictionaries(
    {},
    optional={
        "needs": st.sets(st.sampled_from(["tools", "vision", "json"]), max_size=2),
        "input_tokens": st.integers(0, 200_000),
        "max_output_tokens": st.integers(0, 20_000),
        "exclude": st.sets(st.sampled_from(["cheap", "good"])),
        "max_cost": st.floats(0, 0.1),
        "max_latency": st.floats(0, 5),
    },
)


@given(WISHES)
@settings(max_examples=150, deadline=None)
def test_who_is_not_eligible_is_excluded_for_a_reason_and_nobody_is_both(wishes: dict[str, Any]) -> None:
    registry = ModelRegistry(
        [
            make_spec("cheap", capabilities=["tools"], context_window=16_000, max_output_tokens=4000, latency_p50=1),
            make_spec("good", capabilities=["vision", "tools"], context_window=128_000, cost_per_1m_input_tokens=5),
            make_spec("odd", max_input_tokens=1000, cost_per_1m_input_tokens=1, cost_per_1m_output_tokens=1),
        ]
    )
    names, reasons = ask(registry, **wishes)
    assert names | set(reasons) == {"cheap", "good", "odd"}
    assert not names & set(reasons)
    for name in names:
        spec = registry.get_model(name)
        tokens, window = wishes.get("input_tokens", 0), spec.context_window or 10**9
        assert tokens + min(wishes.get("max_output_tokens", 0), window) <= window
        assert all(spec.has_capability(need) for need in wishes.get("needs", ()))
