"""What is kept from one decision to the next for many models decides as plain lists over all of them do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import LONG, make_spec

from pointsman import ModelRegistry, ModelSpec, NoEligibleModelsError, Outcome, Request, Router, RoutingDecision
from pointsman.policies import policy_names
from pointsman.policies.journal import Follower, Journal, Noted
from pointsman.policies.nursery import Nursery
from pointsman.policies.posterior import win_probabilities
from pointsman.policies.ranking import Ranking
from pointsman.policies.shares import Even, mask_of
from pointsman.policies.timeline import Timeline
from pointsman.policies.vectors import Array
from pointsman.testing import FakeClock

lawful = settings(max_examples=300 if LONG else 15, deadline=None, suppress_health_check=list(HealthCheck))

# Where it is asked whether models are few.
_PLACES = ("cheapest", "best", "fastest", "round_robin", "ucb", "thompson", "candidates", "posterior")
_ANSWERED = Outcome(seconds=0.6, input_tokens=10, output_tokens=50)
_NAMES = [f"m{number}" for number in range(12)]


_OTHERWISE = [
    {"name": "adaptive", "nursery": 0, "latency_weight": 0.5},
    {"name": "adaptive", "nursery": 2, "budget_per_request": 0.0005},
    {"name": "thompson", "floor": 0.1},
    {"name": "ucb", "exploration": 0.0},
    {"name": "ucb", "min_trials": 3},
]


@contextmanager
def few(most: int) -> Iterator[None]:
    """Up to so many models count as few meanwhile."""
    modules = [import_module(f"pointsman.policies.{name}") for name in _PLACES]
    modules.append(import_module("pointsman.chooser"))
    before = [module.FEW for module in modules]
    try:
        for module in modules:
            module.FEW = most  # type: ignore[attr-defined]
        yield
    finally:
        for module, number in zip(modules, before, strict=True):
            module.FEW = number  # type: ignore[attr-defined]


# Few numbers, so that many are equal.
prices = st.sampled_from([None, 0.0, 0.1, 0.3, 1.0, 3.0])
specs = st.lists(
    st.builds(
        make_spec,
        st.sampled_from(_NAMES),
        capabilities=st.sampled_from([["generation.text"], ["generation.text", "vision"]]),
        quality=st.dictionaries(st.sampled_from(["coding", "law"]), st.sampled_from([0.2, 0.5, 0.9]), max_size=2),
        cost_per_1m_input_tokens=prices,
        cost_per_1m_output_tokens=prices,
        long_context_threshold=st.none() | st.integers(1, 12) | st.just(1000),
        long_context_cost_per_1m_input_tokens=prices,
        long_context_cost_per_1m_output_tokens=prices,
        latency_p50=st.sampled_from([None, 0.0, 0.5, 1.0]),
        serves=st.sampled_from([None, None, "arm-a"]),
        weight=st.sampled_from([None, 0.0, 2.0]),
        priority=st.sampled_from([None, 1, 2]),
    ),
    min_size=2,
    max_size=12,
    unique_by=lambda spec: spec.name,
)
requests = st.builds(
    Request,
    messages=st.sampled_from(["", "hi", "What is 2 + 2? " * 40]),
    expertise=st.sampled_from([(), ("coding",), ("coding", "cooking")]),
    max_output_tokens=st.sampled_from([None, 0, 100]),
    needs=st.sampled_from([frozenset(), frozenset(["vision"])]),
    session=st.sampled_from([None, None, None, "s"]),
    weights=st.sampled_from([{}, {"latency": 0.5}, {"cost": 2.0, "quality": 0.5}]),
)
outcomes = st.builds(
    Outcome,
    error=st.sampled_from([None, None, None, ConnectionError("gone")]),
    seconds=st.sampled_from([None, 0.0, 0.5, 2.0]),
    input_tokens=st.sampled_from([None, 10]),
    output_tokens=st.sampled_from([None, 50]),
    cost=st.sampled_from([None, 0.001]),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["decide", "decide", "observe", "observe", "score", "call", "late", "remove", "add", "reset"]),
        requests,
        outcomes,
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    max_size=25,
)


class Story:
    """One router's decisions, while time stands still unless a step says otherwise."""

    def __init__(self, policy: Any, models: Sequence[Any], seed: int) -> None:
        self.clock = FakeClock()
        self.router = Router(ModelRegistry(models), policy, seed=seed, clock=self.clock)
        self.made: list[RoutingDecision] = []
        self.new = 0

    def decide(self, request: Request) -> RoutingDecision | None:
        try:
            self.made.append(self.router.decide(request))
        except NoEligibleModelsError:
            return None
        return self.made[-1]

    def step(self, kind: str, request: Request, outcome: Outcome, score: float) -> None:
        router = self.router
        if kind == "remove" and len(router.registry.list_models()) > 2:
            router.registry.unregister_model(router.registry.list_models()[0].key)
        elif kind == "add":
            self.new += 1
            router.registry.register_model(make_spec(f"new{self.new}", quality={"law": score}))
        elif kind == "late":
            self.clock.advance(61.0)
        elif kind == "reset":
            router.reset_statistics()
        elif kind == "call":
            # Decisions that are made while a call is under way see it.
            router.run("hi", lambda _: [self.decide(request), self.decide(request)] and "answer")
        elif (decision := self.decide(request)) is not None and kind != "decide":
            router.observe(decision, outcome)
            if kind == "score":
                router.feedback(decision.id, score)


