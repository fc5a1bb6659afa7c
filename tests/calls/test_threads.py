"""Guarded calls: threads are used again, a hang costs one of them, context and errors cross over, streams hold back."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pointsman import Router
from pointsman.failover.calls import CallSettings
from pointsman.failover.threads import pumped, watched


@dataclass
class Limited:
    timeout: float | None = 20.0
    model: str = "openai:m"


def me(_: Limited) -> int:
    return threading.get_ident()


def test_one_thread_serves_call_after_call() -> None:
    seen = {watched(me, Limited()) for _ in range(200)}
    assert threading.get_ident() not in seen
    assert len(seen) <= 2


def test_without_a_timeout_no_thread_is_needed() -> None:
    assert watched(me, Limited(timeout=None)) == threading.get_ident()


@pytest.mark.parametrize(
    ("settings", "watched_over"),
    [
        ({}, True),
        ({"deadline": None}, False),
        ({"deadline": None, "timeout": 20}, True),
        ({"deadline": None, "adaptive_timeout": True}, True),
        ({"deadline": None, "adaptive_timeout": False}, False),
    ],
)
def test_a_thread_watches_over_calls_where_somebody_has_limited_their_time(
    make_router: Callable[..., Router], settings: dict[str, Any], watched_over: bool
) -> None:
    router = make_router(calls=CallSettings(**settings))
    threads = [router.run("hi", lambda _: {"thread": threading.get_ident()})["thread"] for _ in range(20)]
    assert (threads[-1] != threading.get_ident()) is watched_over  # by now the model's pace is known


def test_a_hundred_hangs_hold_up_nobody() -> None:
    release, entered = threading.Event(), threading.Semaphore(0)

    def hang(_: Limited) -> None:
        entered.release()
        release.wait(60)

    def ask() -> None:
        with pytest.raises(TimeoutError, match="openai:m did not answer"):
            watched(hang, Limited(timeout=0.01))

    try:
        askers = [threading.Thread(target=ask) for _ in range(100)]
        for each in askers:
            each.start()
        for _ in askers:
            assert entered.acquire(timeout=30), "each of them was started"
        assert watched(lambda _: "fine", Limited()) == "fine"
        for each in askers:
            each.join()
    finally:
        release.set()


def test_a_late_answer_reaches_nobody_else() -> None:
    release, done = threading.Event(), threading.Event()

    def late(_: Limited) -> str:
        release.wait(30)
        done.set()
        return "late"

    with pytest.raises(TimeoutError):
        watched(late, Limited(timeout=0.01))
    release.set()
    assert done.wait(30)
    assert [watched(lambda _: "mine", Limited()) for _ in range(20)] == ["mine"] * 20


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_the_callers_context_comes_along_and_goes_again() -> None:
    token = VARIABLE.set("mine")
    try:
        assert watched(lambda _: VARIABLE.get(), Limited()) == "mine"
        assert list(pumped(lambda: [VARIABLE.get()], Limited())) == ["mine"]
    finally:
        VARIABLE.reset(token)
    assert watched(lambda _: VARIABLE.get(), Limited()) == "unset", "a thread used again keeps nothing"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_a_call_raises_is_raised_where_it_was_asked(error: BaseException) -> None:
    def fail(_: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        watched(fail, Limited())
    assert caught.value is error
    with pytest.raises(type(error)):
        list(pumped(lambda: fail(None), Limited()))
    assert watched(lambda _: "fine", Limited()) == "fine"


def test_a_source_runs_ahead_by_two_items_at_most_and_is_closed_when_left() -> None:
    made: list[int] = []
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            for number in range(1000):
                made.append(number)
                yield number
        finally:
            closed.set()

    items = pumped(source, Limited())
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert closed.wait(30)
    assert len(made) <= 3


def test_each_item_has_its_own_patience() -> None:
    release = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        release.wait(30)

    items = pumped(source, Limited(), iter([20.0, 0.01]).__next__)
    assert next(items) == 1
    try:
        with pytest.raises(TimeoutError):
            next(items)
    finally:
        release.set()


def test_a_forked_child_starts_threads_of_its_own() -> None:
    import os

    assert watched(lambda _: "parent", Limited()) == "parent"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if watched(lambda _: "child", Limited(timeout=20)) == "child" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
