"""Limits counted in Redis mean what they mean in memory; without the server a process takes its share, and owes it."""

from __future__ import annotations

import asyncio
import math
import threading
from random import Random

import pytest
from redis_server import RedisServer

from pointsman.limits.buckets import Take
from pointsman.limits.memory import MemoryBuckets
from pointsman.limits.redis_buckets import RedisBuckets
from pointsman.stores.redis_link import RedisLink
from pointsman.types import SystemClock

# So long that what refills while a test runs is not worth counting.
DAY = 86_400.0
CLOCK = SystemClock()


def take(key: str = "k", amount: float = 1, limit: float = 10, kind: str = "rate") -> Take:
    return Take(key, amount, limit, DAY, "window" if kind == "window" else "rate")


@pytest.fixture
def buckets(redis_url: str) -> RedisBuckets:
    return RedisBuckets(RedisLink(redis_url), CLOCK, lambda: 4)


@pytest.mark.parametrize("kind", ["rate", "window"])
def test_a_limit_is_taken_to_its_end_and_says_when_there_is_more(buckets: RedisBuckets, kind: str) -> None:
    assert [buckets.take([take(kind=kind)]) for _ in range(10)] == [0] * 10
    wait = buckets.take([take(kind=kind)])
    assert 0 < wait <= (DAY / 10 if kind == "rate" else DAY)
    assert buckets.take([take(amount=11, kind=kind)]) == math.inf
    assert buckets.take([take(amount=0, kind=kind)]) == 0


def test_several_limits_are_taken_all_or_none(buckets: RedisBuckets) -> None:
    small, large = take("small", limit=2), take("large", kind="window")
    assert [buckets.take([large, small]) == 0 for _ in range(4)] == [True, True, False, False]
    assert [buckets.take([large]) == 0 for _ in range(9)] == [True] * 8 + [False]


def test_the_same_orders_mean_the_same_as_in_memory(buckets: RedisBuckets) -> None:
    rng = Random(5)
    memory = MemoryBuckets(CLOCK)
    for _ in range(300):
        takes = [
            take(f"{kind}{rng.randrange(3)}", rng.choice([0.5, 1, 3, 40]), 30, kind)
            for kind in rng.choices(["rate", "window"], k=rng.randrange(1, 4))
        ]
        if rng.random() < 0.2:
            given = [each._replace(amount=rng.choice([-2.0, 1.5])) for each in takes]
            memory.settle(given)
            buckets._settle(given)
        else:
            assert buckets.take(takes) == pytest.approx(memory.take(takes), abs=5)


def test_what_a_server_says_counts_if_it_is_stricter(buckets: RedisBuckets) -> None:
    buckets._raise_to(take(amount=8))
    buckets._raise_to(take(amount=3))
    assert [buckets.take([take()]) == 0 for _ in range(3)] == [True, True, False]


async def test_taking_does_not_hold_up_the_loop_and_settling_is_not_waited_for(buckets: RedisBuckets) -> None:
    assert await buckets.atake([take(amount=10)]) == 0
    assert await buckets.atake([take()]) > 0
    buckets.settle([take(amount=-4)])
    buckets.told("other", limit=10, remaining=0, reset=60, period=DAY)
    buckets._afterwards.finish(30)
    buckets.forked()  # which makes new threads
    assert await buckets.atake([take(amount=4)]) == 0
    assert await buckets.atake([take("other")]) > 0


def test_without_the_server_each_takes_its_share_and_owes_it_afterwards(own_redis: RedisServer) -> None:
    link = RedisLink(own_redis.url)
    buckets = RedisBuckets(link, CLOCK, lambda: 4)
    back = threading.Event()
    link.on_return(back.set)  # called after the buckets have repaid
    wanted = [take(limit=100), take("w", limit=100, kind="window")]
    assert sum(buckets.take(wanted) == 0 for _ in range(20)) == 20
    own_redis.pause()
    assert sum(buckets.take(wanted) == 0 for _ in range(100)) == 25
    assert buckets.taken_alone == 25
    buckets.settle([each._replace(amount=-5) for each in wanted])
    own_redis.resume()
    assert back.wait(30)
    # The server may have carried out the one order whose answer was given up, so that it counts twice; never too little.
    assert sum(buckets.take(wanted) == 0 for _ in range(100)) in (100 - 20 - 25 + 5 - 1, 100 - 20 - 25 + 5)


async def test_who_is_cancelled_while_the_server_thinks_has_taken_nothing(own_redis: RedisServer) -> None:
    buckets = RedisBuckets(RedisLink(f"{own_redis.url}?timeout=10"), CLOCK, lambda: 1)
    assert await buckets.atake([take(), take("w", kind="window")]) == 0
    assert buckets._threads is not None
    own_redis.pause()
    tasks = [asyncio.create_task(buckets.atake([take(), take("w", kind="window")])) for _ in range(8)]
    while buckets._threads._work_queue.qsize() != 4:  # noqa: ASYNC110  four are asking, four wait for a thread
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in answers] == [asyncio.CancelledError] * 8
    own_redis.resume()
    buckets._threads.shutdown()
    buckets._afterwards.finish(30)
    assert buckets.take([take(amount=9), take("w", amount=9, kind="window")]) == 0, "only the first took anything"


def test_what_a_server_refused_to_count_is_counted_when_it_takes_orders_again(own_redis: RedisServer) -> None:
    buckets = RedisBuckets(RedisLink(own_redis.url), CLOCK, lambda: 1)
    wanted = [take(), take("w", kind="window")]
    own_redis.ask("REPLICAOF", "127.0.0.1", "1")
    assert [buckets.take(wanted) for _ in range(4)] == [0] * 4, "a read-only replica"
    buckets.settle([each._replace(amount=2) for each in wanted])
    buckets._afterwards.finish(30)
    assert buckets._link.is_up
    own_redis.ask("REPLICAOF", "NO", "ONE")
    assert buckets.take(wanted) == 0
    buckets._afterwards.finish(30)
    other = RedisBuckets(RedisLink(own_redis.url), CLOCK, lambda: 1)
    assert [other.take(wanted) == 0 for _ in range(4)] == [True, True, True, False], "4 + 2 + 1 of 10 are gone"


async def test_a_server_that_is_slow_keeps_nobody_for_long(own_redis: RedisServer) -> None:
    link = RedisLink(f"{own_redis.url}?timeout=10")
    buckets = RedisBuckets(link, CLOCK, lambda: 1)
    buckets._patience = 0.01
    own_redis.pause()
    wanted = [take("w", kind="window")]
    assert await asyncio.gather(*(buckets.atake(wanted) for _ in range(8))) == [0] * 8
    assert (buckets.taken_alone, link.is_up) == (8, True)
    own_redis.resume()
    assert buckets._threads is not None
    buckets._threads.shutdown()
    buckets._afterwards.finish(30)
    assert buckets.take(wanted) == 0
    buckets._afterwards.finish(30)
    assert [buckets.take(wanted) == 0 for _ in range(2)] == [True, False], "each counts once"
