"""The plan of faults that a server was told to play."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from .faults import Fault

__all__ = ["FaultPlan"]


class FaultPlan:
    """A script first, request by request; then a standing fault."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._script: deque[Fault | None] = deque()
        self._standing: Fault | None = None
        self._times: int | None = None
        self._probability = 1.0

    def stand(self, fault: Fault, times: int | None, probability: float) -> None:
        """Play a fault from now on, or for the next `times` requests it strikes."""
        if times is not None and times < 1:
            raise ValueError(f"a fault strikes at least 1 time, not {times!r}; heal() ends a fault")
        if not 0 <= probability <= 1:
            raise ValueError(f"a probability is from 0 to 1, not {probability!r}")
        with self._lock:
            self._standing, self._times, self._probability = fault, times, probability

    def script(self, *faults: Fault | None) -> None:
        """Play these, one per request, None for a healthy one; then what stands."""
        with self._lock:
            self._script.extend(faults)

    def clear(self) -> None:
        """Play nothing any more."""
        with self._lock:
            self._script.clear()
            self._standing = None

    def draw(self) -> Fault | None:
        """Say which fault the next request gets."""
        with self._lock:
            if self._script:
                return self._script.popleft()
            fault = self._standing
            if fault is None or (self._probability < 1 and self._rng.random() >= self._probability):
                return None
            if self._times is not None:
                self._times -= 1
                self._standing = fault if self._times else None
            return fault
