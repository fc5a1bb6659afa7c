"""Streams that nobody holds any more end when garbage is collected, which may be while any lock is held."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from redis_server import RedisServer
from samples import StatusError, make_spec

from pointsman import ModelRegistry, PointsmanError, Request, Router

ASK = Request(messages="hello", tenant="acme")
ROUNDS = 300


class Knot:
    """Something that holds a stream and itself, as a traceback or a web framework's request does."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.itself = self


def chunk(finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": "word"}, "finish_reason": finish}]}


def leave_streams(router: Router) -> None:
    rng = Random(1)

    def call(_: Any) -> Iterator[Any]:
        drawn = rng.random()
        if drawn < 0.3:
            raise StatusError(500 if drawn < 0.2 else 429)
        yield chunk()
        yield chunk("stop" if drawn < 0.6 else None)
        yield chunk()

    for number in range(ROUNDS):
        try:
            stream = router.stream(ASK, call, honours_timeout=True, deadline=0.1)
            for _ in range(1 + number % 2):
                next(stream)
            Knot(stream)
            del stream
        except PointsmanError as error:
            error.add_note(str(number))
            Knot(error)


def collecting_always(work: Any) -> bool:
    """Whether work ends if garbage is collected whenever it could be."""
    worker = threading.Thread(target=work, daemon=True)
    known = gc.get_threshold()
    gc.freeze()  # what is there already need not be looked through each time
    gc.collect()
    gc.set_threshold(1, 1, 1)
    try:
        worker.start()
        worker.join(120)
    finally:
        gc.set_threshold(*known)
        gc.unfreeze()
    return not worker.is_alive()


def make_router(policy: str, store: str = "memory://") -> Router:
    models = [make_spec(name, rate_limit_rpm=10**6) for name in ("a", "b")]
    budget = {"tenants": {"*": {"requests": 10**6, "period": "day"}}}
    return Router(ModelRegistry(models), policy, store, seed=1, budget=budget)


@pytest.mark.parametrize("policy", ["cheapest", "fastest", "ucb"])
def test_a_stream_that_is_collected_anywhere_locks_nobody_out(policy: str, recwarn: pytest.WarningsRecorder) -> None:
    router = make_router(policy)
    assert collecting_always(lambda: leave_streams(router))
    gc.collect()
    pulls = (
        router._chooser.pulls
    )  # what a decision promised whose deadline passed before its call is all that may count on
    assert sum(pulls.counts.values()) == len(pulls._promised)
    assert [str(each.message) for each in recwarn] == [], "nothing went wrong while they were collected"


def test_nor_where_limits_are_counted_in_redis(redis_url: str) -> None:
    with make_router("ucb", redis_url) as router:
        assert collecting_always(lambda: leave_streams(router))


def test_a_lock_of_every_executor_does_not_matter(own_redis: RedisServer) -> None:
    from concurrent.futures import thread

    with make_router("cheapest", own_redis.url) as router:
        stream = router.stream(ASK, lambda _: iter([chunk(), chunk()]), honours_timeout=True)
        next(stream)

        def leave() -> None:
            with thread._global_shutdown_lock:  # held by whoever hands work to any executor
                stream.close()

        assert collecting_always(leave)
