"""Decisions: drawn exactly as the policy says, repeatable from a seed, and their own explanation."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import (
    ConfigError,
    Context,
    Lesson,
    ModelRegistry,
    NoEligibleModelsError,
    Outcome,
    Request,
    Router,
)
from pointsman.registry.arms import Arms
from pointsman.testing import FakeClock

Make = Callable[..., Router]


def test_the_draw_follows_the_weights() -> None:
    registry = ModelRegistry([make_spec("a", weight=3), make_spec("b", weight=1), make_spec("c", weight=0)])
    router = Router(registry, "weighted", seed=7)
    decisions = [router.decide("hi") for _ in range(4000)]
    shares = Counter(decision.model for decision in decisions)
    assert shares["openai:a"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert shares["openai:c"] == 0
    assert {decision.probability for decision in decisions} == {0.75, 0.25}


@pytest.mark.parametrize("policy", ["weighted", "cheapest", "ucb"])
def test_a_seed_replays_to_the_same_decisions_under_other_ids(registry: ModelRegistry, policy: str) -> None:
    def replay() -> list[Any]:
        router = Router(registry, policy, seed=3)
        decisions = []
        for _ in range(50):
            decision = router.decide(Request(input_tokens=100))
            router.observe(decision, Outcome(input_tokens=100, output_tokens=50, seconds=1.0))
            decisions.append(decision)
        return decisions

    first, second = replay(), replay()
    assert [each.model for each in first] == [each.model for each in second]
    assert not {each.id for each in first} & {each.id for each in second}


def test_cheapest_counts_input_and_output_of_this_very_call() -> None:
    registry = ModelRegistry(
        [
            make_spec("reader", cost_per_1m_input_tokens=0.1, cost_per_1m_output_tokens=50),
            make_spec("writer", cost_per_1m_input_tokens=2, cost_per_1m_output_tokens=2),
            make_spec("mystery"),
        ]
    )
    router = Router(registry, "cheapest")
    assert router.decide(Request(input_tokens=100_000, max_output_tokens=10)).model == "openai:reader"
    assert router.decide(Request(input_tokens=10, max_output_tokens=1000)).model == "openai:writer"
    assert router.decide(Request(input_tokens=10)).fallbacks[-1] == "openai:mystery", "unknown is not zero"


def test_ucb_tries_everybody_then_prefers_what_pays() -> None:
    registry = ModelRegistry([make_spec("slow"), make_spec("quick")])
    router = Router(registry, "ucb", seed=1)
    seconds = {"openai:slow": 5.0, "openai:quick": 0.1}
    chosen = []
    for _ in range(60):
        decision = router.decide("hi")
        router.observe(decision, Outcome(seconds=seconds[decision.model]))
        chosen.append(decision.model)
    assert set(chosen[:2]) == {"openai:slow", "openai:quick"}
    assert Counter(chosen[20:])["openai:quick"] > 35


def test_concurrent_calls_do_not_all_explore_the_same_arm() -> None:
    registry = ModelRegistry([make_spec(name) for name in "abcd"])
    router = Router(registry, "ucb", seed=1)
    opened = []

    def call(attempt: Any) -> str:
        opened.append(attempt.spec.name)
        if len(opened) < 4:
            router.run("hi", call, honours_timeout=True)
        return "answer"

    router.run("hi", call, honours_timeout=True)
    assert sorted(opened) == ["a", "b", "c", "d"], "a pull counts while it is under way"


def test_decisions_in_eight_threads_do_not_all_take_one_arm() -> None:
    registry = ModelRegistry([make_spec(name) for name in "abcdefgh"])
    router = Router(registry, "ucb", seed=1)
    together = threading.Barrier(8)

    def decide(_: int) -> str:
        together.wait()
        return router.decide("hi").model

    for _ in range(20):
        with ThreadPoolExecutor(8) as pool:
            chosen = Counter(pool.map(decide, range(8)))
        assert set(chosen.values()) == {1}, "nobody has an outcome yet, so every arm gets its share of the pulls"


def test_a_decision_that_nobody_carries_out_stops_counting_after_a_minute(make_router: Make, clock: FakeClock) -> None:
    router = make_router("ucb", registry=ModelRegistry([make_spec("a"), make_spec("b")]))
    told, forgotten = router.decide("hi"), router.decide("hi")
    assert told.model != forgotten.model
    router.observe(told, Outcome(seconds=1.0))
    assert dict(router._chooser.pulls.counts) == {forgotten.spec.arm: 1}
    clock.advance(61)
    again = router.decide("hi")
    assert again.model == forgotten.model, "it has no pull any more, and no outcome"
    assert dict(router._chooser.pulls.counts) == {forgotten.spec.arm: 1}


def test_a_fallbacks_call_takes_the_place_of_what_was_promised(make_router: Make) -> None:
    router = make_router("ucb", registry=ModelRegistry([make_spec("a"), make_spec("b")]))

    def call(attempt: Any) -> str:
        assert dict(router._chooser.pulls.counts) == {attempt.spec.arm: 1}
        if attempt.number == 1:
            raise StatusError(500)
        return "answer"

    assert router.run("hi", call) == "answer"
    assert dict(router._chooser.pulls.counts) == {}


def test_deployments_of_one_model_teach_one_arm() -> None:
    registry = ModelRegistry(
        [make_spec("eu", serves="gpt"), make_spec("us", serves="gpt"), make_spec("other")],
    )
    router = Router(registry, "ucb", seed=1)
    for _ in range(10):
        router.observe(router.decide("hi"), Outcome(seconds=0.1))
    assert set(router.statistics()["selection_stats"]["model_performance"]) == {"gpt", "openai:other"}


class Mine:
    """A user's own policy: two methods, no base class."""

    def __init__(self) -> None:
        self.lessons: list[Lesson] = []

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        assert context.input_tokens >= 0
        return [1.0 if spec.name == "good" else 0.0 for spec in arms]

    def learn(self, lesson: Lesson) -> None:
        self.lessons.append(lesson)


