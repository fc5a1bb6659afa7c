"""Calls that nobody waits for any more: no probe, no task, no pull, no room stays taken, and nobody is blamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import AllModelsFailedError, Attempt, ModelRegistry, Request, Router
from pointsman.limits.buckets import Take
from pointsman.limits.memory import MemoryBuckets
from pointsman.testing import FakeClock

ASK = Request(input_tokens=100)
Make = Callable[..., Router]


def chunk(text: str = "", finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


@pytest.fixture
def router(make_router: Make, clock: FakeClock) -> Router:
    """A router whose only model is half open: the next call has its one probe."""
    made = make_router("ucb", registry=ModelRegistry([make_spec("only")]))
    break_only(made, clock)
    return made


def break_only(router: Router, clock: FakeClock) -> None:
    def down(_: Attempt) -> Any:
        raise StatusError(500)

    for _ in range(5):
        with pytest.raises(AllModelsFailedError):
            router.run(ASK, down, honours_timeout=True, retries=0)
    clock.advance(6)
    assert router.health("only").state == "recovering"


def check_nothing_is_held(router: Router) -> None:
    assert router._chooser.pulls.counts == {}
    assert router.statistics()["selection_stats"]["total_attempts"] == 0, "failures without a reward, and nothing since"
    assert router.health("only").state == "recovering", "neither failed nor served"
    assert router._health.admit(router.registry.get_model("only")), "the probe was given back"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_call_holds_nothing(router: Router, interruption: type[BaseException]) -> None:
    def call(_: Attempt) -> Any:
        raise interruption

    with pytest.raises(interruption):
        router.run(ASK, call, honours_timeout=True)
    check_nothing_is_held(router)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_passes_through_a_guarded_call(router: Router, interruption: type[BaseException]) -> None:
    def call(_: Attempt) -> Any:
        raise interruption

    with pytest.raises(interruption):
        router.run(ASK, call)
    check_nothing_is_held(router)


async def test_a_cancelled_task_holds_nothing(router: Router) -> None:
    started = asyncio.Event()

    async def hang(_: Attempt) -> Any:
        started.set()
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    task = asyncio.create_task(router.arun(ASK, hang))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() <= before
    check_nothing_is_held(router)


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_stream_left_early_holds_nothing_and_closes_its_source(router: Router, chunks: int) -> None:
    closed: list[bool] = []

    def call(_: Attempt) -> Iterator[Any]:
        try:
            for _number in range(10):
                yield chunk("word")
        finally:
            closed.append(True)

    stream = router.stream(ASK, call, honours_timeout=True)
    for _ in range(chunks):
        next(stream)
    stream.close()
    assert closed == [True]
    check_nothing_is_held(router)


@pytest.mark.parametrize("content", ["", "word"], ids=["before content", "after content"])
async def test_a_cancelled_stream_holds_nothing_and_closes_its_source(router: Router, content: str) -> None:
    waiting, closed = asyncio.Event(), asyncio.Event()

    async def call(_: Attempt) -> AsyncIterator[Any]:
        try:
            yield chunk(content)
            waiting.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def consume() -> None:
        stream = router.astream(ASK, call)
        try:
            async for _ in stream:
                pass
        finally:
            await stream.aclose()

    before = asyncio.all_tasks()
    task = asyncio.create_task(consume())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
    assert asyncio.all_tasks() <= before
    check_nothing_is_held(router)


async def test_an_async_stream_closed_early_holds_nothing(router: Router) -> None:
    async def call(_: Attempt) -> AsyncIterator[Any]:
        for _number in range(10):
            yield chunk("word")

    stream = router.astream(ASK, call)
    await anext(stream)
    await stream.aclose()
    check_nothing_is_held(router)


class SlowBuckets(MemoryBuckets):
    """Buckets that take their time for who awaits them."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.asked = asyncio.Event()

    async def atake(self, takes: Sequence[Take]) -> float:
        self.asked.set()
        await asyncio.Event().wait()
        return self.take(takes)


async def test_a_call_cancelled_while_it_waits_for_room_leaves_the_probe_to_others(
    make_router: Make, clock: FakeClock
) -> None:
    buckets = SlowBuckets(clock)
    router = make_router("ucb", registry=ModelRegistry([make_spec("only", rate_limit_rpm=100)]), buckets=buckets)
    break_only(router, clock)

    async def never(_: Attempt) -> Any:
        raise AssertionError("there was no room yet")

    task = asyncio.create_task(router.arun(ASK, never))
    await buckets.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert router._health.admit(router.registry.get_model("only")), "the probe was given back"


def cancelled_by_itself(names: list[str]) -> Callable[[Attempt], Any]:
    """A client whose first connection is closed under it, as when a pool shuts down; it answers on the next."""

    async def call(attempt: Attempt) -> Any:
        names.append(attempt.model)
        if len(names) == 1:
            raise asyncio.CancelledError
        return {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

    return call


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_of_the_model(make_router: Make) -> None:
    router = make_router("cheapest", registry=ModelRegistry([make_spec("a"), make_spec("b")]))
    names: list[str] = []
    await router.arun(ASK, cancelled_by_itself(names))
    assert sorted(names) == ["openai:a", "openai:b"]
    assert router._chooser.pulls.counts == {}


async def test_a_timeout_around_the_call_is_no_failure_of_the_model(router: Router) -> None:
    async def hang(_: Attempt) -> Any:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await router.arun(ASK, hang)
    check_nothing_is_held(router)
