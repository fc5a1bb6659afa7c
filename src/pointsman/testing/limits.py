"""The rate limit of a model server: a sliding window of a minute, told to clients in OpenAI's headers."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

__all__ = ["RateLimit", "TellsTime"]

_WINDOW_SECONDS = 60.0


class TellsTime(Protocol):
    """A clock, as far as a rate limit needs one; the module `time` is one."""

    def monotonic(self) -> float:
        """Say the seconds since an arbitrary start."""
        ...


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

    def headers(self) -> list[tuple[str, str]]:
        """Make the x-ratelimit headers."""
        self._forget()
        reset = f"{self.retry_after if self._taken else 0.0:.3f}s"
        headers: list[tuple[str, str]] = []
        counts = (("requests", self._requests, len(self._taken)), ("tokens", self._tokens, self._used()))
        for what, limit, used in counts:
            if limit is not None:
                headers.append((f"x-ratelimit-limit-{what}", str(limit)))
                headers.append((f"x-ratelimit-remaining-{what}", str(max(0, limit - used))))
                headers.append((f"x-ratelimit-reset-{what}", reset))
        return headers

    def refusal_headers(self) -> list[tuple[str, str]]:
        """Make the headers of a 429."""
        return [*self.headers(), ("retry-after", str(math.ceil(self.retry_after)))]

    def _used(self) -> int:
        return sum(tokens for _, tokens in self._taken)

    def _forget(self) -> None:
        horizon = self._clock.monotonic() - _WINDOW_SECONDS
        while self._taken and self._taken[0][0] <= horizon:
            self._taken.popleft()
