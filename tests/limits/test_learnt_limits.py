"""Limits that answers tell of, and attempts that others made."""

from __future__ import annotations

from typing import Any

import pytest
from limits.upstreams import ASK, Answer, Make, Upstream, answer, budget, remaining
from samples import StatusError

from pointsman import Outcome
from pointsman.errors import BudgetExceededError
from pointsman.limits.settings import LimitSettings
from pointsman.testing import FakeClock


def test_what_headers_say_is_kept_to(make: Make, ask: Any) -> None:
    told = Answer(x_ratelimit_limit_requests="10", x_ratelimit_remaining_requests="1", x_ratelimit_reset_requests="54s")
    router, upstream = make({}, {}), Upstream(a=told)
    for _ in range(4):
        ask(router, upstream)
    assert upstream.calls == ["a", "a", "b", "b"]
    assert router.limits()["rpm|openai:a"]["limit"] == 10


def test_a_refusal_teaches_too(make: Make, ask: Any) -> None:
    error = StatusError(429, x_ratelimit_limit_tokens="1000", x_ratelimit_remaining_tokens="0")
    router = make({}, {})
    ask(router, Upstream(a=error))
    assert router.limits()["tpm|openai:a"]["remaining"] == 0
    assert router.decide(ASK).model == "openai:b"


def test_nothing_is_learnt_where_that_is_switched_off(make: Make, ask: Any) -> None:
    told = Answer(x_ratelimit_limit_requests="10", x_ratelimit_remaining_requests="0")
    router = make({}, limits=LimitSettings(learn_from_headers=False))
    ask(router, Upstream(a=told))
    assert router.limits() == {}


@pytest.mark.parametrize("value", ["NaN", "-1", "9" * 400])
def test_hostile_headers_cost_nothing_but_a_count(make: Make, ask: Any, value: str) -> None:
    router, upstream = make({"rate_limit_rpm": 5}), Upstream(a=Answer(x_ratelimit_remaining_requests=value))
    ask(router, upstream)
    assert remaining(router)["rpm|openai:a"] == pytest.approx(4)
    assert router.statistics()["ignored_headers"] == 1


def test_an_answer_that_claims_thousands_of_millions_of_tokens_blocks_a_model_for_two_periods_at_most(
    make: Make, clock: FakeClock, ask: Any
) -> None:
    router, upstream = make({"rate_limit_tpm": 1_000}), Upstream(a=answer(10**9, 10**9))
    ask(router, upstream)
    clock.advance(120)
    ask(router, upstream, deadline=1)
    assert upstream.calls == ["a", "a"]


def test_attempts_of_others_count_and_order_decisions(make: Make) -> None:
    router = make({"rate_limit_rpm": 2}, {}, budget=budget(acme={"requests": 3, "period": "day"}))
    for _ in range(2):
        decision = router.decide(ASK)
        router.observe(decision, Outcome(input_tokens=10, output_tokens=10))
    assert router.decide(ASK).model == "openai:b"
    router.check_budget("acme")
    router.observe(router.decide(ASK), Outcome(input_tokens=10, output_tokens=10))
    with pytest.raises(BudgetExceededError):
        router.check_budget("acme")
