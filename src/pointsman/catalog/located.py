"""Containers that remember where in a file each of their parts stood."""

from __future__ import annotations

from array import array
from typing import Any

# A mark is a line and a column, counted from 0, in one number.
COLUMN_BITS = 32


class LocatedDict(dict[str, Any]):
    """A mapping with a mark for each of its keys, in their order."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks = array("Q")


class LocatedList(list[Any]):
    """A sequence with a mark for each of its items."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks = array("Q")


def locate(tree: Any, where: tuple[str | int, ...]) -> tuple[int | None, int | None]:
    """Line and column, counted from 1, of the deepest part of `where` that exists in a located tree."""
    mark = None
    node = tree
    for part in where:
        if isinstance(node, LocatedDict) and part in node:
            mark = node.marks[list(node).index(str(part))]
        elif isinstance(node, LocatedList) and isinstance(part, int) and part < len(node):
            mark = node.marks[part]
        else:
            break
        node = node[part]
    return (None, None) if mark is None else ((mark >> COLUMN_BITS) + 1, (mark & ((1 << COLUMN_BITS) - 1)) + 1)
