"""Positions in the order of a number that changes for one at a time: the least, and who shares it, are always known."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from pointsman.policies.shares import mask_of


class Ranking:
    """Positions by their number, least first.

    Args:
        pairs: numbers with their positions.
        size: how many positions there are.
    """

    __slots__ = ("_numbers", "_where")

    def __init__(self, pairs: Iterable[tuple[float, int]] = (), size: int = 0) -> None:
        groups: dict[float, list[int]] = {}
        for number, at in pairs:
            groups.setdefault(number, []).append(at)
        self._numbers = sorted(groups)
        # A mask takes memory in proportion to its highest bit, so one position alone is kept as its complement.
        self._where = {
            number: ~found[0] if len(found) == 1 else mask_of(found, size) for number, found in groups.items()
        }

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def __iter__(self) -> Iterator[float]:
        """The numbers, each once, least first."""
        return iter(self._numbers)

    def mask(self, number: float) -> int:
        """The positions that have this number."""
        found = self._where[number]
        return found if found >= 0 else 1 << ~found

    def add(self, number: float, at: int) -> None:
        """Take in a position."""
        found = self._where.get(number)
        if found is None:
            insort(self._numbers, number)
            self._where[number] = ~at
        else:
            self._where[number] = (found if found >= 0 else 1 << ~found) | 1 << at

    def remove(self, number: float, at: int) -> None:
        """Leave a position out."""
        left = self.mask(number) & ~(1 << at)
        if not left:
            del self._where[number]
            del self._numbers[bisect_left(self._numbers, number)]
        else:
            self._where[number] = ~(left.bit_length() - 1) if left & (left - 1) == 0 else left
