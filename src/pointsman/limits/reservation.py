"""What was taken for one attempt, and how much of it stays taken once its end is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pointsman.faults import FaultKind
from pointsman.limits.buckets import Take
from pointsman.limits.periods import number_of

_SENT = frozenset({"rpm", "rpd"})
_BILLED = frozenset({"rpm", "rpd", "tpm", "tokens", "usd"})
_TOKENS = frozenset({"tpm", "tokens"})
_NOTHING: frozenset[str] = frozenset()

# What stays taken when an attempt fails: nothing where the provider cannot have counted it, all that the provider may
# count and bill where it may have worked, else only that it was asked. A tenant's requests are those that are answered.
_KEPT: Mapping[FaultKind, frozenset[str]] = {
    FaultKind.UNREACHABLE: _NOTHING,
    FaultKind.LOCAL: _NOTHING,
    FaultKind.CONTROL_FLOW: _NOTHING,
    FaultKind.AUTHENTICATION: _NOTHING,
    FaultKind.MODEL_MISSING: _NOTHING,
    FaultKind.QUOTA: _NOTHING,
    FaultKind.TIMEOUT: _BILLED,
    FaultKind.STREAM_BROKEN: _BILLED,
    FaultKind.USELESS_ANSWER: _BILLED,
}


def unit_of(key: str) -> str:
    """What a bucket counts: `rpm`, `rpd`, `tpm`, `requests`, `tokens` or `usd`.

    >>> unit_of("rpm|openai:gpt-4o")
    'rpm'
    """
    return key.partition("|")[0]


class Reservation(NamedTuple):
    """Takes that were granted together.

    Attributes:
        takes: what was taken; empty where nothing is limited.
        at: seconds since the epoch.
    """

    takes: tuple[Take, ...] = ()
    at: float = 0.0

    def settlement(self, tokens: int | None, cost: float | None, *, now: float) -> list[Take]:
        """What is left to take, or to give back, after an answer of so many tokens and USD; unknown keeps the estimate."""
        changes = []
        for take in self.takes:
            unit = unit_of(take.key)
            actual = cost if unit == "usd" else tokens if unit in _TOKENS else None
            if actual is not None and (change := self._change(take, actual, now)) is not None:
                changes.append(change)
        return changes

    def after(self, changes: list[Take]) -> Reservation:
        """What is held after these of its changes."""
        by_key = {change.key: change.amount for change in changes}
        takes = (take._replace(amount=take.amount + by_key.get(take.key, 0.0)) for take in self.takes)
        return Reservation(tuple(takes), self.at)

    def refund(self, fault: FaultKind | None, *, now: float) -> list[Take]:
        """What is given back after a failure; all of it without one, as for a call that was cancelled."""
        kept = _NOTHING if fault is None else _KEPT.get(fault, _SENT)
        taken = (take for take in self.takes if unit_of(take.key) not in kept)
        return [change for take in taken if (change := self._change(take, 0.0, now)) is not None]

    def _change(self, take: Take, actual: float, now: float) -> Take | None:
        # No answer, however large its provider says it was, closes a rate for longer than one period.
        change = min(actual - take.amount, take.limit)
        # What was taken in a window that has ended is no credit in the next.
        if change < 0 and take.kind != "rate":
            window, current = (number_of(take.kind, take.period, at) for at in (self.at, now))
            if window != current:
                return None
        return Take(take.key, change, take.limit, take.period, take.kind) if change else None


UNLIMITED = Reservation()
