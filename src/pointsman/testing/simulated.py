"""Simulated models: no server, no socket, no waiting; they answer, fail and hang by a script in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol

__all__ = ["Behaviour", "HttpError", "SimulatedModel"]

Behaviour = Literal[
    "well",
    "server_error",
    "overloaded",
    "rate_limited",
    "quota",
    "refused_key",
    "missing",
    "unreachable",
    "hang",
    "empty",
    "cut",
]

_STATUS: Mapping[str, int] = {
    "server_error": 500,
    "overloaded": 503,
    "rate_limited": 429,
    "quota": 402,
    "refused_key": 401,
    "missing": 404,
}
_WORDS = 5


class HttpError(Exception):
    """What a client raises for an HTTP status."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code = status
        self.headers = dict(headers or {})


class _Asked(Protocol):
    """What a call is given of an attempt."""

    @property
    def timeout(self) -> float | None: ...


@dataclass(slots=True)
class SimulatedModel:
    """A model that exists in a test only.

    Args:
        name: Its name.
        rng: Draws its latencies.
        seconds: Mean seconds until an answer.
        behaviour: What it does now.
        retry_after: The hint of its 429s, if they carry one.
    """

    name: str
    rng: Random
    seconds: float = 0.5
    behaviour: Behaviour = "well"
    retry_after: str | None = None
    calls: int = 0
    in_flight: int = field(default=0, repr=False)

    async def answer(self, attempt: _Asked) -> dict[str, Any]:
        """Answer as OpenAI's API would, or raise as its client would."""
        del attempt
        self.calls += 1
        self.in_flight += 1
        try:
            await self._think()
        finally:
            self.in_flight -= 1
        if self.behaviour == "cut":
            raise ConnectionResetError("the connection was reset")
        return _answered("" if self.behaviour == "empty" else self.text)

    async def stream(self, attempt: _Asked) -> AsyncIterator[dict[str, Any]]:
        """Stream as OpenAI's API would: a chunk with the role, words, then why it ended."""
        del attempt
        self.calls += 1
        self.in_flight += 1
        try:
            await self._think()
            yield _chunk({"role": "assistant", "content": ""})
            for word in _pieces("" if self.behaviour == "empty" else self.text):
                await asyncio.sleep(self.seconds / 50)
                if self.behaviour in ("cut", "unreachable"):
                    raise ConnectionResetError("the connection was reset")
                yield _chunk({"content": word})
            yield _chunk({}, "stop")
        finally:
            self.in_flight -= 1

    def call(self, sleep: Any) -> dict[str, Any]:
        """Answer in a thread; `sleep` lets the time pass."""
        self.calls += 1
        sleep(self._latency())
        self._fail()
        return _answered("" if self.behaviour == "empty" else self.text)

    @property
    def text(self) -> str:
        """What it always says."""
        return f"{self.name}: " + " ".join("word" for _ in range(_WORDS))

    async def _think(self) -> None:
        if self.behaviour == "hang":
            await asyncio.sleep(1e6)
        await asyncio.sleep(self._latency())
        self._fail()

    def _latency(self) -> float:
        return self.seconds * (0.5 + self.rng.random()) if self.behaviour in ("well", "cut", "empty") else 0.01

    def _fail(self) -> None:
        if self.behaviour == "unreachable":
            raise ConnectionRefusedError("connection refused")
        if self.behaviour == "hang":
            raise TimeoutError("no answer")
        status = _STATUS.get(self.behaviour)
        if status is not None:
            raise HttpError(status, {"retry-after": self.retry_after} if self.retry_after and status == 429 else None)


def _answered(text: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": _WORDS}
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage}


def _chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": reason}]}


def _pieces(text: str) -> Iterator[str]:
    words = text.split(" ")
    for at, word in enumerate(words):
        yield word if at == 0 else f" {word}"