def play(policy: Any, models: Sequence[Any], steps: Sequence[Any], seed: int) -> list[RoutingDecision]:
    story = Story(policy, models, seed)
    for step in steps:
        story.step(*step)
    story.router.close()
    return story.made


@pytest.mark.parametrize("policy", [*policy_names(), *_OTHERWISE], ids=str)
@lawful
@given(models=specs, story=steps, seed=st.integers(0, 99))
def test_many_models_are_decided_upon_as_few_are(policy: Any, models: list[Any], story: list[Any], seed: int) -> None:
    with few(1000):
        plain = play(policy, models, story, seed)
        # Looked at only now: what a decision tells must not follow what happened after it.
        expected = [told(decision) for decision in plain]
    with few(0):
        kept = play(policy, models, story, seed)
        found = [told(decision) for decision in kept]
    assert [each["model"] for each in found] == [each["model"] for each in expected]
    for here, there in zip(found, expected, strict=True):
        assert here.pop("probabilities") == pytest.approx(there.pop("probabilities"), abs=1e-12)
        assert here.pop("scores") == pytest.approx(there.pop("scores"), abs=1e-12)
        assert here == there
    for decision in kept:
        assert list(decision.fallback_specs)[: len(decision.arms) - 1] == by_probability(decision)


def by_probability(decision: RoutingDecision) -> list[ModelSpec]:
    """The fallbacks of the first rank: by probability, score, price and name."""
    scores = decision.scores or [0.0] * len(decision.arms)

    def rank(at: int) -> tuple[float, float, bool, float, str]:
        spec = decision.arms[at]
        prices = (spec.cost_per_1m_input_tokens, spec.cost_per_1m_output_tokens)
        unknown = None in prices
        price = 0.0 if unknown else sum(filter(None, prices))
        return -decision.probabilities[at], -scores[at], unknown, price, spec.key

    order = sorted(range(len(decision.arms)), key=rank)
    return [decision.arms[at] for at in order if decision.arms[at] is not decision.spec]


def told(decision: RoutingDecision) -> dict[str, Any]:
    return {
        "model": decision.model,
        "probabilities": list(decision.probabilities),
        "scores": list(decision.scores or ()),
        "override": decision.override,
        "memo": decision.memo,
        "fallbacks": decision.fallbacks if decision.policy not in {"adaptive", "thompson"} else None,
    }


@lawful
@given(size=st.integers(1, 300), chance=st.floats(0, 1, exclude_max=True), data=st.data())
def test_even_shares_are_drawn_as_from_a_list(size: int, chance: float, data: st.DataObject) -> None:
    winners = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    if data.draw(st.booleans()):
        chance = min(data.draw(st.integers(0, len(winners))) / len(winners), 1 - 2**-53)  # at the end of a share
    shares = Even(size, mask_of(winners, size))
    plain = [1.0 / len(winners) if at in winners else 0.0 for at in range(size)]
    assert shares == plain
    assert [shares[at] for at in range(-size, size)] == plain + plain
    sums = list(accumulate(plain))
    drawn = bisect_right(sums, chance * sums[-1])
    assert shares.draw(chance) == Array(np.array(plain)).draw(chance) == drawn


def test_a_share_of_more_models_than_there_are_is_an_error() -> None:
    with pytest.raises(IndexError):
        Even(3, 0b101)[3]


@lawful
@given(moves=st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.0, 1.0, 2.0]))))
def test_a_ranking_knows_who_has_each_number(moves: list[tuple[int, float]]) -> None:
    now = [1.0] * 5
    ranking = Ranking(((number, at) for at, number in enumerate(now)), 5)
    for at, number in moves:
        ranking.remove(now[at], at)
        ranking.add(number, at)
        now[at] = number
        assert list(ranking) == sorted(set(now))
        for each in ranking:
            assert ranking.mask(each) == mask_of([at for at in range(5) if now[at] == each], 5)


