"""How long models take: the last hundred answers of each, so that a hang can be told from a usual wait."""

from __future__ import annotations

import math

_KEPT = 100
_ENOUGH = 10


class Pace:
    """Seconds of recent answers per model, whole ones and the first content of streams apart. Thread-safe."""

    def __init__(self) -> None:
        self._rings: dict[tuple[str, bool], list[float]] = {}
        self._counts: dict[tuple[str, bool], int] = {}

    def took(self, key: str, seconds: float, *, streamed: bool) -> None:
        """An attempt delivered: a whole answer, or the first content of a stream."""
        place = (key, streamed)
        ring = self._rings.setdefault(place, [])
        count = self._counts.get(place, 0)
        self._counts[place] = count + 1
        # Two threads at once may overwrite each other's figure, which costs one of a hundred.
        if len(ring) < _KEPT:
            ring.append(seconds)
        else:
            ring[count % _KEPT] = seconds

    def slowest(self, key: str, *, streamed: bool) -> float | None:
        """What the slowest of the last hundred took; None while fewer than ten are known."""
        ring = self._rings.get((key, streamed))
        return None if ring is None or len(ring) < _ENOUGH else max(ring)

    def times(self, key: str, timeout: float | None, *, streamed: bool) -> float:
        """How many times its usual, the mean of its last hundred, a timeout leaves a model; infinite if none is known."""
        ring = self._rings.get((key, streamed))
        usual = sum(ring) / len(ring) if ring else 0.0
        return timeout / usual if timeout is not None and usual > 0 else math.inf
