"""Asking one model again: tenacity's strategies, the server's own hint, whose budget it is, and who else may be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import tenacity
from samples import StatusError, make_spec

from pointsman import AllModelsFailedError, Attempt, ModelRegistry, Request, Router
from pointsman.config import read_settings
from pointsman.errors import CatalogError
from pointsman.failover.calls import CallSettings, RetryBudget
from pointsman.testing import FakeClock

Make = Callable[..., Router]
ASK = Request(input_tokens=100)


class Down:
    """Fails so many times, then answers; keeps when it was called."""

    def __init__(self, clock: FakeClock, times: int = 10**9, error: Exception | None = None) -> None:
        self.clock = clock
        self.times = times
        self.error = error or StatusError(503)
        self.calls: list[tuple[str, float]] = []

    def __call__(self, attempt: Attempt) -> str:
        self.calls.append((attempt.spec.key, self.clock.monotonic()))
        if len(self.calls) <= self.times:
            raise self.error
        return attempt.spec.key

    async def later(self, attempt: Attempt) -> str:
        return self(attempt)

    @property
    def pauses(self) -> list[float]:
        times = [at for _, at in self.calls]
        return [round(after - before, 6) for before, after in pairwise(times)]


@pytest.fixture
def only(make_router: Make) -> Callable[..., Router]:
    return lambda **options: make_router(registry=ModelRegistry([make_spec("only")]), **options)


def run(router: Router, down: Down, **limits: Any) -> Any:
    return router.run(ASK, down, honours_timeout=True, **limits)


def test_tenacitys_wait_and_stop_decide_when_a_model_is_asked_again(only: Make, clock: FakeClock) -> None:
    down = Down(clock)
    router = only(retry_wait=tenacity.wait_exponential(multiplier=1), retry_stop=tenacity.stop_after_attempt(4))
    with pytest.raises(AllModelsFailedError):
        run(router, down)
    assert down.pauses == [1, 2, 4]


def test_a_call_may_bring_its_own_strategies(only: Make, clock: FakeClock) -> None:
    down = Down(clock, times=2)
    assert run(only(), down, retry_wait=tenacity.wait_fixed(3), retry_stop=tenacity.stop_never) == "openai:only"
    assert down.pauses == [3, 3]
    with pytest.raises(AllModelsFailedError):
        run(only(), Down(clock), retry_stop=tenacity.stop_after_attempt(1))


def test_async_calls_ask_the_same_strategies(only: Make, clock: FakeClock) -> None:
    down = Down(clock, times=2)

    async def main() -> Any:
        return await only(retry_wait=tenacity.wait_fixed(3)).arun(ASK, down.later, retries=2)

    with asyncio.Runner() as runner:
        assert runner.run(main()) == "openai:only"
    assert down.pauses == [3, 3]


def test_a_strategy_sees_an_honest_state(only: Make, clock: FakeClock) -> None:
    seen: list[tuple[int, float | None, Any, float]] = []

    def wait(state: tenacity.RetryCallState) -> float:
        failure = None if state.outcome is None else state.outcome.exception()
        seen.append((state.attempt_number, state.seconds_since_start, failure, state.idle_for))
        clock.advance(0.5)
        return 2.0

    error = StatusError(503)
    with pytest.raises(AllModelsFailedError):
        run(only(retry_wait=wait), Down(clock, error=error), retries=2)
    assert seen == [(1, 0.0, error, 0.0), (2, 2.5, error, 2.0)]


def test_stopping_before_a_delay_looks_at_the_pause_to_come(only: Make, clock: FakeClock) -> None:
    down = Down(clock)
    with pytest.raises(AllModelsFailedError):
        run(only(retry_wait=tenacity.wait_fixed(4), retry_stop=tenacity.stop_before_delay(10)), down)
    assert down.pauses == [4, 4]


def test_the_servers_hint_is_the_least_whatever_a_strategy_says(only: Make, clock: FakeClock) -> None:
    down = Down(clock, times=1, error=StatusError(429, retry_after="7"))
    assert run(only(retry_wait=tenacity.wait_none()), down) == "openai:only"
    assert down.pauses == [7]


@pytest.mark.parametrize("pause", [float("nan"), -1.0, -float("inf")])
def test_a_pause_that_is_none_is_none(only: Make, clock: FakeClock, pause: float) -> None:
    down = Down(clock, times=1)
    assert run(only(retry_wait=lambda _: pause), down) == "openai:only"
    assert down.pauses == [0]


def test_no_strategy_outlasts_the_deadline_or_the_retry_budget(only: Make, clock: FakeClock) -> None:
    down, began = Down(clock), clock.monotonic()
    with pytest.raises(AllModelsFailedError):
        run(only(retry_wait=tenacity.wait_fixed(1), retry_stop=tenacity.stop_never), down, deadline=5)
    assert clock.monotonic() - began <= 5
    down = Down(clock)
    with pytest.raises(AllModelsFailedError):
        run(only(retry_wait=tenacity.wait_none(), retry_stop=tenacity.stop_never), down)
    assert len(down.calls) == 11, "one call, and the ten retries that a new router has to spend"


def test_strategies_are_no_settings_of_a_file() -> None:
    with pytest.raises(CatalogError, match="retry_wait"):
        read_settings({"calls": {"retry_wait": "tenacity.wait_none"}})
    assert "retry_wait" not in CallSettings.model_json_schema()["properties"]


# -- the budget


def test_over_any_traffic_retries_are_a_fifth_of_it_or_the_first_ten() -> None:
    budget = RetryBudget()
    spent = 0
    for requests in range(1, 2001):
        budget.deposit()
        while budget.withdraw():
            spent += 1
        assert spent <= max(10, 0.2 * requests + 1e-6)
    assert spent >= 0.19 * 2000


def test_when_everything_is_down_each_request_costs_a_fifth_more_than_one_call(
    make_router: Make, clock: FakeClock
) -> None:
    router, down = make_router(), Down(clock)
    for _ in range(500):
        with pytest.raises(AllModelsFailedError):
            run(router, down, deadline=3)
    assert len(down.calls) <= 1.2 * 500 + 3, "three others are asked once before anything is known of them"


def test_also_when_all_of_it_served_a_moment_ago(make_router: Make, clock: FakeClock) -> None:
    router, fine = make_router(), Down(clock, times=0)
    for name in ("cheap", "plain", "fast", "good"):
        for _ in range(20):
            router.run(Request(model=name, input_tokens=9), fine, honours_timeout=True)
    down = Down(clock)
    for _ in range(1000):
        clock.advance(0.001)
        with pytest.raises(AllModelsFailedError):
            run(router, down, deadline=3)
    assert len(down.calls) / 1000 <= 1.3, "a few more, until it is clear that it is not the requests"


# -- the scope


@pytest.fixture
def fleet(clock: FakeClock, make_router: Make) -> Router:
    prices = {"azure:one": 1, "openai:one": 2, "openai:two": 3, "groq:three": 4}
    specs = [
        make_spec(
            key.split(":")[1],
            provider=key.split(":")[0],
            serves=key.split(":")[1],
            cost_per_1m_input_tokens=price,
            cost_per_1m_output_tokens=price,
        )
        for key, price in prices.items()
    ]
    return make_router(registry=ModelRegistry(specs))


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ("any", ["azure:one", "openai:one", "openai:two", "groq:three"]),
        ("model", ["azure:one", "openai:one"]),
        ("provider", ["azure:one"]),
    ],
)
def test_after_a_failure_only_who_is_in_scope_is_asked(
    fleet: Router, clock: FakeClock, scope: Any, asked: list[str]
) -> None:
    down = Down(clock)
    with pytest.raises(AllModelsFailedError):
        run(fleet, down, retry_scope=scope, retries=0)
    assert [key for key, _ in down.calls] == asked


def test_who_is_alone_in_its_scope_gets_the_whole_deadline(fleet: Router, clock: FakeClock) -> None:
    limits: list[float | None] = []

    def call(attempt: Attempt) -> str:
        limits.append(attempt.timeout)
        return "fine"

    fleet.run(ASK, call, honours_timeout=True, retry_scope="provider")
    fleet.run(ASK, call, honours_timeout=True)
    assert limits == [60, 30]


def test_the_scope_is_a_setting_too() -> None:
    assert read_settings({"calls": {"retry_scope": "model"}}).calls.retry_scope == "model"
    with pytest.raises(CatalogError, match="retry_scope"):
        read_settings({"calls": {"retry_scope": "universe"}})
