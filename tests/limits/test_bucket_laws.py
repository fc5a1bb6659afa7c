"""Laws of counting in memory: what passes within a period, what a refund is worth, that nothing is taken by halves."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import LONG

from pointsman.limits.buckets import Take
from pointsman.limits.memory import MemoryBuckets
from pointsman.testing import FakeClock

ROUNDS = settings(max_examples=1_000 if LONG else 100, deadline=None)
LIMITS = st.integers(1, 50)
STEPS = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=60)


def rate(amount: float = 1, limit: float = 60, key: str = "rpm|m", period: float = 60.0) -> Take:
    return Take(key, amount, limit, period)


def window(amount: float = 1, limit: float = 10, key: str = "usd|t", period: float = 3_600.0) -> Take:
    return Take(key, amount, limit, period, "window")


def admitted(take: Any, limit: int, steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """What passes of a sequence of (seconds since the last, amount), with its moment."""
    clock = FakeClock(epoch=0.0)
    buckets = MemoryBuckets(clock)
    passed = []
    for pause, amount in steps:
        clock.advance(pause)
        if buckets.take([take(amount, limit)]) == 0:
            passed.append((clock.monotonic(), amount))
    return passed


@ROUNDS
@given(LIMITS, STEPS)
def test_a_rate_passes_at_most_its_burst_and_what_refills_within_any_time(
    limit: int, steps: list[tuple[float, int]]
) -> None:
    passed = admitted(rate, limit, steps)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            seconds = passed[last][0] - passed[first][0]
            total = sum(amount for _, amount in passed[first : last + 1])
            assert total <= limit + seconds * limit / 60 + 1e-6


@ROUNDS
@given(LIMITS, STEPS)
def test_a_window_never_passes_more_than_its_limit_in_one_period(limit: int, steps: list[tuple[float, int]]) -> None:
    passed = admitted(lambda amount, most: window(amount, most, period=60.0), limit, steps)
    for number in {moment // 60 for moment, _ in passed}:
        assert sum(amount for moment, amount in passed if moment // 60 == number) <= limit


@ROUNDS
@given(
    LIMITS, st.lists(st.tuples(st.floats(0, 30), st.integers(-200, 200)), max_size=40), st.sampled_from([rate, window])
)
def test_no_refund_makes_more_than_there_was(limit: int, steps: list[tuple[float, int]], take: Any) -> None:
    clock = FakeClock()
    buckets = MemoryBuckets(clock)
    for pause, amount in steps:
        clock.advance(pause)
        buckets.settle([take(amount, limit)])
        assert all(0 <= each["remaining"] <= each["limit"] for each in buckets.headroom().values())
        assert buckets.wait([take(limit + 1, limit)]) == math.inf


@ROUNDS
@given(LIMITS, st.integers(1, 20), st.sampled_from([rate, window]))
def test_what_is_given_back_at_once_was_never_taken(limit: int, amount: int, take: Any) -> None:
    buckets = MemoryBuckets(FakeClock())
    if buckets.take([take(amount, limit)]) == 0:
        buckets.settle([take(-amount, limit)])
        assert buckets.take([take(limit, limit)]) == 0, "all of it is there again"


@ROUNDS
@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=30), st.randoms(use_true_random=False))
def test_keys_do_not_know_each_other(keys: list[str], rng: Any) -> None:
    def granted(order: list[str]) -> dict[str, int]:
        buckets = MemoryBuckets(FakeClock())
        counts = dict.fromkeys("abc", 0)
        for key in order:
            counts[key] += buckets.take([rate(limit=5, key=key)]) == 0
        return counts

    shuffled = list(keys)
    rng.shuffle(shuffled)
    assert granted(keys) == granted(shuffled)


@ROUNDS
@given(LIMITS, STEPS)
def test_after_the_time_that_a_refusal_names_there_is_room_and_not_before(
    limit: int, steps: list[tuple[float, int]]
) -> None:
    for take in (rate, window):
        clock = FakeClock()
        buckets = MemoryBuckets(clock)
        for pause, amount in steps:
            clock.advance(pause)
            wait = buckets.take([take(amount, limit)])
            assert (wait == math.inf) == (amount > limit)
            if 1e-3 < wait < math.inf:
                clock.advance(wait * 0.99)
                assert buckets.wait([take(amount, limit)]) > 0
                clock.advance(wait * 0.01 + 1e-6)
                assert buckets.wait([take(amount, limit)]) == 0


def test_all_or_nothing() -> None:
    buckets = MemoryBuckets(FakeClock())
    assert buckets.take([rate(limit=1, key="narrow")]) == 0
    assert buckets.take([rate(limit=10, key="wide"), rate(limit=1, key="narrow")]) == pytest.approx(60)
    assert "wide" not in buckets.headroom()


def test_one_key_taken_twice_counts_twice() -> None:
    buckets = MemoryBuckets(FakeClock())
    assert buckets.take([rate(3, 5), rate(3, 5)]) > 0
    assert buckets.take([rate(3, 5), rate(2, 5)]) == 0
    assert buckets.take([rate(1, 5)]) > 0


def test_the_stricter_of_what_is_known_and_what_is_told_wins() -> None:
    buckets = MemoryBuckets(FakeClock())
    buckets.told("rpm|m", limit=60, remaining=10, reset=50, period=60)
    assert buckets.headroom()["rpm|m"]["remaining"] == pytest.approx(10)
    buckets.told("rpm|m", limit=60, remaining=30, reset=30, period=60)
    assert buckets.headroom()["rpm|m"]["remaining"] == pytest.approx(10)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0])
def test_numbers_that_mean_nothing_change_nothing(value: float) -> None:
    buckets = MemoryBuckets(FakeClock())
    buckets.told("rpm|m", limit=value, remaining=1, reset=1, period=60)
    buckets.told("rpm|m", limit=60, remaining=value if value < 0 else math.nan, reset=1, period=60)
    buckets.settle([rate(math.nan), window(math.inf)])
    assert buckets.take([rate(math.nan), rate(-5)]) == 0
    assert buckets.take([rate(60)]) == 0


class Jumping(FakeClock):
    """A machine whose wall clock somebody sets."""

    jump = 0.0

    def time(self) -> float:
        return super().time() + self.jump


def test_setting_the_wall_clock_moves_no_window() -> None:
    clock = Jumping()
    buckets = MemoryBuckets(clock)
    assert buckets.take([window(10)]) == 0
    wait = buckets.wait([window()])
    for clock.jump in (3_600.0, -3_600.0, 86_400.0):
        assert buckets.wait([window()]) == wait


def test_keys_are_bounded_and_full_ones_go_first() -> None:
    clock = FakeClock()
    buckets = MemoryBuckets(clock, most_keys=100)
    buckets.take([window(10, key="spent", period=1e9)])
    for number in range(10_000):
        clock.advance(61)
        buckets.take([rate(key=f"k{number}")])
    assert len(buckets) == 100
    assert buckets.take([window(1, key="spent", period=1e9)]) > 0, "what is not full again is remembered"


def test_four_threads_take_no_more_than_one_would() -> None:
    buckets = MemoryBuckets(FakeClock())
    granted: list[int] = []

    def work() -> None:
        granted.append(sum(buckets.take([rate(limit=1_000), window(limit=700)]) == 0 for _ in range(500)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 700
    assert buckets.headroom()["rpm|m"]["remaining"] == pytest.approx(300)


def test_windows_begin_at_multiples_of_their_period_since_the_epoch() -> None:
    clock = FakeClock(epoch=86_400.0 * 5 - 10)
    buckets = MemoryBuckets(clock)
    waits = []
    for _ in range(3):
        buckets.take([window(10, period=86_400.0)])
        waits.append(buckets.wait([window(1, period=86_400.0)]))
        clock.advance(waits[-1])
    assert waits == [10, 86_400, 86_400]
    assert all(first <= second for first, second in pairwise(waits))
