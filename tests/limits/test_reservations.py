"""Room for attempts that a host makes by itself: who is first, who waits, what is held and given back."""

from __future__ import annotations

from typing import Any

import pytest
from samples import make_spec

from pointsman import ModelRegistry, Outcome, Request, Router
from pointsman.errors import BudgetExceededError, LimitReachedError
from pointsman.faults import FaultKind
from pointsman.testing import FakeClock

ASK = Request(input_tokens=100, max_output_tokens=100, tenant="acme")
BUDGET = {"tenants": {"acme": {"tokens": 1_000, "requests": 10, "period": "day"}}}


def router_of(clock: FakeClock, *rpm: int | None, **options: Any) -> Router:
    models = [
        make_spec("abc"[at], rate_limit_rpm=limit, cost_per_1m_input_tokens=1.0 + at, cost_per_1m_output_tokens=1.0)
        for at, limit in enumerate(rpm)
    ]
    return Router(ModelRegistry(models), "cheapest", clock=clock, **options)


async def begun(router: Router) -> list[str]:
    decision = router.decide(ASK)
    return [spec.name for spec in await router.reservations(decision).begin(decision.specs)]


def left(router: Router, unit: str) -> float:
    return next(each["remaining"] for key, each in router.limits().items() if key.startswith(unit))


async def test_a_plan_begins_with_the_first_that_has_room_and_ends_with_those_that_have_none() -> None:
    router = router_of(FakeClock(), 1, 2, None)
    assert [await begun(router) for _ in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["b", "c", "a"],
        ["c", "a", "b"],
    ]


async def test_if_nobody_has_room_the_earliest_is_waited_for_within_the_deadline() -> None:
    clock = FakeClock()
    router = router_of(clock, 1, 3, calls={"deadline": 25})
    for _ in range(4):
        await begun(router)
    assert await begun(router) == ["b", "a"]
    assert clock.monotonic() == pytest.approx(20, abs=0.1)
    slow = router_of(FakeClock(), 1, calls={"deadline": 25})
    await begun(slow)
    with pytest.raises(LimitReachedError) as full:
        await begun(slow)
    assert full.value.code == "E4207"
    assert full.value.retry_after == pytest.approx(60)


async def test_a_budget_without_room_ends_the_plan() -> None:
    router = router_of(FakeClock(), None, None, budget=BUDGET)
    for _ in range(5):
        await begun(router)
    with pytest.raises(BudgetExceededError):
        await begun(router)


async def test_what_was_taken_is_settled_once_and_what_was_not_begun_is_given_back() -> None:
    router = router_of(FakeClock(), None, None, budget=BUDGET)
    decision = router.decide(ASK)
    held = router.reservations(decision)
    first, second = await held.begin(decision.specs)
    await held.take(second)
    assert left(router, "tokens") == 600
    assert held.settle(first, Outcome(input_tokens=10, output_tokens=20), None)
    assert not held.settle(first, Outcome(input_tokens=10, output_tokens=20), None)
    held.close()
    assert (left(router, "tokens"), left(router, "requests")) == (970, 9)


async def test_a_failure_keeps_what_its_provider_may_bill() -> None:
    router = router_of(FakeClock(), None, budget=BUDGET)
    decision = router.decide(ASK)
    held = router.reservations(decision)
    await held.begin(decision.specs)
    held.settle(decision.spec, Outcome(), FaultKind.TIMEOUT)
    assert left(router, "tokens") == 800


@pytest.mark.parametrize(("told", "kept"), [(True, 130), (False, 107)])
async def test_a_stream_that_was_left_counts_what_was_sent_unless_somebody_knows_better(told: bool, kept: int) -> None:
    router = router_of(FakeClock(), None, budget=BUDGET)
    decision = router.decide(ASK)
    held = router.reservations(decision)
    await held.begin(decision.specs)
    held.left(decision.spec, 7)
    held.close()
    if told:
        held.settle(decision.spec, Outcome(input_tokens=100, output_tokens=30), None)
    assert (left(router, "tokens"), left(router, "requests")) == (1_000 - kept, 9)


def test_without_limits_nothing_is_needed() -> None:
    router = router_of(FakeClock(), None)
    decision = router.decide(ASK)
    assert not router.reservations(decision).needed(decision.specs)
