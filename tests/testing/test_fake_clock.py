"""The clock that moves only when it is told to."""

from __future__ import annotations

import pytest

from pointsman.testing import FakeClock


async def test_a_sleep_moves_both_times_at_once() -> None:
    clock = FakeClock(start=5.0)
    wall = clock.time()
    clock.sleep(1.5)
    await clock.asleep(0.5)
    clock.advance(1)
    assert clock.monotonic() == clock() == 8.0
    assert clock.time() - wall == pytest.approx(3.0)
    assert clock.time() != clock.monotonic()


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_clock_never_goes_back(seconds: float) -> None:
    with pytest.raises(ValueError, match="cannot advance"):
        FakeClock().advance(seconds)
