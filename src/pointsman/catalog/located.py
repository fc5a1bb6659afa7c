"""Containers that remember where in a file each of their parts stood."""

from __future__ import annotations

from typing import Any


class LocatedDict(dict[str, Any]):
    """A mapping with the parser's mark of each of its keys, in their order; who builds it sets `marks`."""

    __slots__ = ("marks",)

    marks: list[Any]


class LocatedList(list[Any]):
    """A sequence with the parser's mark of each of its items; who builds it sets `marks`."""

    __slots__ = ("marks",)

    marks: list[Any]


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
    return (None, None) if mark is None else (mark.line + 1, mark.column + 1)
