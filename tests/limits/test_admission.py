"""Room is taken before an attempt: who is passed over, who waits, and how many may go at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from limits.upstreams import ASK, Answer, Make, Upstream, answer, remaining
from samples import StatusError

from pointsman import AllModelsFailedError, Attempt, Request
from pointsman.errors import LimitReachedError
from pointsman.failover.calls import CallSettings
from pointsman.limits.settings import LimitSettings
from pointsman.testing import FakeClock


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
