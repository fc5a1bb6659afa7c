"""How long an attempt may take: configured, adaptive, until a stream's first content, between chunks; and what a hang teaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from random import Random
from typing import Any

import pytest
from samples import make_spec

from pointsman import AllModelsFailedError, Attempt, ModelRegistry, Request, Router, StreamInterruptedError
from pointsman.failover.calls import CallLedger, CallSettings
from pointsman.failover.pace import Pace
from pointsman.testing import FakeClock

Make = Callable[..., Router]
ASK = Request(input_tokens=100)


def chunk(text: str = "", finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"role": "assistant", "content": text}, "finish_reason": finish}]}


class Upstream:
    """Models that take their time on the fake clock; keeps which timeout each was given."""

    def __init__(self, clock: FakeClock, **seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self.asked: list[tuple[str, float | None]] = []

    def __call__(self, attempt: Attempt) -> str:
        self.asked.append((attempt.spec.name, attempt.timeout))
        needed = self.seconds.get(attempt.spec.name, 0.1)
        limit = attempt.timeout
        if limit is not None and needed > limit:
            self.clock.advance(limit)
            raise TimeoutError
        self.clock.advance(needed)
        return attempt.spec.name


def run(router: Router, upstream: Upstream, **limits: Any) -> Any:
    return router.run(ASK, upstream, honours_timeout=True, **limits)


def test_two_hundred_requests_to_a_hanging_favourite_pay_its_timeout_once(make_router: Make, clock: FakeClock) -> None:
    router, upstream = make_router(), Upstream(clock)
    for _ in range(50):
        run(router, upstream, timeout=2)
    upstream.seconds["cheap"] = 1e9
    took = []
    for _ in range(200):
        began = clock.monotonic()
        run(router, upstream, timeout=2)
        took.append(clock.monotonic() - began)
    slow = [seconds for seconds in took if seconds > 0.2]
    assert len(slow) <= 2, "200 requests take 20 s; the second payer is the probe that asks whether it is back"
    assert max(took) == pytest.approx(2.1)
    assert sorted(took)[197] == pytest.approx(0.1)


def test_one_slow_answer_while_others_come_is_no_hang(make_router: Make, clock: FakeClock) -> None:
    router, upstream = make_router(), Upstream(clock)
    run(router, upstream)

    def slow_but_alive(attempt: Attempt) -> str:
        if attempt.spec.name == "cheap":
            clock.advance(3)
            run(router, upstream)  # somebody else is served by it meanwhile
            raise TimeoutError
        return attempt.spec.name

    router.run(ASK, slow_but_alive, honours_timeout=True, timeout=3.1)
    assert router.decide(ASK).model == "openai:cheap"


def test_a_timeout_that_was_stingy_says_nothing_of_the_model(make_router: Make, clock: FakeClock) -> None:
    router, upstream = make_router(), Upstream(clock, cheap=4.0)
    for _ in range(20):
        run(router, upstream)
    for _ in range(20):
        run(router, upstream, timeout=1)
    assert router.decide(ASK).model == "openai:cheap"


def test_a_hanging_model_is_left_alone_soon_also_if_its_timeout_is_hardly_more_than_it_takes(
    make_router: Make, clock: FakeClock
) -> None:
    router, upstream = make_router(), Upstream(clock, cheap=0.8)
    for _ in range(20):
        run(router, upstream, timeout=1)
    upstream.seconds["cheap"] = 1e9
    for _ in range(6):
        run(router, upstream, timeout=1)
    assert router.decide(ASK).model != "openai:cheap"
    assert [name for name, _ in upstream.asked[20:]].count("cheap") == 5


def test_a_stream_that_hangs_is_judged_by_its_first_content_not_by_how_long_streams_run(
    make_router: Make, clock: FakeClock, collect: Callable[..., list[Any]]
) -> None:
    long: Script = [(0.5, chunk("a")), (30.0, chunk(finish="stop"))]
    router, streams = make_router(), Streams(clock, cheap=long)
    for _ in range(10):
        collect(router, streams, ttft_timeout=3)
    streams.scripts["cheap"] = [(1.0, chunk())] * 100
    for _ in range(2):
        collect(router, streams, ttft_timeout=3)
    assert router.decide(ASK).model != "openai:cheap"


def test_without_a_timeout_a_model_gets_four_times_its_slowest_once_ten_answers_are_known(
    make_router: Make, clock: FakeClock
) -> None:
    router, upstream = make_router(), Upstream(clock, cheap=3.0)
    for _ in range(10):
        run(router, upstream)
    assert {timeout for _, timeout in upstream.asked} == {30.0}, "half of the deadline while nothing is known"
    upstream.asked.clear()
    run(router, upstream)
    assert upstream.asked == [("cheap", 12.0)]
    run(router, upstream, timeout=7)
    assert upstream.asked[-1] == ("cheap", 7), "what is configured wins"


def test_fast_models_get_ten_seconds_nevertheless_and_the_last_one_all_that_is_left(
    make_router: Make, clock: FakeClock
) -> None:
    router, upstream = make_router(), Upstream(clock)
    for _ in range(12):
        run(router, upstream)
    assert upstream.asked[-1] == ("cheap", 10.0)
    alone, upstream = make_router(registry=ModelRegistry([make_spec("only")])), Upstream(clock)
    for _ in range(12):
        run(alone, upstream)
    assert upstream.asked[-1] == ("only", 60.0)


def test_adaptive_timeouts_can_be_turned_off(make_router: Make, clock: FakeClock) -> None:
    router, upstream = make_router(calls=CallSettings(adaptive_timeout=False)), Upstream(clock)
    for _ in range(20):
        run(router, upstream)
    assert {timeout for _, timeout in upstream.asked} == {30.0}


@pytest.mark.parametrize(
    ("settings", "streamed", "timeout", "idle"),
    [
        ({}, False, 30, None),
        ({}, True, 30, 60),
        ({"timeout": 9}, False, 9, None),
        ({"timeout": 9}, True, 9, 9),
        ({"timeout": 9, "ttft_timeout": 2}, False, 9, None),
        ({"timeout": 9, "ttft_timeout": 2}, True, 2, 9),
        ({"ttft_timeout": 2, "idle_timeout": 1}, True, 2, 1),
        ({"deadline": None}, False, None, None),
        ({"deadline": None, "ttft_timeout": 2}, True, 2, 60),
        ({"deadline": 2, "timeout": 9}, True, 1, 9),
    ],
)
def test_which_setting_applies_where(
    clock: FakeClock, settings: dict[str, Any], streamed: bool, timeout: float | None, idle: float | None
) -> None:
    ledger = CallLedger(CallSettings(**settings), clock, streamed=streamed)
    assert ledger.timeout(others_left=True) == timeout
    assert ledger.idle_timeout == idle


def test_the_pace_forgets_what_is_older_than_a_hundred_answers() -> None:
    pace = Pace()
    pace.took("m", 50.0, streamed=False)
    for _ in range(9):
        assert pace.slowest("m", streamed=False) is None
        pace.took("m", 1.0, streamed=False)
    assert pace.slowest("m", streamed=False) == 50.0
    for _ in range(91):
        pace.took("m", 1.0, streamed=False)
    assert pace.slowest("m", streamed=False) == 1.0
    assert pace.slowest("m", streamed=True) is None, "streams are counted apart"


def test_the_slowest_is_that_of_the_last_hundred_whatever_comes() -> None:
    pace, rng, seen = Pace(), Random(1), list[float]()
    for number in range(1_000):
        seen.append(rng.choice((0.0, 1.0, rng.random(), 100.0 / (1 + number % 137))))
        pace.took("m", seen[-1], streamed=False)
        if number >= 9:
            assert pace.slowest("m", streamed=False) == max(seen[-100:])


# -- streams

Script = list[tuple[float, Any]]


class Streams:
    """Streams whose chunks come after so many seconds of the fake clock."""

    def __init__(self, clock: FakeClock, **scripts: Script) -> None:
        self.clock = clock
        self.scripts = scripts

    def __call__(self, attempt: Attempt) -> Iterator[Any]:
        for seconds, item in self.scripts.get(attempt.spec.name, [(0.1, chunk("fine")), (0.1, chunk(finish="stop"))]):
            self.clock.advance(seconds)
            yield item

    async def later(self, attempt: Attempt) -> AsyncIterator[Any]:
        for item in self(attempt):
            yield item


@pytest.fixture(params=["sync", "async"])
def collect(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    def sync(router: Router, streams: Streams, **limits: Any) -> list[Any]:
        return list(router.stream(ASK, streams, honours_timeout=True, **limits))

    def asynchronous(router: Router, streams: Streams, **limits: Any) -> list[Any]:
        async def main() -> list[Any]:
            return [each async for each in router.astream(ASK, streams.later, **limits)]

        with asyncio.Runner() as runner:
            return runner.run(main())

    return sync if request.param == "sync" else asynchronous


def test_empty_chunks_do_not_buy_time_until_the_first_content(
    make_router: Make, clock: FakeClock, collect: Callable[..., list[Any]]
) -> None:
    drip: Script = [(1.0, chunk())] * 100
    router, began = make_router(), clock.monotonic()
    assert collect(router, Streams(clock, cheap=drip), ttft_timeout=3)[0] == chunk("fine")
    assert clock.monotonic() - began == pytest.approx(3.2)
    assert router.decide(ASK).model != "openai:cheap", "a model that sends nothing hangs"


def test_content_may_come_slower_than_the_first_of_it(
    make_router: Make, clock: FakeClock, collect: Callable[..., list[Any]]
) -> None:
    slow: Script = [(1.0, chunk("a")), (20.0, chunk("b")), (20.0, chunk(finish="stop"))]
    assert len(collect(make_router(), Streams(clock, cheap=slow), ttft_timeout=3, deadline=10)) == 3


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_stream_that_stalls_after_content_is_interrupted(registry: ModelRegistry, how: str) -> None:
    """On the real clock: the source never comes back, so only the idle timeout can end the wait."""
    import threading

    release = threading.Event()
    router = Router(registry, "cheapest")

    def stalling(_: Attempt) -> Iterator[Any]:
        yield chunk("half")
        release.wait(30)

    async def astalling(_: Attempt) -> AsyncIterator[Any]:
        yield chunk("half")
        await asyncio.Event().wait()

    async def adrain() -> None:
        async for _ in router.astream(ASK, astalling, idle_timeout=0.05, ttft_timeout=20):
            pass

    def drain() -> None:
        if how == "async":
            return asyncio.run(adrain())
        for _ in router.stream(ASK, stalling, idle_timeout=0.05, ttft_timeout=20):
            pass
        return None

    try:
        with pytest.raises(StreamInterruptedError) as caught:
            drain()
        assert isinstance(caught.value.__cause__, TimeoutError)
    finally:
        release.set()


def test_all_hang_and_the_deadline_is_kept(make_router: Make, clock: FakeClock) -> None:
    router = make_router()
    began = clock.monotonic()
    with pytest.raises(AllModelsFailedError):
        run(router, Upstream(clock, cheap=1e9, plain=1e9, fast=1e9, good=1e9), deadline=3)
    assert clock.monotonic() - began <= 3.0001


@pytest.mark.parametrize("seconds", [1e18, float("inf")])
@pytest.mark.parametrize("limit", ["deadline", "timeout", "idle_timeout"])
def test_a_limit_without_end_is_one_that_threads_and_loops_can_wait_for(
    make_router: Make, limit: str, seconds: float
) -> None:
    router = make_router(cache=True)
    limits: Any = {limit: seconds}

    async def answer(_: Attempt) -> str:
        return "text"

    def chunks(_: Attempt) -> Iterator[Any]:
        yield from (chunk("text"), chunk("", "stop"))

    assert router.run(ASK, lambda _: "text", **limits) == "text"
    assert router.run(Request(messages="hello", cache=True), lambda _: "text", **limits) == "text"
    assert asyncio.run(router.arun(ASK, answer, **limits)) == "text"
    assert len(list(router.stream(ASK, chunks, **limits))) == 2
