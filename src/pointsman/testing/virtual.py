"""Virtual time: an event loop that jumps to its next timer instead of waiting, and a clock that goes by it.

>>> async def nap() -> float:
...     await asyncio.sleep(3600)
...     return asyncio.get_running_loop().time()
>>> run_virtually(nap())
3600.0
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualClock", "VirtualLoop", "run_virtually"]

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without a real clock: a thousand seconds of waiting take no time, and always in the same order.

    It is for tasks that wait for each other and for timers. What comes from threads or sockets is taken in when it is
    there already; nothing is waited for.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jump(self))

    def time(self) -> float:
        """Say the virtual seconds since the loop was made."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class _Jump(selectors.SelectSelector):
    """A selector that, where it would have to wait, moves the loop's clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits for something that no timer and no other task will bring")
        self._loop.jump(timeout)
        return []


class VirtualClock:
    """The clock of a virtual loop, for what takes a clock.

    Args:
        loop: The loop whose time it tells.
        epoch: What `time()` says when the loop's time is 0.
    """

    def __init__(self, loop: VirtualLoop, *, epoch: float = 1_700_000_000.0) -> None:
        self._loop = loop
        self.epoch = epoch

    def monotonic(self) -> float:
        """Say the loop's seconds."""
        return self._loop.time()

    def time(self) -> float:
        """Say the seconds since the Unix epoch; `epoch` may be changed on the way, as a wall clock may be set."""
        return self.epoch + self._loop.time()

    def sleep(self, seconds: float) -> None:
        """Move the loop's time: nothing else can happen while a thread sleeps."""
        self._loop.jump(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait in this task."""
        await asyncio.sleep(seconds)


def run_virtually(main: Coroutine[Any, Any, T], loop: VirtualLoop | None = None) -> T:
    """Run a coroutine to its end in virtual time."""
    loop = loop or VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)