def test_a_policy_of_ones_own_is_two_methods(make_router: Make) -> None:
    mine = Mine()
    router = make_router(mine)
    decision = router.decide("hi")
    assert (decision.model, decision.policy) == ("openai:good", "Mine")
    router.observe(decision, Outcome(input_tokens=1000, output_tokens=0, seconds=1.0))
    router.feedback(decision.id, 0.5)
    assert [(lesson.quality, lesson.counted) for lesson in mine.lessons] == [(None, False), (0.5, True)]
    assert mine.lessons[0].cost == pytest.approx(0.005)


def test_a_policy_that_cannot_be_built_names_what_there_is(make_router: Make) -> None:
    for wrong, says in [
        ("best-ever", "one of:"),
        ({"name": "ucb", "exploratoin": 1}, "exploration"),
        (3, "probabilities"),
    ]:
        with pytest.raises(ConfigError, match=says):
            make_router(wrong)


def test_a_session_stays_while_its_model_can_serve(registry: ModelRegistry) -> None:
    router = Router(registry, "weighted", seed=5)
    first = router.decide(Request(input_tokens=10, session="42"))
    router.observe(first, Outcome(seconds=1.0))
    again = [router.decide(Request(input_tokens=10, session="42")) for _ in range(20)]
    assert {decision.model for decision in again} == {first.model}
    assert again[0].override == "sticky"
    assert again[0].probability == 1.0
    assert len({router.decide(Request(input_tokens=10, session="7")).model for _ in range(40)}) > 1
    registry.update_model_status(first.model, "disabled")
    assert router.decide(Request(input_tokens=10, session="42")).model != first.model


def test_preferred_models_come_first_among_the_eligible(make_router: Make) -> None:
    router = make_router("cheapest")
    decision = router.decide(Request(input_tokens=10, prefer={"good"}))
    assert decision.model == "openai:good"
    assert decision.fallbacks[0] == "openai:cheap"
    assert router.decide(Request(input_tokens=10, prefer={"plain"}, needs={"tools"})).model == "openai:cheap"


def test_a_decision_explains_itself(make_router: Make) -> None:
    request = Request(
        messages="hello", needs={"tools"}, max_output_tokens=5_000, parameters={"temperature": 0.3}, exclude={"good"}
    )
    text = str(make_router("cheapest").decide(request))
    assert "openai:fast serves" in text
    assert "openai:cheap: output tokens: can produce 4,000 tokens, fewer than 5,000" in text
    assert "openai:good: excluded: the request excludes it" in text
    assert "openai:plain: needs: does not declare tools" in text
    assert "probability 1.000" in text


def test_parameters_are_each_planned_models_own() -> None:
    registry = ModelRegistry(
        [
            make_spec("gpt", cost_per_1m_input_tokens=1, cost_per_1m_output_tokens=1),
            make_spec("gem", provider="gemini", max_output_tokens=400),
            make_spec("llama", provider="ollama", unsupported_parameters=["stop"]),
        ]
    )
    decision = Router(registry, "cheapest").decide(
        Request(input_tokens=1, parameters={"stop": ["x"], "max_completion_tokens": 300})
    )
    assert decision.parameters == {
        "openai:gpt": {"max_tokens": 300, "stop": ["x"]},
        "gemini:gem": {"max_output_tokens": 300, "stop_sequences": ["x"]},
        "ollama:llama": {"num_predict": 300},
    }
    assert "dropped     stop for ollama:llama" in str(decision)


def test_select_model_reads_other_registries_words(make_router: Make) -> None:
    router = make_router("cheapest")
    assert router.select_model(capabilities=["vision"], max_cost=0.5, context_length=8000).name == "good"
    assert router.select_model({"capabilities": ["tools"], "exclude_models": ["cheap"]}).name == "fast"


def test_select_model_takes_every_requirement_that_other_registries_have(make_router: Make) -> None:
    registry = ModelRegistry(
        [
            make_spec(
                "llama",
                provider="ollama",
                size="8B",
                tokens_per_second=80,
                capabilities=["text_generation", "code_generation"],
                expertise=["general"],
                input_modalities=["text"],
                output_modalities=["text"],
                languages=["en"],
                regions=["eu"],
                max_context_length=16_000,
                latency_p50_ms=400,
                cost_per_1m_input_tokens=0,
                cost_per_1m_output_tokens=0,
            ),
            make_spec("other", capabilities=["text_generation"], quality={"general": 1.0}),
        ]
    )
    router = make_router("best", registry=registry)
    wishes: dict[str, Any] = {
        "capabilities": ["text_generation", "code_generation"],
        "expertise": ["general", "reasoning"],
        "min_size": "7B",
        "max_size": "70B",
        "min_speed": 50,
        "max_latency": 0.5,
        "max_cost": 0.01,
        "context_length": 8_000,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "language": "en",
        "region": "eu",
        "preferred_models": ["llama"],
        "preferred_providers": ["ollama"],
        "providers": ["ollama"],
        "exclude_models": ["other"],
        "exclude_providers": ["openai"],
    }
    for name, value in wishes.items():
        assert router.select_model({name: value}).name in {"llama", "other"}, name
    assert router.select_model(wishes).name == "llama"
    assert router.select_model(min_size="7B").name == "llama"
    with pytest.raises(NoEligibleModelsError):
        router.select_model(min_size="9B")
