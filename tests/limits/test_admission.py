"""Room is taken before an attempt and settled after it: who is passed over, who waits, what is given back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import AllModelsFailedError, Attempt, ModelRegistry, Outcome, Request, Router
from pointsman.errors import BudgetExceededError, LimitReachedError
from pointsman.failover.calls import CallSettings
from pointsman.limits.settings import BudgetSettings, LimitSettings
from pointsman.testing import FakeClock

Make = Callable[..., Router]
ASK = Request(input_tokens=100, max_output_tokens=100, tenant="acme")


def answer(tokens_in: int = 10, tokens_out: int = 10) -> dict[str, Any]:
    return {
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out},
    }


class Upstream:
    """Models that answer, or fail as told; keeps who was called."""

    def __init__(self, **faults: Any) -> None:
        self.faults = faults
        self.calls: list[str] = []

    def __call__(self, attempt: Attempt) -> Any:
        self.calls.append(attempt.spec.name)
        fault = self.faults.get(attempt.spec.name)
        if isinstance(fault, BaseException):
            raise fault
        return answer() if fault is None else fault

    async def later(self, attempt: Attempt) -> Any:
        return self(attempt)


def fleet(*specs: dict[str, Any]) -> ModelRegistry:
    """Models `a`, `b`, ... each a little dearer than the last."""
    return ModelRegistry(
        [
            make_spec(
                "abcdef"[at],
                **{"cost_per_1m_input_tokens": 10.0**at, "cost_per_1m_output_tokens": 10.0**at, **spec},
            )
            for at, spec in enumerate(specs)
        ]
    )


@pytest.fixture
def make(make_router: Make) -> Make:
    def build(*specs: dict[str, Any], **options: Any) -> Router:
        return make_router(registry=fleet(*specs), **options)

    return build


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def sync(router: Router, upstream: Upstream, asked: Request = ASK, **limits: Any) -> Any:
        return router.run(asked, upstream, honours_timeout=True, **limits)

    def asynchronous(router: Router, upstream: Upstream, asked: Request = ASK, **limits: Any) -> Any:
        async def main() -> Any:
            return await router.arun(asked, upstream.later, **limits)

        with asyncio.Runner() as runner:
            return runner.run(main())

    return sync if request.param == "sync" else asynchronous


def remaining(router: Router) -> dict[str, float]:
    return {key: each["remaining"] for key, each in router.limits().items()}


# -- rates


def test_a_model_at_its_limit_is_passed_over_and_nobody_is_charged(make: Make, ask: Any) -> None:
    router, upstream = make({"rate_limit_rpm": 2}, {}), Upstream()
    for _ in range(5):
        ask(router, upstream)
    assert upstream.calls == ["a", "a", "b", "b", "b"]
    assert router.health("a").state == "healthy"
    assert router.health("a").success_rate == 1


def test_decisions_put_a_model_at_its_limit_behind_the_others_until_it_has_room(
    make: Make, clock: FakeClock, ask: Any
) -> None:
    router, upstream = make({"rate_limit_rpm": 2}, {}), Upstream()
    for _ in range(3):
        ask(router, upstream)
    behind = router.decide(ASK)
    assert (behind.model, behind.fallbacks, behind.override) == ("openai:b", ("openai:a",), "none")
    clock.advance(30)
    assert router.decide(ASK).model == "openai:a"


def test_without_an_alternative_the_call_waits_for_room_within_its_deadline(
    make: Make, clock: FakeClock, ask: Any
) -> None:
    router, upstream = make({"rate_limit_rpm": 2}), Upstream()
    for _ in range(4):
        ask(router, upstream, deadline=40)
    assert clock.monotonic() == pytest.approx(60, abs=1)
    assert upstream.calls == ["a"] * 4


def test_the_earliest_of_several_is_waited_for(make: Make, clock: FakeClock, ask: Any) -> None:
    router, upstream = make({"rate_limit_rpm": 1}, {"rate_limit_rpm": 3}), Upstream()
    for _ in range(5):
        ask(router, upstream)
    assert upstream.calls == ["a", "b", "b", "b", "b"]
    assert clock.monotonic() == pytest.approx(20, abs=0.1)


def test_room_that_comes_after_the_deadline_is_said_at_once(make: Make, clock: FakeClock, ask: Any) -> None:
    router, upstream = make({"rate_limit_rpm": 1}), Upstream()
    ask(router, upstream)
    with pytest.raises(LimitReachedError) as caught:
        ask(router, upstream, deadline=30)
    assert caught.value.code == "E4207"
    assert caught.value.retry_after == pytest.approx(60)
    assert caught.value.models == ("openai:a",)
    assert (clock.monotonic(), upstream.calls) == (0, ["a"])


def test_when_the_others_failed_the_error_says_when_there_is_room(make: Make, ask: Any) -> None:
    router, upstream = make({"rate_limit_rpm": 1}, {}), Upstream(b=StatusError(401))
    ask(router, upstream)
    with pytest.raises(AllModelsFailedError) as caught:
        ask(router, upstream, deadline=10)
    assert [type(each) for each in caught.value.exceptions] == [StatusError, LimitReachedError]
    assert caught.value.retry_after == pytest.approx(60)


def test_tokens_are_reserved_by_the_bound_and_settled_by_the_answer(make: Make, ask: Any) -> None:
    router, upstream = make({"rate_limit_tpm": 1_000}), Upstream(a=answer(30, 12))
    seen = []

    def look(attempt: Attempt) -> Any:
        seen.append(remaining(router)["tpm|openai:a"])
        return upstream(attempt)

    router.run(ASK, look, honours_timeout=True)
    assert seen == [pytest.approx(800)], "100 of the prompt and 100 for the answer"
    assert remaining(router)["tpm|openai:a"] == pytest.approx(958)


def test_a_request_larger_than_the_whole_rate_takes_all_of_it_and_is_sent(make: Make, ask: Any) -> None:
    router, upstream = make({"rate_limit_tpm": 100}), Upstream(a=answer(150, 10))
    ask(router, upstream)
    assert upstream.calls == ["a"]
    with pytest.raises(LimitReachedError):
        ask(router, upstream, deadline=10)


def test_a_prompt_is_counted_where_its_bytes_would_waste_the_rate(make: Make, ask: Any) -> None:
    router = make({"rate_limit_tpm": 3_000})
    seen = []

    def look(attempt: Attempt) -> Any:
        seen.append(3_000 - remaining(router)["tpm|openai:a"])
        return answer()

    words = "hello " * 400
    router.run(Request(messages=words, max_output_tokens=100), look, honours_timeout=True)
    assert seen[0] < 700 < len(words)


def test_models_of_one_credential_share_its_rate(make: Make, ask: Any) -> None:
    key = {"api_key": "env:SHARED"}
    limits = LimitSettings.model_validate({"credentials": {"env:SHARED": {"rpm": 2}}})
    router, upstream = make(key, key, {}, limits=limits), Upstream(a=StatusError(500))
    ask(router, upstream)
    ask(router, upstream)
    assert upstream.calls == ["a", "b", "c"], "two of the credential's, then another's"


def test_of_an_address_its_host_alone_is_shown(make: Make, ask: Any) -> None:
    limits = LimitSettings.model_validate({"credentials": {"openai": {"rpm": 2}}})
    router = make({"api_base": "https://models.test/v1?account=inside"}, limits=limits)
    ask(router, Upstream())
    (key,) = router.limits()
    assert key.startswith("rpm|credential|openai||models.test#")
    assert "inside" not in key


def test_without_a_deadline_nobody_waits_for_hours(make: Make, clock: FakeClock, ask: Any) -> None:
    by_the_day = Answer(
        x_ratelimit_limit_requests="100", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="9h"
    )
    router = make({}, calls=CallSettings(deadline=None))
    ask(router, Upstream(a=by_the_day))
    with pytest.raises(LimitReachedError) as caught:
        ask(router, Upstream())
    assert caught.value.retry_after == pytest.approx(864)
    assert clock.monotonic() == 0


def test_a_small_request_is_not_put_behind_because_a_large_one_had_no_room(make: Make, ask: Any) -> None:
    router, upstream = make({"rate_limit_tpm": 1_000}, {}), Upstream(a=answer(100, 100))
    ask(router, upstream)
    ask(router, upstream, ASK.replace(input_tokens=900))
    assert upstream.calls == ["a", "b"]
    assert router.decide(ASK).model == "openai:a"
    assert router.decide(ASK.replace(input_tokens=900, max_output_tokens=101)).model == "openai:b"


# -- what is given back


@pytest.mark.parametrize(
    ("fault", "requests", "tokens", "usd"),
    [
        (ConnectionRefusedError(), 10, 10_000, 1),
        (StatusError(401), 10, 10_000, 1),
        (StatusError(500), 9, 10_000, 1),
        (StatusError(429), 9, 10_000, 1),
        (StatusError(400), 9, 10_000, 1),
        (TimeoutError(), 9, 9_800, 0.9998),
    ],
    ids=repr,
)  # fmt: skip
def test_a_failure_keeps_what_its_provider_counted(
    make: Make, ask: Any, fault: Exception, requests: float, tokens: float, usd: float
) -> None:
    budget = BudgetSettings.model_validate({"total": {"usd": 1, "requests": 5, "period": "day"}})
    router = make({"rate_limit_rpm": 10, "rate_limit_tpm": 10_000}, budget=budget)
    with pytest.raises(
        type(fault) if isinstance(fault, StatusError) and fault.status_code == 400 else AllModelsFailedError
    ):
        ask(router, Upstream(a=fault), retries=0)
    assert remaining(router) == {
        "rpm|openai:a": pytest.approx(requests),
        "tpm|openai:a": pytest.approx(tokens),
        "usd|total|86400": pytest.approx(usd),
        "requests|total|86400": pytest.approx(5),
    }


def full(router: Router) -> bool:
    return all(each["remaining"] == pytest.approx(each["limit"]) for each in router.limits().values())


async def test_cancelled_calls_leak_nothing(make: Make) -> None:
    budget = BudgetSettings.model_validate({"tenants": {"*": {"usd": 1, "requests": 50, "period": "day"}}})
    router = make({"rate_limit_rpm": 50, "rate_limit_tpm": 100_000}, budget=budget)
    under_way = asyncio.Semaphore(0)

    async def hang(attempt: Attempt) -> Any:
        under_way.release()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(router.arun(ASK, hang)) for _ in range(50)]
    for _ in tasks:
        await under_way.acquire()
    assert remaining(router)["rpm|openai:a"] == 0
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
    )
    assert full(router)


async def test_streams_that_are_left_have_used_what_was_sent(make: Make) -> None:
    router = make({"rate_limit_rpm": 5, "rate_limit_tpm": 10_000})
    chunk = {"choices": [{"delta": {"content": "x"}, "finish_reason": None}]}

    async def chunks(attempt: Attempt) -> AsyncIterator[Any]:
        while True:
            yield chunk

    def sync_chunks(attempt: Attempt) -> Iterator[Any]:
        while True:
            yield chunk

    stream = router.astream(ASK, chunks)
    assert await anext(stream) == chunk
    await stream.aclose()
    sync = router.stream(ASK, sync_chunks, honours_timeout=True)
    assert next(sync) == chunk
    assert router.limits()["tpm|openai:a"]["remaining"] < 10_000 - 2 * 101
    sync.close()
    left = {"rpm|openai:a": 3, "tpm|openai:a": 10_000 - 2 * 101}
    assert remaining(router) == pytest.approx(left)


def test_an_answer_from_a_cache_takes_nothing(make: Make, ask: Any) -> None:
    class Cached(dict[str, Any]):
        _hidden_params = {"cache_hit": True}  # noqa: RUF012  as LiteLLM has it

    router = make({"rate_limit_rpm": 5})
    ask(router, Upstream(a=Cached(answer())))
    assert full(router)


# -- budgets


def budget(**tenants: Any) -> BudgetSettings:
    return BudgetSettings.model_validate(
        {"tenants": {"*" if name == "everybody" else name: each for name, each in tenants.items()}}
    )


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


# -- many at once


def test_four_threads_send_no_more_than_the_limit(make: Make) -> None:
    router, upstream = make({"rate_limit_rpm": 60}, {}), Upstream()

    def work() -> None:
        for _ in range(50):
            router.run(ASK, upstream, honours_timeout=True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (upstream.calls.count("a"), upstream.calls.count("b")) == (60, 140)


async def test_many_that_wait_for_one_model_are_all_served_at_its_rate(make: Make, clock: FakeClock) -> None:
    router, upstream = make({"rate_limit_rpm": 60}), Upstream()
    await asyncio.gather(*(router.arun(ASK, upstream.later, deadline=None) for _ in range(100)))
    assert len(upstream.calls) == 100
    assert clock.monotonic() >= 40, "60 at once and one per second after"


# -- learnt, and observed


class Answer(dict[str, Any]):
    """A response with headers, as LangChain has them."""

    def __init__(self, **headers: str) -> None:
        super().__init__(answer())
        self.response_metadata = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}


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
