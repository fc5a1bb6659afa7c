"""How long models take: the last hundred answers of each, so that a hang can be told from a usual wait."""

from __future__ import annotations

import math
import threading

_KEPT = 100
_ENOUGH = 10


class _Ring(list[float]):
    """The last hundred of one kind, and the largest of them, which every call asks for."""

    __slots__ = ("largest", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self.largest = 0.0

    def put(self, seconds: float) -> None:
        """Take one in, in the place of the oldest."""
        gone = 0.0
        if len(self) < _KEPT:
            self.append(seconds)
        else:
            at = self.taken % _KEPT
            gone, self[at] = self[at], seconds
        self.taken += 1
        if seconds >= self.largest:
            self.largest = seconds
        elif gone >= self.largest:
            self.largest = max(self)


class Pace:
    """Seconds of recent answers per model, whole ones and the first content of streams apart. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a stream may be collected, and so end, at any time
        self._rings: dict[tuple[str, bool], _Ring] = {}

    def took(self, key: str, seconds: float, *, streamed: bool) -> None:
        """An attempt delivered: a whole answer, or the first content of a stream."""
        place = (key, streamed)
        with self._lock:
            ring = self._rings.get(place)
            if ring is None:
                ring = self._rings[place] = _Ring()
            ring.put(seconds)

    def slowest(self, key: str, *, streamed: bool) -> float | None:
        """What the slowest of the last hundred took; None while fewer than ten are known."""
        ring = self._rings.get((key, streamed))
        return None if ring is None or len(ring) < _ENOUGH else ring.largest

    def times(self, key: str, timeout: float | None, *, streamed: bool) -> float:
        """How many times its usual, the mean of its last hundred, a timeout leaves a model; infinite if none is known."""
        ring = self._rings.get((key, streamed))
        usual = sum(ring) / len(ring) if ring else 0.0
        return timeout / usual if timeout is not None and usual > 0 else math.inf
