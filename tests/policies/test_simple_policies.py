"""The policies that do not learn: who they take, and how they share."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from samples import make_spec

from pointsman import ModelRegistry, Outcome, Request, Router


def chosen(policy: Any, models: list[dict[str, Any]], times: int = 40, **wishes: Any) -> Counter[str]:
    router = Router(ModelRegistry(make_spec(**fields) for fields in models), policy, seed=1)
    return Counter(router.decide(Request(input_tokens=10, **wishes)).spec.name for _ in range(times))


def test_best_takes_the_stated_quality_of_the_field_asked_for() -> None:
    models: list[dict[str, Any]] = [
        {"name": "coder", "quality": {"coding": 0.9, "creative": 0.1}},
        {"name": "poet", "quality": {"coding": 0.2, "creative": 0.9}},
        {"name": "unknown"},
    ]
    assert chosen("best", models, expertise="coding") == {"coder": 40}
    assert chosen("best", models, expertise="creative") == {"poet": 40}
    assert chosen("best", models) == {"poet": 40}


def test_fastest_measures_whom_it_does_not_know_then_takes_the_fastest() -> None:
    registry = ModelRegistry([make_spec("stated", latency_p50=0.5), make_spec("slow"), make_spec("quick")])
    router = Router(registry, "fastest", seed=1)
    seconds = {"stated": 0.6, "slow": 2.0, "quick": 0.1}
    first = []
    for _ in range(10):
        decision = router.decide("hi")
        first.append(decision.spec.name)
        router.observe(decision, Outcome(seconds=seconds[decision.spec.name]))
    assert set(first[:2]) == {"slow", "quick"}
    assert set(first[2:]) == {"quick"}


def test_priority_takes_the_first_rank_and_shares_it_by_weight() -> None:
    models: list[dict[str, Any]] = [
        {"name": "a", "priority": 1, "weight": 3},
        {"name": "b", "priority": 1, "weight": 1},
        {"name": "c", "priority": 2, "weight": 100},
        {"name": "d"},
    ]
    shares = chosen("priority", models, times=2000)
    assert set(shares) == {"a", "b"}
    assert shares["a"] / 2000 == pytest.approx(0.75, abs=0.05)
    router = Router(ModelRegistry(make_spec(**fields) for fields in models), "priority", seed=1)
    assert router.decide("hi").fallbacks[-2:] == ("openai:c", "openai:d")


def test_round_robin_is_fair_over_sets_that_differ() -> None:
    models: list[dict[str, Any]] = [{"name": name} for name in "abc"]
    assert chosen("round_robin", models, times=30) == {"a": 10, "b": 10, "c": 10}
    router = Router(ModelRegistry(make_spec(**fields) for fields in models), "round_robin")
    names = [router.decide(Request(exclude={"c"} if number % 2 else set())).spec.name for number in range(60)]
    assert min(Counter(names).values()) >= 15, "who could not be chosen every time is not left behind for it"
