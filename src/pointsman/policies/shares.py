"""Probabilities and scores of many models that are worked out only for whoever looks at them, and drawn from at once."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate, repeat
from typing import overload

# Up to so many models plain lists are faster than anything cleverer.
FEW = 64
_ROUNDING = 2.0**-51


class Numbers(Sequence[float]):
    """A number per model; equal to every sequence of the same numbers."""

    __slots__ = ()

    @abstractmethod
    def values(self) -> Sequence[float]:
        """All of them."""

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[float]: ...
    def __getitem__(self, at: int | slice) -> float | Sequence[float]:
        return self.values()[at]

    def __iter__(self) -> Iterator[float]:
        return iter(self.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self.values()) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self.values()))

    def __repr__(self) -> str:
        return repr(list(self.values()))


class Later(Numbers):
    """Numbers that are worked out when first looked at, from what must not change by then.

    Args:
        size: how many there will be.
        work_out: gives them.
    """

    __slots__ = ("_size", "_values", "_work_out")

    def __init__(self, size: int, work_out: Callable[[], Sequence[float]]) -> None:
        self._size = size
        self._work_out: Callable[[], Sequence[float]] | None = work_out
        self._values: Sequence[float] = ()

    def __len__(self) -> int:
        return self._size

    def values(self) -> Sequence[float]:
        """All of them; kept from the first time on."""
        work_out = self._work_out
        if work_out is not None:
            self._values = work_out()
            self._work_out = None
        return self._values


class Shares(Numbers):
    """Probabilities that know how to be drawn from: as from a list of them, with the same result."""

    __slots__ = ()

    @abstractmethod
    def draw(self, chance: float) -> int:
        """The position on which a number from 0 to below 1 falls."""


class Even(Shares):
    """The same probability for some models, none for the others.

    Args:
        size: how many models there are.
        mask: a bit for the position of each that has a share.
    """

    __slots__ = ("_count", "_mask", "_share", "_size")

    def __init__(self, size: int, mask: int) -> None:
        self._size = size
        self._mask = mask
        self._count = mask.bit_count()
        self._share = 1.0 / self._count

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[float]: ...
    def __getitem__(self, at: int | slice) -> float | Sequence[float]:
        if isinstance(at, slice):
            return self.values()[at]
        if not -self._size <= at < self._size:
            raise IndexError("there are not so many models")
        return self._share if self._mask >> (at % self._size) & 1 else 0.0

    def values(self) -> list[float]:
        """All of them."""
        share = self._share
        digits = bin(self._mask)[:1:-1].ljust(self._size, "0")
        return [share if digit == "1" else 0.0 for digit in digits]

    def draw(self, chance: float) -> int:
        """The position on which a number from 0 to below 1 falls.

        >>> Even(6, 0b101100).draw(0.5)
        3
        """
        count = self._count
        if count == 1:
            return self._mask.bit_length() - 1
        if count > FEW:
            # Sums of so many shares are off by less than this, so this is the one, unless it lies just at its end.
            guess, slack = chance * count, count * (count + 2) * _ROUNDING
            number = int(guess)
            if number + slack < guess < number + 1 - slack:
                return nth_bit(self._mask, number)
        sums = list(accumulate(repeat(self._share, count)))
        return nth_bit(self._mask, min(bisect_right(sums, chance * sums[-1]), count - 1))


def nth_bit(mask: int, number: int) -> int:
    """The position of a mask's one of this number, from 0, lowest first.

    >>> [nth_bit(0b101100, number) for number in range(3)]
    [2, 3, 5]
    """
    position, width = 0, mask.bit_length()
    while width > 1:
        half = width >> 1
        low = mask & ((1 << half) - 1)
        below = low.bit_count()
        if number < below:
            mask, width = low, half
        else:
            mask >>= half
            number -= below
            position += half
            width -= half
    return position


def mask_of(positions: Collection[int], size: int) -> int:
    """The mask of some positions among so many; of many in time that grows with the size alone.

    >>> bin(mask_of([0, 3], 5))
    '0b1001'
    """
    if len(positions) <= FEW:
        mask = 0
        for at in positions:
            mask |= 1 << at
        return mask
    digits = bytearray(b"0") * size
    for at in positions:
        digits[-1 - at] = 49  # "1"
    return int(digits, 2)
