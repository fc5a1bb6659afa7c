"""Probabilities and scores that stay arrays until somebody looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from pointsman.policies.evidence import Vector
from pointsman.policies.shares import Shares


class Array(Shares):
    """An array as a sequence of plain floats.

    Args:
        array: which nobody may change any more.
    """

    __slots__ = ("_array",)

    def __init__(self, array: Vector) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, at: int) -> float: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[float]: ...
    def __getitem__(self, at: int | slice) -> float | Sequence[float]:
        found = self._array[at]
        return found.tolist() if isinstance(at, slice) else float(found)

    def values(self) -> list[float]:
        """All of them."""
        values: list[float] = self._array.tolist()
        return values

    def draw(self, chance: float) -> int:
        """The position on which a number from 0 to below 1 falls.

        >>> Array(np.array([0.25, 0.0, 0.75])).draw(0.25)
        2
        """
        sums = np.cumsum(self._array)
        return min(int(sums.searchsorted(chance * sums[-1], side="right")), len(sums) - 1)
