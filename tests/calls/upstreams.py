"""Models for the tests of failover: they answer and stream, or fail as told, and keep who was called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from pointsman import Attempt, Request, Router
from pointsman.testing import FakeClock

Make = Callable[..., Router]
ASK = Request(input_tokens=100)
CUT = ConnectionResetError("cut")


class Upstream:
    """Models that answer, or fail as told; keeps who was called."""

    def __init__(self, clock: FakeClock, **faults: Any) -> None:
        self.clock = clock
        self.faults = faults
        self.calls: list[str] = []

    def __call__(self, attempt: Attempt) -> Any:
        name = attempt.spec.name
        self.calls.append(name)
        fault = self.faults.get(name)
        if isinstance(fault, list):
            fault = fault.pop(0) if fault else None
        if fault == "hang":
            assert attempt.timeout is not None
            self.clock.advance(attempt.timeout)
            raise TimeoutError
        self.clock.advance(0.1)
        if isinstance(fault, BaseException):
            raise fault
        return f"{name} answers" if fault is None else fault

    async def later(self, attempt: Attempt) -> Any:
        return self(attempt)


def chunk(text: str = "", finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"role": "assistant", "content": text}, "finish_reason": finish}]}


def texts(chunks: list[Any]) -> str:
    return "".join(each["choices"][0]["delta"]["content"] for each in chunks)


class StreamingUpstream:
    """Streams per model: lists of chunks, where an exception is raised in its place."""

    def __init__(self, **scripts: list[Any]) -> None:
        self.scripts = scripts
        self.calls: list[str] = []

    def __call__(self, attempt: Attempt) -> Iterator[Any]:
        self.calls.append(attempt.spec.name)
        for item in self.scripts.get(attempt.spec.name, [chunk(), chunk("good "), chunk("day"), chunk(finish="stop")]):
            if isinstance(item, Exception):
                raise item
            yield item

    async def later(self, attempt: Attempt) -> AsyncIterator[Any]:
        for item in self(attempt):
            yield item
