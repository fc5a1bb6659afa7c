"""Facts of many models, one per position, of which every earlier state can be had again at little cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Generic, TypeVar

_V = TypeVar("_V")


class Timeline(Generic[_V]):
    """What is so now, what was so once, and the changes between.

    Decisions explain themselves by numbers that go on changing. Copying them for each would cost more than deciding.

    Attributes:
        now: the present values.
    """

    __slots__ = ("_base", "_changes", "now")

    def __init__(self, values: Iterable[_V]) -> None:
        self.now = list(values)
        self._base = self.now.copy()
        self._changes: list[tuple[int, _V]] = []

    def put(self, at: int, value: _V) -> None:
        """Set one value."""
        if len(self._changes) >= len(self.now):  # a copy for as many changes as it has values; older views keep theirs
            self._base, self._changes = self.now.copy(), []
        self.now[at] = value
        self._changes.append((at, value))

    def view(self) -> Callable[[], list[_V]]:
        """What gives the values as they are at this moment, whenever it is called.

        >>> line = Timeline([1, 2])
        >>> before = line.view()
        >>> for value in range(7):
        ...     line.put(1, value)
        >>> before(), line.now
        ([1, 2], [1, 6])
        """
        return partial(_restored, self._base, self._changes, len(self._changes))


def _restored(base: list[_V], changes: list[tuple[int, _V]], count: int) -> list[_V]:
    values = base.copy()
    for at, value in changes[:count]:
        values[at] = value
    return values
