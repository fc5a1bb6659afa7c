"""The policies that do not learn, and the learners on the scalar reward."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from samples import make_spec

from pointsman import ConfigError, Request
from pointsman.policies import Context, Lesson, make_policy
from pointsman.policies.intervals import hoeffding, wilson
from pointsman.policies.ucb import UCBPolicy
from pointsman.registry.arms import Arms


def spread(policy: Any, specs: list[Any], **context: Any) -> list[float]:
    return list(policy.probabilities(Arms(specs, mask=1), Context(context.pop("request", Request()), **context)))


def ucb(**options: Any) -> UCBPolicy:
    made = make_policy({"name": "ucb", **options})
    assert isinstance(made, UCBPolicy)
    return made


def reward(arm: str, value: float) -> Lesson:
    return Lesson(arm=f"openai:{arm}", key=f"openai:{arm}", decision_id="d", ok=True, reward=value)


def test_priority_takes_the_lowest_number_and_shares_by_weight() -> None:
    specs = [
        make_spec("a", priority=2),
        make_spec("b", priority=1, weight=3),
        make_spec("c", priority=1),
        make_spec("d", weight=9),
    ]
    assert spread(make_policy("priority"), specs) == [0, 0.75, 0.25, 0]


def test_without_priorities_all_are_of_one_rank_and_without_weights_equal() -> None:
    assert spread(make_policy("priority"), [make_spec("a"), make_spec("b")]) == [0.5, 0.5]
    assert spread(make_policy("priority"), [make_spec("a", weight=0), make_spec("b", weight=0)]) == [0.5, 0.5]


def test_best_goes_by_the_field_that_is_asked_for() -> None:
    specs = [
        make_spec("coder", quality={"coding": 0.9, "law": 0.2}),
        make_spec("lawyer", quality={"coding": 0.4, "law": 0.8}),
        make_spec("unknown"),
    ]
    policy = make_policy("best")
    assert spread(policy, specs, request=Request(expertise="coding")) == [1, 0, 0]
    assert spread(policy, specs) == [0, 1, 0]
    assert spread(policy, [*specs[2:], make_spec("other")]) == [0.5, 0.5]


def test_fastest_believes_measurements_before_the_catalogue() -> None:
    specs = [make_spec("a", latency_p50=1.0), make_spec("b", latency_p50=2.0)]
    policy = make_policy("fastest")
    assert spread(policy, specs) == [1, 0]
    assert spread(policy, specs, mean_seconds={"openai:a": 5.0}) == [0, 1]


def test_fastest_tries_a_model_of_unknown_latency_with_one_call_at_a_time() -> None:
    specs = [make_spec("a", latency_p50=1.0), make_spec("unknown")]
    policy = make_policy("fastest")
    assert spread(policy, specs) == [0, 1]
    assert spread(policy, specs, pending={"openai:unknown": 1}) == [1, 0]
    assert spread(policy, specs, mean_seconds={"openai:unknown": 1.5}) == [1, 0]


def test_round_robin_gives_everyone_a_turn() -> None:
    policy = make_policy("round_robin")
    a, b, c = (make_spec(name) for name in "abc")
    turns: Counter[str] = Counter()
    for _ in range(60):
        specs = [a, b, c]
        turns[specs[spread(policy, specs).index(1.0)].name] += 1
    assert turns == {"a": 20, "b": 20, "c": 20}


def test_a_new_model_does_not_make_up_for_turns_it_never_had() -> None:
    policy = make_policy("round_robin")
    a, b = make_spec("a"), make_spec("b")
    for _ in range(100):
        spread(policy, [a])
    assert sum(spread(policy, [a, b])[1] for _ in range(10)) == pytest.approx(5)


def test_thompson_is_undecided_at_first_and_then_sure() -> None:
    policy = make_policy({"name": "thompson", "exploration": 1.0})
    specs = [make_spec("a"), make_spec("b"), make_spec("c")]
    assert spread(policy, specs) == pytest.approx([1 / 3] * 3)
    for _ in range(50):
        policy.learn(reward("a", 0.9))
        policy.learn(reward("b", 0.2))
    known = spread(policy, specs)
    assert known[1] < 1e-6
    assert known[0] > known[2] > 0.01  # nobody has tried c


def test_thompson_explores_less_when_told_to() -> None:
    specs = [make_spec("a"), make_spec("b")]
    told = [reward("a", 0.6)] * 10 + [reward("b", 0.5)] * 10
    classic, careful = (make_policy({"name": "thompson", "exploration": width}) for width in (1.0, 0.25))
    for lesson in told:
        classic.learn(lesson)
        careful.learn(lesson)
    assert spread(classic, specs)[1] > spread(careful, specs)[1] > 0


def test_ucb_tells_between_which_bounds_the_truth_lies() -> None:
    narrow, wide = (ucb(confidence_level=level) for level in (0.5, 0.99))
    for policy in (narrow, wide):
        for value in [1.0] * 8 + [0.0] * 2:
            policy.learn(reward("a", value))
    tight, loose = (policy.statistics()["openai:a"] for policy in (narrow, wide))
    for row in (tight, loose):
        assert 0 <= row["average_reward_low"] < row["average_reward"] < row["average_reward_high"] <= 1
        assert 0 <= row["success_rate_low"] < row["success_rate"] <= row["success_rate_high"] <= 1
    assert tight["average_reward_low"] > loose["average_reward_low"]
    assert tight["success_rate_low"] > loose["success_rate_low"]


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_intervals_hold_what_they_promise(level: float) -> None:
    rng = Random(5)
    held = Counter[str]()
    for _ in range(400):
        draws = [float(rng.random() < 0.7) for _ in range(60)]
        for name, bounds in (("wilson", wilson), ("hoeffding", hoeffding)):
            low, high = bounds(sum(draws), 60, level) if name == "wilson" else bounds(sum(draws) / 60, 60, level)
            held[name] += low <= 0.7 <= high
    assert held["wilson"] / 400 == pytest.approx(level, abs=0.05)
    assert held["hoeffding"] / 400 >= level
    assert wilson(0, 0, level) == hoeffding(0.5, 0, level) == (0.0, 1.0)


def test_ucb_gives_every_arm_its_trials_before_it_compares() -> None:
    policy = ucb(min_trials=3)
    specs = [make_spec("a"), make_spec("b")]
    for value, arm in [(0.9, "a"), (0.1, "b")] * 2:
        policy.learn(reward(arm, value))
    policy.learn(reward("a", 0.9))
    assert spread(policy, specs) == [0, 1]
    policy.learn(reward("b", 0.1))
    assert spread(policy, specs) == [1, 0]
    policy.reset()
    assert policy.statistics() == {}
    assert spread(policy, specs) == [0.5, 0.5]


def test_the_exploration_factor_of_other_registries_is_ours() -> None:
    assert ucb(exploration_factor=2.0).exploration == 2.0
    assert ucb().exploration == 0.25
    for wrong in ({"exploration": -1}, {"min_trials": -1}, {"confidence_level": 1.0}, {"confidence_level": 0}):
        with pytest.raises(ConfigError, match="ucb"):
            make_policy({"name": "ucb", **wrong})


def test_a_score_that_knows_more_takes_the_place_of_one_that_knows_less() -> None:
    policy = ucb()
    policy.learn(reward("a", 0.9))
    once = Lesson(arm="openai:a", key="openai:a", decision_id="d", ok=True, counted=True)
    policy.learn(replace(once, quality=0.0, weight=0.3))
    assert policy.mean("openai:a") == pytest.approx(0.9 - 0.3)
    policy.learn(replace(once, quality=0.8, revised=(0.0, 0.3)))
    assert policy.mean("openai:a") == pytest.approx(0.9 - 0.2)
    assert policy.pulls("openai:a") == 1


def test_ucb_counts_calls_under_way_as_pulls() -> None:
    policy = make_policy("ucb")
    specs = [make_spec("a"), make_spec("b")]
    assert spread(policy, specs) == [0.5, 0.5]
    assert spread(policy, specs, pending={"openai:a": 1}) == [0, 1]
    assert spread(policy, specs, pending={"openai:a": 1, "openai:b": 2}) == [1, 0]
