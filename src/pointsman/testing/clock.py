"""A clock that moves only when it is told to, so that tests of time need no time."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["FakeClock"]


class FakeClock:
    """A clock whose sleepers return at once, having moved it.

    `monotonic()` and `time()` have different origins, as real clocks have, so that code that mixes them up is caught.

    Args:
        start: What `monotonic()` says first.
        epoch: What `time()` says when `monotonic()` says 0.
    """

    def __init__(self, start: float = 0.0, *, epoch: float = 1_700_000_000.0) -> None:
        self._now = start
        self._epoch = epoch
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Say what `monotonic()` says, for places that take a function as their timer."""
        return self.monotonic()

    def __repr__(self) -> str:
        return f"FakeClock({self._now!r})"

    def monotonic(self) -> float:
        """Say the seconds since an arbitrary start."""
        return self._now

    def time(self) -> float:
        """Say the seconds since the Unix epoch."""
        return self._epoch + self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        if not seconds >= 0:
            raise ValueError(f"a clock cannot advance by {seconds!r} seconds; give a number >= 0")
        with self._lock:
            self._now += seconds

    def sleep(self, seconds: float) -> None:
        """Return at once, `seconds` later."""
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Let other tasks run once, `seconds` later."""
        self.advance(seconds)
        await asyncio.sleep(0)
