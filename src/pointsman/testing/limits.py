"""The rate limit of a model server: a sliding window of a minute."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple, Protocol

__all__ = ["Allowance", "RateLimit", "TellsTime"]

_WINDOW_SECONDS = 60.0


class TellsTime(Protocol):
    """A clock, as far as a rate limit needs one; the module `time` is one."""

    def monotonic(self) -> float:
        """Say the seconds since an arbitrary start."""
        ...

    def time(self) -> float:
        """Say the seconds since the Unix epoch."""
        ...


class Allowance(NamedTuple):
    """What is left of one limit.

    Attributes:
        unit: `requests` or `tokens`.
        reset_seconds: until the oldest request leaves the window.
        resets_at: the same as seconds since the Unix epoch.
    """

    unit: str
    limit: int
    remaining: int
    reset_seconds: float
    resets_at: float


class RateLimit:
    """Requests and tokens per minute; None is no limit."""

    def __init__(self, requests: int | None, tokens: int | None, clock: TellsTime) -> None:
        self._requests = requests
        self._tokens = tokens
        self._clock = clock
        self._taken: deque[tuple[float, int]] = deque()

    def take(self, tokens: int) -> bool:
        """Take one request with so many tokens, if both limits allow it."""
        self._forget()
        if self._requests is not None and len(self._taken) >= self._requests:
            return False
        if self._tokens is not None and self._used() + tokens > self._tokens:
            return False
        self._taken.append((self._clock.monotonic(), tokens))
        return True

    @property
    def retry_after(self) -> float:
        """Say how many seconds pass until the oldest request leaves the window."""
        if not self._taken:
            return _WINDOW_SECONDS
        return max(0.0, self._taken[0][0] + _WINDOW_SECONDS - self._clock.monotonic())

    def allowances(self) -> list[Allowance]:
        """Say what is left, limit by limit; nothing where there is no limit."""
        self._forget()
        reset = self.retry_after if self._taken else 0.0
        counts = (("requests", self._requests, len(self._taken)), ("tokens", self._tokens, self._used()))
        return [
            Allowance(unit, limit, max(0, limit - used), reset, self._clock.time() + reset)
            for unit, limit, used in counts
            if limit is not None
        ]

    def retry_header(self) -> tuple[str, str]:
        """Make the Retry-After of a 429."""
        return "retry-after", str(math.ceil(self.retry_after))

    def _used(self) -> int:
        return sum(tokens for _, tokens in self._taken)

    def _forget(self) -> None:
        horizon = self._clock.monotonic() - _WINDOW_SECONDS
        while self._taken and self._taken[0][0] <= horizon:
            self._taken.popleft()
