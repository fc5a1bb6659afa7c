"""Failover on a fake clock: order, deadline, cost, retries, blame; sync and async say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from calls.upstreams import ASK, Make, Upstream
from samples import StatusError, make_spec

from pointsman import (
    AllModelsFailedError,
    Attempt,
    ModelRegistry,
    NoEligibleModelsError,
    Outcome,
    Request,
    Router,
)
from pointsman.errors import CostLimitError, EmptyAnswerError
from pointsman.testing import FakeClock


def test_the_first_choice_answers(make_router: Make, clock: FakeClock, drive: Callable[..., Any]) -> None:
    upstream = Upstream(clock)
    assert drive(make_router(), upstream) == "cheap answers"
    assert upstream.calls == ["cheap"]


@pytest.mark.parametrize(
    "fault",
    [
        StatusError(500), StatusError(503), StatusError(529), StatusError(429), StatusError(401), StatusError(404),
        StatusError(402), ConnectionResetError(), TimeoutError(), ValueError("?"), "", "hang",
    ],
    ids=repr,
)  # fmt: skip
def test_a_failure_goes_to_the_next_eligible_model(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any], fault: Any
) -> None:
    upstream = Upstream(clock, cheap=fault)
    assert drive(make_router(), upstream) == "plain answers"
    assert upstream.calls == ["cheap", "plain"], "each eligible model once, cheapest first"


def test_only_eligible_models_are_ever_called(make_router: Make, clock: FakeClock, drive: Callable[..., Any]) -> None:
    down = StatusError(500)
    upstream = Upstream(clock, cheap=down, good=down, fast=down, plain=down)
    ask = Request(input_tokens=60_000)
    with pytest.raises(AllModelsFailedError):
        drive(make_router(), upstream, ask)
    assert set(upstream.calls) == {"good"}, "60,000 tokens fit nowhere else, not even as a fallback"


def test_a_bad_request_is_raised_as_it_came_and_goes_nowhere_else(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    error = StatusError(400)
    upstream = Upstream(clock, cheap=error)
    with pytest.raises(StatusError) as caught:
        drive(make_router(), upstream)
    assert caught.value is error
    assert upstream.calls == ["cheap"]


def test_when_all_fail_the_error_carries_each_cause_within_the_deadline(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    down = StatusError(503)
    upstream = Upstream(clock, cheap=down, good=down, fast=down, plain=down)
    started = clock.monotonic()
    with pytest.raises(AllModelsFailedError) as caught:
        drive(make_router(), upstream, deadline=3)
    assert clock.monotonic() - started <= 3
    assert set(caught.value.models) == {"openai:cheap", "openai:good", "openai:fast", "openai:plain"}
    assert all(isinstance(cause, StatusError) for cause in caught.value.exceptions)
    assert upstream.calls[:4] == ["cheap", "plain", "fast", "good"], "everybody once before anybody twice"


def test_hangs_share_the_deadline_so_that_others_get_a_turn(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    upstream = Upstream(clock, cheap="hang", plain="hang")
    started = clock.monotonic()
    assert drive(make_router(), upstream, deadline=8) == "fast answers"
    assert clock.monotonic() - started == pytest.approx(4 + 2 + 0.1)
    upstream = Upstream(clock, cheap="hang", plain="hang", fast="hang", good="hang")
    started = clock.monotonic()
    with pytest.raises(AllModelsFailedError):
        drive(make_router(), upstream, deadline=8)
    assert clock.monotonic() - started <= 8.0001


def test_an_attempt_takes_no_longer_than_its_timeout(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    started = clock.monotonic()
    assert drive(make_router(), Upstream(clock, cheap="hang"), deadline=60, timeout=2) == "plain answers"
    assert clock.monotonic() - started == pytest.approx(2.1)


def test_a_single_model_is_asked_again_after_a_pause(
    clock: FakeClock, make_router: Make, drive: Callable[..., Any]
) -> None:
    router = make_router(registry=ModelRegistry([make_spec("only")]))
    upstream = Upstream(clock, only=[StatusError(503)])
    assert drive(router, upstream) == "only answers"
    assert upstream.calls == ["only", "only"]


def test_a_rate_limited_only_model_is_asked_when_it_said_if_the_deadline_allows(
    clock: FakeClock, make_router: Make, drive: Callable[..., Any]
) -> None:
    router = make_router(registry=ModelRegistry([make_spec("only")]))
    upstream = Upstream(clock, only=[StatusError(429, retry_after="4")])
    started = clock.monotonic()
    assert drive(router, upstream, deadline=10) == "only answers"
    assert clock.monotonic() - started == pytest.approx(4.2, abs=0.5)
    upstream = Upstream(clock, only=[StatusError(429, retry_after="40")])
    clock.advance(1000)
    with pytest.raises(AllModelsFailedError) as caught:
        drive(router, upstream, deadline=10)
    assert caught.value.retry_after == pytest.approx(40, abs=1)
    assert upstream.calls == ["only"]


def test_an_overflow_only_goes_to_a_strictly_larger_window(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    error = StatusError(400)
    error.code = "context_length_exceeded"  # type: ignore[attr-defined]
    upstream = Upstream(clock, cheap=error)
    assert drive(make_router(), upstream) == "fast answers", "plain is next in price, but its window is smaller"
    assert upstream.calls == ["cheap", "fast"]


def test_money_is_a_limit_too(make_router: Make, clock: FakeClock, drive: Callable[..., Any]) -> None:
    down = StatusError(500)
    upstream = Upstream(clock, cheap=down, plain=down)
    with pytest.raises(AllModelsFailedError) as caught:
        drive(make_router(), upstream, Request(input_tokens=1000, max_output_tokens=1000), max_cost=0.002)
    assert set(upstream.calls) == {"cheap", "plain"}
    assert any(isinstance(cause, CostLimitError) for cause in caught.value.exceptions)


def test_the_number_of_attempts_is_a_limit_where_it_is_set(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    down = StatusError(500)
    upstream = Upstream(clock, cheap=down, plain=down, fast=down, good=down)
    with pytest.raises(AllModelsFailedError, match="stopped by attempts"):
        drive(make_router(), upstream, attempts=2)
    assert upstream.calls == ["cheap", "plain"]


def test_poison_requests_eject_nobody(make_router: Make, clock: FakeClock, drive: Callable[..., Any]) -> None:
    router = make_router()
    for _ in range(30):
        assert drive(router, Upstream(clock)) == "cheap answers"
        poison = StatusError(500)
        with pytest.raises(AllModelsFailedError):
            drive(router, Upstream(clock, cheap=poison, plain=poison, fast=poison, good=poison), attempts=3)
    assert router.health("cheap").state == "healthy"
    assert router.health("cheap").available_in == 0


def test_a_dead_model_is_passed_over_after_a_few_requests(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    router = make_router()
    upstream = Upstream(clock, cheap=ConnectionRefusedError())
    for _ in range(20):
        drive(router, upstream)
    assert upstream.calls.count("cheap") == 5
    assert router.decide(ASK).model == "openai:plain"
    assert router.decide(ASK).fallbacks[-1] == "openai:cheap", "and stays the last resort"


def test_the_last_resort_is_tried_when_everybody_is_ill(
    make_router: Make, clock: FakeClock, drive: Callable[..., Any]
) -> None:
    router = make_router(registry=ModelRegistry([make_spec("only")]))
    for _ in range(6):
        router.observe(router.decide(ASK), Outcome(error=ConnectionRefusedError()))
    decision = router.decide(ASK)
    assert decision.override == "last_resort"
    assert drive(router, Upstream(clock)) == "only answers"


def test_control_flow_passes_through_untouched(make_router: Make, clock: FakeClock, drive: Callable[..., Any]) -> None:
    class GraphBubbleUp(Exception):  # noqa: N818  LangGraph's own name
        pass

    router = make_router()
    upstream = Upstream(clock, cheap=GraphBubbleUp())
    with pytest.raises(GraphBubbleUp):
        drive(router, upstream)
    assert upstream.calls == ["cheap"]
    assert router.health("cheap").state == "unknown"


async def test_a_cancelled_call_teaches_nothing_and_gives_back_what_it_held(
    make_router: Make, clock: FakeClock
) -> None:
    router = make_router("ucb", registry=ModelRegistry([make_spec("only")]))
    started = asyncio.Event()

    async def hang(_: Attempt) -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    task = asyncio.create_task(router.arun(ASK, hang))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert router.health("only").state == "unknown"
    assert router.statistics()["selection_stats"]["total_attempts"] == 0
    assert router._chooser.pulls.counts == {}


def test_a_call_that_ignores_its_timeout_is_left_behind(registry: ModelRegistry) -> None:
    import threading

    release = threading.Event()

    def stubborn(attempt: Attempt) -> str:
        if attempt.spec.name == "cheap":
            release.wait(30)
        return attempt.spec.name

    try:
        assert Router(registry, "cheapest").run(ASK, stubborn, timeout=0.05) == "plain"
    finally:
        release.set()


def test_an_empty_answer_is_a_failure_of_quality_not_of_health(make_router: Make, clock: FakeClock) -> None:
    router = make_router("ucb", registry=ModelRegistry([make_spec("only")]))
    with pytest.raises(AllModelsFailedError) as caught:
        router.run(ASK, Upstream(clock, only=["", ""]), honours_timeout=True)
    assert all(isinstance(cause, EmptyAnswerError) for cause in caught.value.exceptions)
    assert router.health("only").available_in == 0
    assert router.statistics()["selection_stats"]["model_performance"]["openai:only"]["average_reward"] == 0


def test_without_a_last_resort_an_ill_fleet_is_an_error_of_its_own(make_router: Make) -> None:
    from pointsman import HealthSettings

    router = make_router(registry=ModelRegistry([make_spec("only")]), health=HealthSettings(last_resort=False))
    for _ in range(5):
        router.observe(router.decide(ASK), Outcome(error=ConnectionRefusedError()))
    with pytest.raises(NoEligibleModelsError) as caught:
        router.decide(ASK)
    assert caught.value.stage == "health"
