"""One call's ledger of time, money and attempts, and the budget that retries of all calls share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from pointsman.types import Clock

if TYPE_CHECKING:
    from random import Random


class CallSettings(BaseModel):
    """The `calls:` section: limits of a call, all attempts together, unless the call names its own.

    Attributes:
        deadline: seconds for the whole call, until a stream's first content.
        timeout: seconds per attempt, and between two chunks of a stream.
        max_cost: USD for the whole call.
        attempts: calls to providers; None means every eligible model once, and retries.
        retries: further tries of one model, when its fault allows and nothing else is left.
        backoff: seconds before the first retry, doubling, with equal jitter.
        longest_backoff: seconds no retry waits longer than.
        on_content_policy: whether a refusal by a content filter may go to another model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    deadline: float | None = Field(default=60.0, gt=0)
    timeout: float | None = Field(default=None, gt=0)
    max_cost: float | None = Field(default=None, ge=0)
    attempts: int | None = Field(default=None, ge=1)
    retries: int = Field(default=1, ge=0)
    backoff: float = Field(default=0.5, ge=0)
    longest_backoff: float = Field(default=8.0, ge=0)
    on_content_policy: bool = False

    def with_changes(self, **changes: Any) -> CallSettings:
        """A copy in which what is not None is changed."""
        given = {name: value for name, value in changes.items() if value is not None}
        return self.model_copy(update=given) if given else self


class CallLedger:
    """What one call may still spend; everything it does draws on this."""

    __slots__ = ("_clock", "attempts", "settings", "spent", "started")

    def __init__(self, settings: CallSettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self.started = clock.monotonic()
        self.spent = 0.0
        self.attempts = 0

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        if self.settings.deadline is None:
            return None
        return self.started + self.settings.deadline - self._clock.monotonic()

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        remaining = self.remaining
        return remaining is not None and remaining <= 0

    def timeout(self, *, others_left: bool) -> float | None:
        """Seconds for the next attempt: half of what is left while others could still follow, else all of it."""
        remaining = self.remaining
        limit = self.settings.timeout
        if remaining is None:
            return limit
        share = remaining / 2 if others_left else remaining
        return share if limit is None else min(limit, share)

    def affords(self, cost: float | None) -> bool:
        """Whether a call that may cost this much (unknown: yes) fits into what is left."""
        limit = self.settings.max_cost
        return limit is None or cost is None or self.spent + cost <= limit

    @property
    def exhausted(self) -> bool:
        """Whether the number of attempts is used up."""
        limit = self.settings.attempts
        return limit is not None and self.attempts >= limit


class RetryBudget:
    """A share of traffic that may go to retries and to models that are known to fail (after Finagle's RetryBudget).

    Every request deposits `share`; every such call withdraws 1. A few are in it from the start.
    """

    def __init__(self, share: float = 0.2, start: float = 10.0, most: float = 100.0) -> None:
        self._share = share
        self._most = most
        self._balance = start
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """A request came in."""
        with self._lock:
            self._balance = min(self._balance + self._share, self._most)

    def withdraw(self) -> bool:
        """Ask to spend one call; False when the budget is empty."""
        with self._lock:
            if self._balance < 1:
                return False
            self._balance -= 1
            return True


def backoff(settings: CallSettings, retry: int, rng: Random) -> float:
    """Seconds before the retry: exponential with equal jitter (half fixed, half drawn)."""
    span = min(settings.backoff * 2.0 ** (retry - 1), settings.longest_backoff)
    return float(span / 2 + rng.random() * span / 2)
