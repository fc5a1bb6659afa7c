"""Containers that remember where in a file each of their parts stood."""

from __future__ import annotations

from typing import Any


class LocatedDict(dict[str, Any]):
    """A mapping that remembers the parser's mark of each of its keys; see `locate`."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, Any] = {}


class LocatedList(list[Any]):
    """A sequence that remembers the parser's mark of each of its items."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Any] = []


def locate(tree: Any, where: tuple[str | int, ...]) -> tuple[int | None, int | None]:
    """Line and column, counted from 1, of the deepest part of `where` that exists in a located tree."""
    mark = None
    node = tree
    for part in where:
        if isinstance(node, LocatedDict) and part in node.marks:
            mark = node.marks[str(part)]
        elif isinstance(node, LocatedList) and isinstance(part, int) and part < len(node.marks):
            mark = node.marks[part]
        else:
            break
        node = node[part]
    return (None, None) if mark is None else (mark.line + 1, mark.column + 1)
