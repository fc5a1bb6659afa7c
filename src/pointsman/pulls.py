"""Calls under way per arm: a decision counts from the moment it is made, so that concurrent ones do not all agree."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from pointsman.policies.journal import Noted

# A decision that nobody carries out, or tells of, stops counting after so many seconds.
_PROMISE_SECONDS = 60.0
_PROMISES_KEPT = 10_000


class Pulls:
    """Counts of calls promised or under way.

    Attributes:
        counts: per arm; arms without any are absent.
        lock: held by whoever chooses by the counts and promises; may be taken again by its holder.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._counts: Noted[int] = Noted()
        self._promised: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self.counts: Mapping[str, int] = self._counts

    def promise(self, decision_id: str, arm: str, now: float) -> None:
        """A decision was made; its call will begin, or be told of."""
        with self.lock:
            self._promised[decision_id] = (arm, now + _PROMISE_SECONDS)
            self._add(arm, 1)

    def expire(self, now: float) -> None:
        """Stop counting what was promised too long ago, or too many promises back."""
        with self.lock:
            while self._promised:
                oldest, (_, until) = next(iter(self._promised.items()))
                if now < until and len(self._promised) < _PROMISES_KEPT:
                    break
                self.settle(oldest)

    def settle(self, decision_id: str) -> None:
        """What was promised has begun, or its outcome is known."""
        if decision_id in self._promised:
            with self.lock:
                promised = self._promised.pop(decision_id, None)
                if promised is not None:
                    self._add(promised[0], -1)

    def begin(self, decision_id: str, arm: str) -> None:
        """A call starts, of this arm or, after a failure, of another than was promised."""
        with self.lock:
            self.settle(decision_id)
            self._add(arm, 1)

    def end(self, arm: str) -> None:
        """A call that began has ended, however it went."""
        with self.lock:
            self._add(arm, -1)

    def _add(self, arm: str, change: int) -> None:
        left = self._counts.get(arm, 0) + change
        if left > 0:
            self._counts[arm] = left
        else:
            self._counts.pop(arm, None)
        self._counts.journal.note(arm)
