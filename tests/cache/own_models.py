"""Models that are code, for the tests of the cache: they count, and they wait until they are let go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

from pointsman import Router
from pointsman.cache.flights import Flights
from pointsman.cache.statistics import Tally


class Gate:
    """A model's code that waits until it is let go, and counts."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls = 0
        self.began = threading.Event()
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> str:
        with self._lock:
            self.calls += 1
        self.began.set()
        assert self.open.wait(30)
        if self.error is not None:
            raise self.error
        return f"answer to {prompt}"


class AsyncGate:
    """The same for tasks."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.began = asyncio.Event()
        self.calls = 0

    async def generate(self, prompt: str) -> str:
        self.calls += 1
        self.began.set()
        await self.open.wait()
        return f"answer to {prompt}"


class Counting:
    """Answers at once; each answer is another one."""

    def __init__(self) -> None:
        self.calls = 0

    def generate(self, prompt: str) -> str:
        self.calls += 1
        return f"{self.calls}: {prompt}"

    def stream(self, prompt: str) -> Iterator[str]:
        self.calls += 1
        yield f"{self.calls}: "
        yield prompt


class Joins(Tally):
    """Says when so many wait for one."""

    def __init__(self, router: Router, count: int) -> None:
        super().__init__()
        self._left = count
        self._reached = threading.Event()
        assert router.cache is not None
        router.cache.flights = Flights(self)

    def add(self, name: str, count: int = 1) -> None:
        super().add(name, count)
        if name == "joined":
            self._left -= 1
            if self._left == 0:
                self._reached.set()

    def wait(self) -> None:
        assert self._reached.wait(30)

    async def await_(self) -> None:
        await asyncio.to_thread(self.wait)
