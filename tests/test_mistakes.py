"""Mistakes that users make: each is refused at once, in our words, and never silently or at a model's expense."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from samples import make_spec

from pointsman import (
    AllModelsFailedError,
    CatalogError,
    ConfigError,
    InvalidModelError,
    InvalidRequestError,
    ModelNotFoundError,
    ModelRegistry,
    NoEligibleModelsError,
    Outcome,
    PointsmanError,
    PromptTooLongError,
    Request,
    Router,
)
from pointsman.errors import InvalidFeedbackError, ModelLoadError, NoSupportError, StreamInterruptedError


@pytest.fixture
def router() -> Router:
    return Router(ModelRegistry([make_spec()]), "cheapest", seed=1)


# -- limits of a call


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"tiemout": 3}, "no limit 'tiemout' of a call .did you mean 'timeout'"),
        ({"timeout": -1}, "timeout: input should be greater than 0"),
        ({"timeout": 0}, "timeout: input should be greater than 0"),
        ({"timeout": float("nan")}, "timeout: input should be greater than 0"),
        ({"timeout": "soon"}, "timeout: input should be a valid number"),
        ({"deadline": "soon"}, "deadline: input should be a valid number"),
        ({"attempts": 0}, "attempts: input should be greater than or equal to 1"),
        ({"retries": -1}, "retries: input should be greater than or equal to 0"),
        ({"max_cost": -1}, "max_cost: input should be greater than or equal to 0"),
    ],
)
def test_a_limit_that_could_never_be_meant_is_refused_before_any_call(
    router: Router, limits: dict[str, Any], says: str
) -> None:
    called: list[object] = []
    with pytest.raises(InvalidRequestError, match=says):
        router.run("hi", called.append, **limits)
    assert called == []
    assert router.health("m").state == "unknown"


def test_a_deadline_that_is_over_stays_a_deadline(router: Router) -> None:
    for left in (0, -3.5):
        with pytest.raises(AllModelsFailedError) as caught:
            router.run("hi", lambda _: "never", deadline=left)
        assert caught.value.stopped_by == "deadline"


def test_limits_that_are_unset_are_the_routers(router: Router) -> None:
    assert router.run("hi", lambda attempt: attempt.timeout, timeout=None, deadline=None) > 50
    assert router.run("hi", lambda attempt: attempt.timeout, timeout=2) == 2


# -- arguments of the wrong kind


@pytest.mark.parametrize("registry", ["pointsman.yaml", None, {}])
def test_a_router_of_something_else_than_a_registry_is_refused(registry: Any) -> None:
    with pytest.raises(ConfigError, match=r"is no ModelRegistry \(files: Router.from_config"):
        Router(registry)


@pytest.mark.parametrize("value", ["high", None, [1]])
def test_a_policys_number_is_a_number(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"policy 'ucb': exploration is .*; expected a number"):
        Router(ModelRegistry([make_spec()]), {"name": "ucb", "exploration": value})


def test_decide_takes_messages_as_run_does(router: Router) -> None:
    assert router.decide([{"role": "user", "content": "hi"}]).model == "openai:m"  # type: ignore[arg-type]


@pytest.mark.parametrize("messages", [3, b"secret", {"role": "user", "content": "secret"}])
def test_what_is_no_prompt_is_refused_and_not_repeated(messages: Any) -> None:
    with pytest.raises(InvalidRequestError, match="expected text or a list of messages") as caught:
        Request(messages=messages)
    assert "secret" not in str(caught.value)


def test_a_model_is_named_by_text() -> None:
    with pytest.raises(InvalidRequestError, match="model is of type int; expected a model's or a pool's name"):
        Request(messages="hi", model=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("score", [2, -0.1, float("nan"), True, "good"])
def test_a_score_that_comes_with_an_outcome_is_held_to_the_same_as_feedback(score: Any) -> None:
    with pytest.raises(InvalidFeedbackError, match="expected a number from 0 to 1"):
        Outcome(score=score)


def test_a_pattern_in_a_message_is_shown_as_it_is() -> None:
    with pytest.raises(InvalidModelError, match=r"provider: string should match pattern '\^\[A-Za-z0-9_"):
        make_spec(provider="open:ai")


# -- errors cross to other processes


@pytest.mark.parametrize(
    "error",
    [
        NoEligibleModelsError("none", stage="requirements", excluded={"openai:m": "why"}, hint="do"),
        PromptTooLongError("long", tokens=9, largest=8),
        ModelNotFoundError("gtp", nearest=["gpt"]),
        AllModelsFailedError("all", [ValueError("why")], models=["openai:m"], decision_id="d", retry_after=3.0),
        StreamInterruptedError("cut", partial="partial_text", chunks=2, model="openai:m", decision_id="d"),
        CatalogError("wrong", path="pointsman.yaml", line=3),
        ModelLoadError("openai:m", "no room", retryable=False),
        NoSupportError("few", policy="ucb", reason="few_rows", figures={"rows": 3}, hint="wait"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("across", [copy.deepcopy, copy.copy], ids=["deep", "shallow"])
def test_errors_arrive_whole(error: PointsmanError, across: Callable[[PointsmanError], PointsmanError]) -> None:
    arrived = across(error)
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.args[0] == error.args[0]
    simple = {name: value for name, value in vars(error).items() if name != "problems"}
    assert {name: vars(arrived)[name] for name in simple} == simple


def test_the_reasons_of_a_refusal_arrive_too(router: Router) -> None:
    with pytest.raises(NoEligibleModelsError) as caught:
        router.decide(Request(messages="secret", needs={"vision"}))
    assert "secret" not in repr(caught.value.__reduce__())
    assert copy.deepcopy(caught.value).excluded["openai:m"].check == "needs"


def test_a_coroutine_function_is_not_run_without_a_loop(make_router: Callable[..., Router]) -> None:
    async def call(_: Any) -> str:
        return "never awaited"

    with pytest.raises(InvalidRequestError, match="coroutine"):
        make_router().run("hello", call)


def test_settings_may_be_mappings_and_what_is_wrong_in_them_is_said(registry: ModelRegistry) -> None:
    assert Router(registry, "cheapest", calls={"deadline": 5}, health={"slow": 2}).calls.deadline == 5
    with pytest.raises(ConfigError, match="tiemout"):
        Router(registry, "cheapest", calls={"tiemout": 5})


def test_statistics_count_attempts_for_policies_that_do_not_learn(make_router: Callable[..., Router]) -> None:
    with make_router("cheapest") as router:
        router.run("hello", lambda _: "hi")
        stats = router.statistics()["selection_stats"]
    assert stats["total_attempts"] == 1
