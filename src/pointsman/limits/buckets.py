"""The protocol of what counts: rates that refill and windows that end, taken all or none in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pointsman.limits.periods import Kind


class Take(NamedTuple):
    """So much of one limit.

    Attributes:
        key: what is limited, such as `rpm|openai:gpt-4o` or `usd|tenant|acme`.
        amount: how much is taken; what settles may be negative, which gives back.
        limit: how much there is per period.
        period: seconds.
        kind: `rate` is a bucket that holds `limit` and refills steadily (GCRA); `window` is full again when the period
            that began at a multiple of it since the epoch ends, `week` on Mondays and `month` with the month, in UTC.
    """

    key: str
    amount: float
    limit: float
    period: float
    kind: Kind = "rate"


class Buckets(Protocol):
    """Where limits are counted. Nothing here raises: what cannot be reached is counted locally instead."""

    def take(self, takes: Sequence[Take]) -> float:
        """Take all or nothing; 0 if taken, else the seconds until it could be, infinite if it never could."""
        ...

    async def atake(self, takes: Sequence[Take]) -> float:
        """Like `take`, without holding up the loop; cancelled, it has taken nothing, or gives it back."""
        ...

    def settle(self, takes: Sequence[Take]) -> None:
        """Add what an estimate fell short of, or give back what it exceeded; never refused, never waited for."""
        ...

    def told(self, key: str, *, limit: float, remaining: float, reset: float, period: float) -> None:
        """A server has said what is left of a rate limit and the seconds until it is full again; the stricter wins."""
        ...