@lawful
@given(changes=st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=30))
def test_an_earlier_state_can_be_had_whatever_came_after_it(changes: list[tuple[int, int]]) -> None:
    line = Timeline([0] * 4)
    views, states = [line.view()], [line.now.copy()]
    for at, value in changes:
        line.put(at, value)
        views.append(line.view())
        states.append(line.now.copy())
    assert [view() for view in views] == states


def test_who_follows_a_mapping_hears_of_every_change_or_that_it_must_begin_anew() -> None:
    noted: Noted[int] = Noted()
    follower, late = Follower(noted), Follower(noted)
    heard: set[str] = set()
    for number in range(20_000):
        noted[f"m{number % 7}"] = number
        noted.journal.note(f"m{number % 7}")
        if number % 5 == 4:
            fresh = follower.changed(noted)
            assert fresh is not None
            heard.update(fresh)
    assert heard == set(noted)
    assert late.changed(noted) is None
    assert follower.changed({"m1": 1}) is None
    plain = Follower({"a": 1, "b": 1})
    assert set(plain.changed({"a": 2, "c": 1}) or ()) == {"a", "b", "c"}
    assert list(plain.changed({"a": 2, "c": 1}) or ()) == []
    assert plain.changed(noted) is None


@pytest.mark.parametrize("kinds", [3, 400, 2000])
def test_shares_among_very_many_are_those_of_the_plain_integral(kinds: int) -> None:
    chance = np.random.default_rng(5)
    which = chance.integers(0, kinds, 2000)
    means, deviations = chance.random(kinds)[which] * 0.1, (0.05 + chance.random(kinds) * 0.1)[which]
    points = np.linspace(
        (means - 3 * deviations).max(), (means + (1.5 + (2 * np.log(2001)) ** 0.5) * deviations).max(), 49
    )
    z = (points - means[:, None]) / deviations[:, None]
    below = (np.tanh(z * (0.7978845608 + 0.035677408 * z * z)) + 1 + 1e-9) / 2
    others = below.prod(axis=0) / below
    share = (np.diff(below) * (others[:, 1:] + others[:, :-1])).sum(axis=1)
    found = win_probabilities(means, deviations)
    assert found == pytest.approx(share / share.sum(), abs=1e-12)
    assert (found[which == which[0]] == found[0]).all()


@pytest.mark.parametrize("name", ["cheapest", "fastest", "best", "round_robin", "ucb", "thompson", "adaptive"])
def test_a_thousand_models_are_decided_upon_as_plain_lists_say(name: str) -> None:
    draw = Random(3)
    models = [
        make_spec(
            f"m{number}",
            cost_per_1m_input_tokens=draw.choice([0.1, 0.5, 2.0]),
            cost_per_1m_output_tokens=draw.choice([0.4, 0.6, 9.0]),
            quality={"general": draw.choice([0.4, 0.6])},
            latency_p50=draw.choice([None, 0.5, 0.7]),
            serves=draw.choice([None, None, "arm-a", "arm-b"]),
        )
        for number in range(1000)
    ]
    story = [
        (draw.choice(["decide", "observe", "score"]), Request(messages="hi"), _ANSWERED, draw.random())
        for _ in range(60)
    ]
    with few(10_000):
        expected = [told(decision) for decision in play(name, models, story, seed=4)]
    found = [told(decision) for decision in play(name, models, story, seed=4)]
    assert [each["model"] for each in found] == [each["model"] for each in expected]
    for here, there in zip(found, expected, strict=True):
        assert np.allclose(here["probabilities"], there["probabilities"], rtol=0, atol=1e-12)
        assert np.allclose(here["scores"], there["scores"], rtol=0, atol=1e-12)


def test_calls_under_way_count_in_the_nursery() -> None:
    calls: dict[str, float] = {"a": 0, "b": 0, "c": 0}
    pending: dict[str, int] = {}
    journal = Journal()

    def called(arm: str) -> float:
        return calls[arm] + pending.get(arm, 0)

    nursery = Nursery(["a", "b", "c"], [7, 8, 9], journal, pending, called, 2)
    assert nursery.next(pending, called) == 7
    pending["a"] = 1
    assert nursery.next(pending, called) == 8
    del pending["a"]
    assert nursery.next(pending, called) == 7
    pending["a"] = 2  # had enough at once: never asked again
    calls["b"] = 1
    journal.note("b")
    assert nursery.next(pending, called) == 9
    del pending["a"]
    calls["c"] = 2
    journal.note_all()
    assert nursery.next(pending, called) == 8
    calls["b"] = 2
    journal.note("b")
    assert nursery.next(pending, called) is None
