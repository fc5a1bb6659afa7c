"""One contract for every policy: what it spreads is a distribution, what it learns merges, nothing upsets it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import LONG, make_spec

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.policies import Context, LearningPolicy, Lesson, Policy, make_policy, policy_names
from pointsman.registry.arms import Arms
from pointsman.testing import FakeClock

NAMES = policy_names()
LEARNERS = [name for name in NAMES if isinstance(make_policy(name), LearningPolicy)]

settings.register_profile(
    "policies", max_examples=200 if LONG else 25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
lawful = settings(settings.get_profile("policies"))

shares = st.floats(0, 1)
prices = st.none() | st.floats(0, 100)
specs = st.lists(
    st.builds(
        make_spec,
        st.sampled_from([f"m{number}" for number in range(12)]),
        quality=st.dictionaries(st.sampled_from(["coding", "reasoning"]), shares, max_size=2),
        cost_per_1m_input_tokens=prices,
        cost_per_1m_output_tokens=prices,
        latency_p50=st.none() | st.floats(0, 60),
        priority=st.none() | st.integers(-3, 3),
        weight=st.none() | st.floats(0, 10),
        serves=st.none() | st.sampled_from(["arm-a", "arm-b"]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda spec: spec.name,
)
texts = st.text(max_size=80) | st.sampled_from(["What is 2 + 2?", "def f(x): return x", "Write a poem."])
requests = st.builds(
    Request,
    messages=texts,
    expertise=st.sampled_from([(), ("coding",), ("coding", "law")]),
    max_output_tokens=st.none() | st.integers(0, 4000),
    features=st.none() | st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40),
)


@st.composite
def lessons(draw: st.DrawFn, arms: Sequence[str] = ("openai:m0", "openai:m1", "openai:m2", "arm-a")) -> Lesson:
    arm = draw(st.sampled_from(arms))
    return Lesson(
        arm=arm,
        key=arm,
        decision_id=draw(st.text(max_size=4)),
        ok=draw(st.booleans()),
        reward=draw(st.none() | shares),
        quality=draw(st.none() | shares),
        cost=draw(st.none() | st.floats(0, 1)),
        input_tokens=draw(st.none() | st.integers(0, 10_000)),
        output_tokens=draw(st.none() | st.integers(0, 10_000)),
        memo=draw(st.none() | st.lists(st.floats(-1, 1), min_size=17, max_size=17)),
        counted=draw(st.booleans()),
    )


def spread(policy: Policy, arms: Arms, request: Request) -> list[float]:
    return list(policy.probabilities(arms, Context(request, input_tokens=100, output_tokens=200)))


def taught(name: str, told: Sequence[Lesson], **options: Any) -> Any:
    policy = make_policy({"name": name, **options})
    for lesson in told:
        policy.learn(lesson)
    return policy


def flat(statistics: dict[str, dict[str, float]]) -> dict[str, float]:
    return {f"{arm}/{name}": value for arm, row in statistics.items() for name, value in row.items()}


def as_stored(policy: LearningPolicy) -> Any:
    return json.loads(json.dumps(policy.state(), allow_nan=False))


@pytest.mark.parametrize("name", NAMES)
@lawful
@given(specs=specs, request_=requests, told=st.lists(lessons(), max_size=30))
def test_probabilities_sum_to_one_and_are_not_negative(
    name: str, specs: list[Any], request_: Request, told: list[Lesson]
) -> None:
    policy = taught(name, told)
    arms = Arms(specs, mask=1)
    for _ in range(3):
        shares = spread(policy, arms, request_)
        assert len(shares) == len(specs)
        assert min(shares) >= 0
        assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("name", ["adaptive", "thompson"])
@lawful
@given(specs=specs, request_=requests, told=st.lists(lessons(), max_size=30), floor=st.floats(0, 0.5))
def test_no_probability_is_below_the_floor(
    name: str, specs: list[Any], request_: Request, told: list[Lesson], floor: float
) -> None:
    policy = taught(name, told, floor=floor)
    assert min(spread(policy, Arms(specs, mask=1), request_)) >= floor / len(specs) - 1e-12


@pytest.mark.parametrize("name", NAMES)
@lawful
@given(specs=specs, request_=requests, told=st.lists(lessons(), max_size=30), data=st.data())
def test_the_order_of_candidates_does_not_matter(
    name: str, specs: list[Any], request_: Request, told: list[Lesson], data: st.DataObject
) -> None:
    other = Arms(data.draw(st.permutations(specs)), mask=1)
    first, second = taught(name, told), taught(name, told)
    arms = Arms(specs, mask=1)
    for _ in range(3):
        here = dict(zip(arms.keys, spread(first, arms, request_), strict=True))
        there = dict(zip(other.keys, spread(second, other, request_), strict=True))
        assert here == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@lawful
@given(specs=specs, request_=requests)
def test_a_policy_leaves_scores_for_every_candidate_or_none(name: str, specs: list[Any], request_: Request) -> None:
    context = Context(request_, input_tokens=100, output_tokens=200)
    make_policy(name).probabilities(Arms(specs, mask=1), context)
    assert context.scores is None or len(context.scores) == len(specs)
    json.dumps(context.memo, allow_nan=False)


@pytest.mark.parametrize("name", LEARNERS)
@lawful
@given(specs=specs, request_=requests, told=st.lists(lessons(), max_size=40))
def test_state_comes_back_from_json_as_it_was(
    name: str, specs: list[Any], request_: Request, told: list[Lesson]
) -> None:
    policy, heir = taught(name, told), make_policy(name)
    assert isinstance(heir, LearningPolicy)
    heir.merge("before", as_stored(policy))
    assert flat(heir.statistics()) == pytest.approx(flat(policy.statistics()))
    arms = Arms(specs, mask=1)
    assert spread(heir, arms, request_) == pytest.approx(spread(policy, arms, request_), abs=1e-6)


@pytest.mark.parametrize("name", LEARNERS)
@lawful
@given(specs=specs, request_=requests, told=st.lists(st.lists(lessons(), max_size=15), min_size=3, max_size=3))
def test_merging_is_commutative_associative_and_idempotent(
    name: str, specs: list[Any], request_: Request, told: list[list[Lesson]]
) -> None:
    grown = [taught(name, each) for each in told]
    old = [as_stored(policy) for policy in grown]
    for policy, more in zip(grown, reversed(told), strict=True):
        for lesson in more:
            policy.learn(lesson)
    new = [as_stored(policy) for policy in grown]
    arms = Arms(specs, mask=1)
    results = []
    for order in permutations(range(3)):
        policy = make_policy(name)
        assert isinstance(policy, LearningPolicy)
        for replica in order:
            # What is old may come late, and everything may come twice.
            for rows in (old, new, old, new) if replica else (new, old):
                policy.merge(f"replica-{replica}", rows[replica])
        results.append((policy.statistics(), spread(policy, arms, request_)))
    for statistics, shares in results:
        assert statistics == results[0][0]
        assert shares == results[0][1]


UNREADABLE = [None, float("nan"), float("inf"), 10**400, "much", [], {}, b"x", object()]
ODD = [*UNREADABLE, -1.0, 2.0, True]


@pytest.mark.parametrize("name", NAMES)
@lawful
@given(
    field=st.sampled_from(["reward", "quality", "cost", "input_tokens", "output_tokens", "seconds", "memo"]),
    value=st.sampled_from(ODD) | st.lists(st.sampled_from(ODD), max_size=3),
    counted=st.booleans(),
)
def test_nothing_odd_in_a_lesson_upsets_a_policy(name: str, field: str, value: Any, counted: bool) -> None:
    lesson = {"arm": "openai:m0", "key": "openai:m0", "decision_id": "d", "ok": True, "reward": 1.0, "quality": 0.5}
    policy = make_policy(name)
    policy.learn(Lesson(**{**lesson, "counted": counted, field: value}))
    policy.learn(Lesson(**{**lesson, "arm": "removed:model"}))  # type: ignore[arg-type]
    arms = Arms([make_spec("m0"), make_spec("m1")], mask=3)
    assert sum(spread(policy, arms, Request(messages="x"))) == pytest.approx(1)
    if isinstance(policy, LearningPolicy):
        as_stored(policy)


@pytest.mark.parametrize("name", LEARNERS)
@lawful
@given(row=st.recursive(st.sampled_from(UNREADABLE), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_rows_that_cannot_be_read_are_counted_and_left_out(name: str, row: Any) -> None:
    policy: Any = taught(name, [Lesson(arm="a", key="a", decision_id="d", ok=True, reward=0.5, quality=0.5)])
    whole = as_stored(policy)["a"]
    spoilt = [row, {**whole, "changes": row}, dict.fromkeys(whole, row)]
    before = policy.statistics()
    for number, each in enumerate(spoilt):
        policy.merge(f"other-{number}", {"a": each})
    assert policy.ignored == len(spoilt)
    assert policy.statistics() == before


@pytest.mark.parametrize("name", LEARNERS)
def test_reset_forgets_everything(name: str) -> None:
    arms = Arms([make_spec("m0"), make_spec("m1")], mask=3)
    request = Request(messages="hi")
    policy = taught(name, [Lesson(arm="openai:m1", key="openai:m1", decision_id="d", ok=True, reward=1.0, quality=1.0)])
    spread(policy, arms, request)
    policy.reset()
    assert policy.state() == {}
    assert policy.statistics() == {}
    assert spread(policy, arms, request) == spread(make_policy(name), arms, request)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_replays_to_the_same_decisions(name: str, registry: ModelRegistry) -> None:
    def play() -> list[str]:
        router = Router(registry, name, seed=11, clock=FakeClock())
        models = []
        for number in range(60):
            decision = router.decide(Request(messages=f"What is {number} times {number}?"))
            models.append(decision.model)
            router.observe(decision, Outcome(input_tokens=20, output_tokens=50, seconds=0.5))
            router.feedback(decision.id, float(decision.model == "openai:fast" or number % 3 == 0))
        return models

    assert play() == play()


def test_a_policy_of_your_own_needs_two_methods(registry: ModelRegistry) -> None:
    class Last:
        def probabilities(self, arms: Arms, context: Context) -> list[float]:
            del context
            return [0.0] * (len(arms) - 1) + [1.0]

        def learn(self, lesson: Lesson) -> None: ...

    decision = Router(registry, Last()).decide("hi")
    assert (decision.model, decision.policy, decision.probability) == ("openai:plain", "Last", 1.0)
