"""Budgets of tenants: what may be spent, what is said when it is spent, and when there is more."""

from __future__ import annotations

from typing import Any

import pytest
from limits.upstreams import ASK, Make, Upstream, answer, budget, remaining

from pointsman import Attempt
from pointsman.errors import BudgetExceededError
from pointsman.testing import FakeClock


def test_a_spent_budget_is_said_before_any_call_with_the_end_of_its_window(
    make: Make, clock: FakeClock, ask: Any
) -> None:
    router, upstream = make({}, {}, budget=budget(acme={"requests": 2, "period": "hour"})), Upstream()
    ask(router, upstream)
    ask(router, upstream)
    with pytest.raises(BudgetExceededError) as caught:
        ask(router, upstream)
    assert caught.value.code == "E4208"
    assert caught.value.retry_after == pytest.approx(3_600 - clock.time() % 3_600)
    assert len(upstream.calls) == 2
    ask(router, upstream, ASK.replace(tenant="other"))
    clock.advance(caught.value.retry_after or 0)
    ask(router, upstream)
    assert len(upstream.calls) == 4


def test_money_that_is_not_enough_for_one_model_may_be_for_another(make: Make, ask: Any) -> None:
    router = make(
        {"priority": 5}, {"priority": 1}, policy="priority", budget=budget(acme={"usd": 0.0005, "period": "day"})
    )
    upstream = Upstream()
    assert router.decide(ASK).model == "openai:b"
    ask(router, upstream)
    assert upstream.calls == ["a"], "200 tokens of b could cost $0.002"


def test_a_request_beyond_the_whole_budget_has_no_time_to_come_back(make: Make, ask: Any) -> None:
    router, upstream = make({}, budget=budget(acme={"usd": 0.0001, "period": "day"})), Upstream()
    with pytest.raises(BudgetExceededError) as caught:
        ask(router, upstream)
    assert (caught.value.retry_after, upstream.calls) == (None, [])


def test_tenants_without_a_name_of_their_own_each_have_what_the_star_says(make: Make, ask: Any) -> None:
    router, upstream = make({}, budget=budget(everybody={"requests": 1, "period": "day"})), Upstream()
    for tenant in ("one", "two", None, "x" * 5_000):
        ask(router, upstream, ASK.replace(tenant=tenant))
        with pytest.raises(BudgetExceededError):
            ask(router, upstream, ASK.replace(tenant=tenant))
    assert all(len(key) < 100 for key in router.limits())


def test_what_a_request_cost_is_what_is_spent(make: Make, ask: Any) -> None:
    router = make({}, budget=budget(acme={"usd": 1, "tokens": 500, "period": "day"}))
    ask(router, Upstream(a=answer(100, 50)))
    assert remaining(router)["usd|tenant|acme|86400"] == pytest.approx(1 - 150 / 1e6)
    assert remaining(router)["tokens|tenant|acme|86400"] == pytest.approx(350)


def test_a_refund_from_a_window_that_has_ended_is_no_credit_in_the_next(make: Make, clock: FakeClock) -> None:
    router = make({}, budget=budget(acme={"tokens": 1_000, "period": "hour"}))

    def slow(attempt: Attempt) -> Any:
        clock.advance(3_600)
        router.run(ASK, Upstream(a=answer(300, 0)), honours_timeout=True)
        return answer(1, 1)

    router.run(ASK, slow, honours_timeout=True, deadline=None)
    assert remaining(router)["tokens|tenant|acme|3600"] == pytest.approx(700)


def test_a_budget_refusal_takes_nothing_of_the_rate(make: Make, ask: Any) -> None:
    router = make({"rate_limit_rpm": 10}, budget=budget(acme={"requests": 1, "period": "day"}))
    for _ in range(3):
        try:
            ask(router, Upstream())
        except BudgetExceededError:
            continue
    assert remaining(router)["rpm|openai:a"] == pytest.approx(9)


def test_an_unlimited_call_asks_no_bucket(make: Make, ask: Any) -> None:
    class Silent:
        """Buckets that nobody may ask."""

        def take(self, *_: Any) -> Any:
            raise AssertionError

        atake = settle = told = take

    router, upstream = make({}, buckets=Silent()), Upstream()
    ask(router, upstream)
    assert upstream.calls == ["a"]
