"""The learner: what it finds out, how fast it forgets, and what it keeps to."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from samples import make_spec

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.policies import Context, Lesson
from pointsman.policies.adaptive import AdaptivePolicy
from pointsman.registry.arms import Arms
from pointsman.testing import FakeClock

SUM = "What is 17 times 23 plus 4? Solve the equation and give the number."
CODE = "def f(x):\n    return [y for y in x if y]\n\nassert f([1, None]) == ??"


def rated(name: str, quality: float | None, price: float | None = 1.0, **fields: Any) -> Any:
    return make_spec(
        name,
        quality={} if quality is None else {"general": quality},
        cost_per_1m_input_tokens=price,
        cost_per_1m_output_tokens=price,
        **fields,
    )


def arms_of(*specs: Any) -> Arms:
    return Arms(specs, mask=1)


def ask(policy: AdaptivePolicy, arms: Arms, prompt: str = SUM, **request: Any) -> tuple[dict[str, float], Context]:
    context = Context(Request(messages=prompt, **request), input_tokens=100, output_tokens=200)
    shares = policy.probabilities(arms, context)
    return {spec.name: share for spec, share in zip(arms, shares, strict=True)}, context


def lesson(name: str, quality: float | None, prompt: str = SUM, **facts: Any) -> Lesson:
    arm = f"openai:{name}"
    request = Request(messages=prompt)
    return Lesson(arm=arm, key=arm, decision_id="d", ok=True, reward=1.0, quality=quality, request=request, **facts)


def grown(policy: AdaptivePolicy, arms: Arms) -> AdaptivePolicy:
    """Past the nursery."""
    while ask(policy, arms)[1].override == "nursery":
        pass
    return policy


def live(
    policy: AdaptivePolicy, arms: Arms, steps: int, quality: Callable[[str, str], float], seed: int = 5
) -> list[str]:
    """Serve prompts of two kinds and score every answer; who served."""
    chance, served = Random(seed), []
    for step in range(steps):
        prompt = f"{(SUM, CODE)[step % 2]} {step}"
        shares, context = ask(policy, arms, prompt)
        name = chance.choices(list(shares), list(shares.values()))[0]
        score = float(chance.random() < quality(name, prompt))
        policy.learn(lesson(name, score, prompt, memo=context.memo, output_tokens=200, input_tokens=100))
        served.append(name)
    return served


def test_without_any_score_catalogue_quality_and_cost_decide() -> None:
    arms = arms_of(rated("good", 0.8, 1.0), rated("dear", 0.81, 10.0), rated("poor", 0.5, 0.5))
    shares, _ = ask(grown(AdaptivePolicy(), arms), arms)
    assert max(shares, key=shares.__getitem__) == "good"


@pytest.mark.parametrize(("cost_weight", "winner"), [(0.0, "best"), (0.1, "good"), (5.0, "cheap")])
def test_the_cost_weight_says_what_quality_is_worth(cost_weight: float, winner: str) -> None:
    arms = arms_of(rated("best", 0.9, 30.0), rated("good", 0.86, 3.0), rated("cheap", 0.6, 0.1))
    shares, _ = ask(grown(AdaptivePolicy(cost_weight=cost_weight), arms), arms)
    assert max(shares, key=shares.__getitem__) == winner


def test_latency_counts_when_it_is_weighed() -> None:
    arms = arms_of(rated("slow", 0.8, latency_p50=9.0), rated("quick", 0.75, latency_p50=0.5))
    assert ask(grown(AdaptivePolicy(), arms), arms)[0]["slow"] > 0.5
    assert ask(grown(AdaptivePolicy(latency_weight=0.3), arms), arms)[0]["quick"] > 0.5


def test_it_finds_the_better_model_whatever_the_catalogue_says() -> None:
    arms = arms_of(rated("praised", 0.9), rated("humble", 0.6))
    policy = AdaptivePolicy()
    served = live(policy, arms, 400, lambda name, _: {"praised": 0.4, "humble": 0.8}[name])
    assert served[200:].count("humble") > 180


def test_it_learns_who_is_good_at_what() -> None:
    arms = arms_of(rated("reckoner", 0.7), rated("coder", 0.7))
    policy = AdaptivePolicy()
    live(policy, arms, 600, lambda name, prompt: 0.9 if (name == "coder") == (CODE in prompt) else 0.3)
    assert ask(policy, arms, SUM)[0]["reckoner"] > 0.8
    assert ask(policy, arms, CODE)[0]["coder"] > 0.8


def test_expertise_picks_the_prior_until_scores_know_better() -> None:
    arms = arms_of(
        make_spec("lawyer", quality={"law": 0.9, "coding": 0.3}),
        make_spec("coder", quality={"law": 0.3, "coding": 0.9}),
    )
    policy = grown(AdaptivePolicy(), arms)
    assert ask(policy, arms, expertise="law")[0]["lawyer"] > 0.9
    assert ask(policy, arms, expertise="coding")[0]["coder"] > 0.9


def test_drift_raises_an_alarm_and_is_followed() -> None:
    arms = arms_of(rated("star", 0.8), rated("steady", 0.75))
    policy = AdaptivePolicy()
    live(policy, arms, 800, lambda name, _: {"star": 0.9, "steady": 0.7}[name])
    assert policy.alarms == 0
    served = live(policy, arms, 300, lambda name, _: {"star": 0.2, "steady": 0.7}[name])
    assert policy.alarms >= 1
    assert served[150:].count("steady") > 120


def test_scores_may_come_late_and_in_any_order() -> None:
    arms = arms_of(rated("a", 0.7), rated("b", 0.6))
    lessons = [lesson("ab"[number % 2], (number * 7 % 10) / 10, f"{SUM} {number}") for number in range(30)]
    policies = [grown(AdaptivePolicy(), arms) for _ in range(3)]
    for policy, order in zip(policies, (lessons, lessons[::-1], lessons[1::2] + lessons[::2]), strict=True):
        for each in order:
            policy.learn(each)
    first, *others = [ask(policy, arms, CODE)[0] for policy in policies]
    assert all(each == pytest.approx(first) for each in others)


def test_a_score_from_another_process_brings_its_features_along() -> None:
    arms = arms_of(rated("a", 0.7), rated("b", 0.6))
    here, there = grown(AdaptivePolicy(), arms), grown(AdaptivePolicy(), arms)
    memo = json.loads(json.dumps(ask(here, arms, CODE)[1].memo))
    here.learn(lesson("a", 1.0, CODE))
    there.learn(Lesson(arm="openai:a", key="openai:a", decision_id="d", ok=True, reward=1.0, quality=1.0, memo=memo))
    assert ask(here, arms, CODE)[0] == pytest.approx(ask(there, arms, CODE)[0], abs=1e-3)


def test_the_memo_holds_numbers_and_no_words() -> None:
    memo = ask(AdaptivePolicy(), arms_of(rated("a", 0.7)), "my secret diary")[1].memo
    assert all(isinstance(value, float) and len(str(value)) < 8 for value in memo)


def test_the_nursery_does_not_wait_for_outcomes_that_never_come() -> None:
    arms = arms_of(rated("a", None), rated("b", None))
    policy = AdaptivePolicy(nursery=3)
    overrides = [ask(policy, arms)[1].override for _ in range(10)]
    assert overrides == ["nursery"] * 6 + [None] * 4


def test_new_models_get_their_nursery_and_hopeless_ones_do_not() -> None:
    specs = [rated("a", 0.8), rated("b", 0.9, 2.0), rated("worse", 0.5, 5.0)]
    policy, arms = AdaptivePolicy(nursery=4), arms_of(*specs)
    served = []
    while (asked := ask(policy, arms))[1].override == "nursery":
        served.append(max(asked[0], key=asked[0].__getitem__))
    assert sorted(served) == ["a"] * 4 + ["b"] * 4
    shares, context = ask(policy, arms_of(*specs, rated("new", None)))
    assert context.override == "nursery"
    assert max(shares, key=shares.__getitem__) == "new"


def test_nobody_explores_for_scores_that_never_come() -> None:
    arms = arms_of(rated("a", 0.7), rated("b", 0.69))
    policy = grown(AdaptivePolicy(), arms)
    early = ask(policy, arms)[0]["b"]
    for _ in range(2000):
        policy.learn(lesson("a", None))
        policy.learn(lesson("b", None))
    assert ask(policy, arms)[0]["b"] < early / 2


def test_a_price_change_needs_no_relearning() -> None:
    policy = AdaptivePolicy()
    before = arms_of(rated("a", 0.7, 1.0), rated("b", 0.7, 1.0))
    live(policy, before, 300, lambda name, _: 0.7)
    learnt = policy.statistics()
    after = arms_of(rated("a", 0.7, 1.0), rated("b", 0.7, 50.0))
    assert ask(policy, after)[0]["a"] > 0.9
    assert policy.statistics() == learnt


def test_a_request_may_weigh_quality_cost_and_latency_otherwise() -> None:
    arms = arms_of(
        rated("best", 0.9, 30.0, latency_p50=5.0),
        rated("good", 0.86, 3.0, latency_p50=9.0),
        rated("quick", 0.6, 1.0, latency_p50=0.2),
    )
    policy = grown(AdaptivePolicy(), arms)

    def favourite(**weights: float) -> str:
        shares = ask(policy, arms, weights=weights)[0]
        return max(shares, key=shares.__getitem__)

    assert favourite() == "good"
    assert favourite(cost=0) == "best"
    assert favourite(quality=0) == "quick"
    assert favourite(latency=2) == "quick"


def test_a_score_that_knows_less_counts_less_and_makes_room_for_one_that_knows_more() -> None:
    def after(*told: Lesson) -> tuple[float, dict[str, dict[str, float]]]:
        policy = grown(AdaptivePolicy(), arms)
        for each in told:
            policy.learn(each)
        return ask(policy, arms)[0]["a"], policy.statistics()

    arms = arms_of(rated("a", 0.7), rated("b", 0.7))
    checked = lesson("a", 1.0, weight=0.2)
    judged = lesson("a", 0.0, counted=True, revised=(1.0, 0.2))
    assert 0.5 < after(checked)[0] < after(lesson("a", 1.0))[0]
    share, statistics = after(checked, judged)
    expected, straight = after(lesson("a", 0.0))
    assert share == pytest.approx(expected)
    assert statistics["openai:a"] == pytest.approx(straight["openai:a"])


def test_scores_of_nothing_but_a_second_kind_never_raise_an_alarm() -> None:
    policy, arms = AdaptivePolicy(), arms_of(rated("a", 0.7), rated("b", 0.6))
    grown(policy, arms)
    for _ in range(200):
        policy.learn(lesson("a", 0.0, weight=0.3))
    assert policy.alarms == 0


def test_answers_that_are_useless_count_against_a_model_without_any_score() -> None:
    arms = arms_of(rated("a", 0.7), rated("b", 0.69))
    policy = grown(AdaptivePolicy(), arms)
    for _ in range(30):
        policy.learn(Lesson(arm="openai:a", key="openai:a", decision_id="d", ok=False, reward=0.0))
        policy.learn(Lesson(arm="openai:b", key="openai:b", decision_id="d", ok=True, reward=1.0))
    assert ask(policy, arms)[0]["b"] > 0.95


def test_deployments_of_one_arm_share_what_is_known_and_its_probability() -> None:
    arms = arms_of(rated("east", 0.8, serves="m"), rated("west", 0.8, serves="m"), rated("other", 0.75))
    policy = grown(AdaptivePolicy(), arms)
    shares, _ = ask(policy, arms)
    assert shares["east"] == shares["west"]
    for _ in range(60):
        policy.learn(Lesson(arm="m", key="openai:east", decision_id="d", ok=True, reward=1.0, quality=0.1))
    assert ask(policy, arms)[0]["other"] > 0.9


def test_an_embedding_may_be_given_for_some_requests_and_not_for_others() -> None:
    arms = arms_of(rated("a", 0.7), rated("b", 0.7))
    policy = AdaptivePolicy()
    live(policy, arms, 40, lambda name, _: 0.7)
    for number in range(400):
        direction = [1.0, 0.0] if number % 2 else [0.0, 1.0]
        for name in "ab":
            good = (name == "a") == bool(number % 2)
            memo = [1.0, *[0.0] * 16, *[2 * value for value in direction], *[0.0] * 30]
            policy.learn(lesson(name, float(good), memo=memo))
    assert ask(policy, arms, features=[1.0, 0.0])[0]["a"] > 0.9
    assert ask(policy, arms, features=[0.0, 1.0])[0]["b"] > 0.9
    assert sum(ask(policy, arms)[0].values()) == pytest.approx(1)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_spending_keeps_to_the_budget(share: float) -> None:
    arms = arms_of(rated("dear", 0.95, 100.0), rated("middle", 0.75, 20.0), rated("cheap", 0.4, 1.0))
    cost = {"dear": 0.03, "middle": 0.006, "cheap": 0.0003}
    policy = AdaptivePolicy(budget_per_request=share * cost["dear"], cost_weight=0.0)
    chance, spent, steps = Random(2), 0.0, 1500
    for step in range(steps):
        shares, context = ask(policy, arms, f"{SUM} {step}")
        name = chance.choices(list(shares), list(shares.values()))[0]
        score = float(chance.random() < {"dear": 0.95, "middle": 0.75, "cheap": 0.4}[name])
        spent += cost[name]
        policy.learn(lesson(name, score, memo=context.memo, cost=cost[name], input_tokens=100, output_tokens=200))
    assert spent / steps <= 1.02 * share * cost["dear"]
    assert spent / steps >= 0.8 * share * cost["dear"]


def test_two_replicas_that_raise_the_same_alarm_agree_afterwards() -> None:
    arms = arms_of(rated("a", 0.8), rated("b", 0.7))
    replicas = [AdaptivePolicy(), AdaptivePolicy()]
    for seed, policy in enumerate(replicas):
        live(policy, arms, 300, lambda name, _: {"a": 0.9, "b": 0.6}[name], seed)
    for one, other in ((0, 1), (1, 0)):
        replicas[other].merge(f"replica-{one}", json.loads(json.dumps(replicas[one].state())))
    for seed, policy in enumerate(replicas):
        live(policy, arms, 120, lambda name, _: {"a": 0.1, "b": 0.6}[name], seed)
        assert policy.alarms >= 1
    states = [json.loads(json.dumps(policy.state())) for policy in replicas]
    readers = [AdaptivePolicy(), AdaptivePolicy()]
    for reader, order in zip(readers, ((0, 1, 0), (1, 0)), strict=True):
        for replica in order:
            reader.merge(f"replica-{replica}", states[replica])
    assert readers[0].statistics() == readers[1].statistics()
    assert ask(grown(readers[0], arms), arms)[0] == ask(grown(readers[1], arms), arms)[0]
    assert ask(readers[0], arms)[0]["b"] > 0.9


def test_a_removed_model_keeps_its_history() -> None:
    policy, both = AdaptivePolicy(), arms_of(rated("a", 0.5), rated("b", 0.9))
    live(policy, both, 300, lambda name, _: {"a": 0.9, "b": 0.3}[name])
    alone = arms_of(rated("b", 0.9))
    live(policy, alone, 50, lambda name, _: 0.3)
    assert ask(policy, arms_of(rated("a", 0.5), rated("b", 0.9)))[0]["a"] > 0.9


@pytest.mark.parametrize(
    "options",
    [{"cost_weight": -1}, {"floor": 1.0}, {"exploration": 0}, {"nursery": math.nan}, {"budget_per_request": 0}],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options)).split("_")[0]):
        AdaptivePolicy(**options)


def test_scores_reach_the_learner_from_another_process(tmp_path: Any, registry: ModelRegistry) -> None:
    store = f"sqlite:///{tmp_path}/learnt.db"
    first = Router(registry, "adaptive", store, clock=FakeClock(), seed=1)
    ids = []
    for number in range(40):
        decision = first.decide(Request(messages=f"{SUM} {number}"))
        first.observe(decision, Outcome(input_tokens=50, output_tokens=50, seconds=1.0))
        ids.append(decision.id)
    first.close()
    second = Router(registry, "adaptive", store, clock=FakeClock(), seed=2)
    for decision_id in ids:
        second.feedback(decision_id, 0.5)
    learnt = second.statistics()["selection_stats"]["model_performance"]
    assert sum(row["scored"] for row in learnt.values()) == 40
    assert sum(row["attempts"] for row in learnt.values()) == 40
    second.close()


def test_neither_the_package_nor_a_simple_policy_loads_numpy() -> None:
    code = (
        "import sys, pointsman; from pointsman import ModelRegistry, ModelSpec, Router; "
        "registry = ModelRegistry([ModelSpec(name='m', provider='openai', capabilities=['generation.text.chat'])]); "
        "Router(registry, 'ucb').decide('hi'); assert 'numpy' not in sys.modules; "
        "Router(registry, 'adaptive').decide('hi'); assert 'numpy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_row_of_an_older_version_is_read_and_what_it_did_not_count_starts_at_nought() -> None:
    old, arms = AdaptivePolicy(), arms_of(rated("a", 0.7), rated("b", 0.7))
    for _ in range(30):
        old.learn(lesson("b", 1.0, cost=0.01))
    rows = json.loads(json.dumps(old.state()))
    del rows["openai:b"]["billed"], rows["openai:b"]["reward"]
    heir = AdaptivePolicy()
    heir.merge("older", rows)
    assert heir.ignored == 0
    assert heir.statistics()["openai:b"]["scored"] == 30
    assert ask(grown(heir, arms), arms)[0]["b"] > 0.55


def test_a_score_of_a_model_that_is_gone_harms_nobody_and_counts_when_it_comes_back() -> None:
    policy, arms = AdaptivePolicy(), arms_of(rated("a", 0.7))
    grown(policy, arms)
    for _ in range(30):
        policy.learn(lesson("b", 1.0))
    assert ask(policy, arms)[0] == {"a": 1.0}
    both = arms_of(rated("a", 0.7), rated("b", 0.7))
    assert ask(grown(policy, both), both)[0]["b"] > 0.55
