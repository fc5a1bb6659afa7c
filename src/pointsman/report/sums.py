"""Sums of rows that come one by one, in memory that does not grow with them: over time, of a quantity, of an order."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

# Widths of a time slot in seconds; each is a multiple of the one before.
_WIDTHS = (1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800)
# Seconds since the epoch that can be meant.
_LAST_TIME = 1e11
_STEP = math.log(1.05)


class Timeline:
    """Amounts per series and slot of time; slots widen so that there are never more than so many."""

    def __init__(self, most: int = 40) -> None:
        self.width = _WIDTHS[0]
        self._most = most
        self._slots: dict[int, dict[str, float]] = {}
        self._first = self._last = 0

    def add(self, at: float | None, series: str, amount: float = 1.0) -> None:
        """Add an amount to a series; what has no time that can be meant is left out."""
        if at is None or not 0 <= at <= _LAST_TIME:
            return
        slot = int(at // self.width)
        if not self._slots:
            self._first = self._last = slot
        self._first, self._last = min(self._first, slot), max(self._last, slot)
        while self._last - self._first >= self._most:
            self._widen()
        row = self._slots.setdefault(int(at // self.width), defaultdict(float))
        row[series] += amount

    def _widen(self) -> None:
        wider = [width for width in _WIDTHS if width > self.width]
        factor = wider[0] // self.width if wider else 2
        self.width *= factor
        slots: dict[int, dict[str, float]] = {}
        for slot, row in self._slots.items():
            into = slots.setdefault(slot // factor, defaultdict(float))
            for series, amount in row.items():
                into[series] += amount
        self._slots = slots
        self._first, self._last = self._first // factor, self._last // factor

    def __bool__(self) -> bool:
        return bool(self._slots)

    def __iter__(self) -> Iterator[tuple[float, dict[str, float]]]:
        """Start of each slot and its amounts, empty slots too."""
        if self._slots:
            for slot in range(self._first, self._last + 1):
                yield slot * self.width, dict(self._slots.get(slot, {}))


class Sketch:
    """A quantity's quantiles, to within 5 %."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self._bins: dict[int, int] = {}

    def add(self, value: float) -> None:
        """Take a value in; what is not above zero counts as a microsecond."""
        self.count += 1
        self.total += value
        at = round(math.log(max(value, 1e-6)) / _STEP)
        self._bins[at] = self._bins.get(at, 0) + 1

    def quantile(self, share: float) -> float | None:
        """The value below which this share lies."""
        below = 0
        for at in sorted(self._bins):
            below += self._bins[at]
            if below >= share * self.count:
                return math.exp(at * _STEP)
        return None


class Curve:
    """Means along an order of values, in groups that grow so that there are never more than so many."""

    def __init__(self, most: int = 24) -> None:
        self._most = most
        self._size = 1
        self._groups: list[tuple[int, float]] = []

    def add(self, value: float) -> None:
        """Take the next value in."""
        if self._groups and self._groups[-1][0] < self._size:
            count, total = self._groups[-1]
            self._groups[-1] = count + 1, total + value
            return
        self._groups.append((1, value))
        if len(self._groups) > self._most:
            pairs = zip(self._groups[::2], [*self._groups[1::2], (0, 0.0)], strict=False)
            self._groups = [(left[0] + right[0], left[1] + right[1]) for left, right in pairs]
            self._size *= 2

    def points(self) -> list[tuple[int, float]]:
        """How many values there were up to the end of each group, and the group's mean."""
        found, until = [], 0
        for count, total in self._groups:
            until += count
            found.append((until, total / count))
        return found

    def so_far(self) -> list[float]:
        """The mean of all values up to the end of each group."""
        found, until, total = [], 0, 0.0
        for count, amount in self._groups:
            until, total = until + count, total + amount
            found.append(total / until)
        return found
