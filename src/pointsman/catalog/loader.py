"""The one way YAML and JSON come in: bounded in size, depth and nodes, with a position for everything read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pointsman.errors import CatalogError

_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# YAML 1.2's core schema: `no`, `on` and `1:30` are strings, unlike in YAML 1.1.
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*\Z"), int),
    (re.compile(r"0x[0-9a-fA-F]+\Z"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"), float),
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_MAX_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a file is accepted: bytes, nodes, levels of nesting and aliases."""

    size: int = 16 * 1024 * 1024
    nodes: int = 1_000_000
    depth: int = 32
    aliases: int = 100


class LocatedDict(dict[str, Any]):
    """A mapping that knows where each of its keys stood: `marks[key] == (line, column)`, counted from 1."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, tuple[int, int]] = {}


class LocatedList(list[Any]):
    """A sequence that knows where each of its items began."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[tuple[int, int]] = []


def load_file(path: str | Path, bounds: Bounds | None = None) -> Any:
    """Read a YAML or JSON file into located containers.

    Raises:
        CatalogError: E4005, with path, line and column as far as they are known.
    """
    bounds = bounds or Bounds()
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(bounds.size + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CatalogError(f"cannot read the file: {reason.lower()}", path=name, hint="check the path") from None
    return load_text(data, path=name, bounds=bounds, is_json=name.endswith(".json"))


def load_text(
    data: str | bytes, *, path: str | None = None, bounds: Bounds | None = None, is_json: bool = False
) -> Any:
    """Read YAML (or JSON) text; see `load_file`."""
    bounds = bounds or Bounds()
    text = _decoded(data, path, bounds)
    if is_json:
        return _load_json(text, path, bounds)
    try:
        return _Builder(path, bounds).build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        raise CatalogError(
            f"broken YAML: {error.problem or error.context or 'cannot be parsed'}", path=path, line=line, column=column
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CatalogError(f"broken YAML: {type(error).__name__}", path=path) from None


def locate(tree: Any, where: tuple[str | int, ...]) -> tuple[int | None, int | None]:
    """Line and column of the deepest part of `where` that exists in a located tree."""
    found: tuple[int | None, int | None] = (None, None)
    node = tree
    for part in where:
        if isinstance(node, LocatedDict) and part in node.marks:
            found = node.marks[str(part)]
        elif isinstance(node, LocatedList) and isinstance(part, int) and part < len(node.marks):
            found = node.marks[part]
        else:
            break
        node = node[part]
    return found


def _decoded(data: str | bytes, path: str | None, bounds: Bounds) -> str:
    if len(data) > bounds.size:
        limit = bounds.size // 1024 // 1024
        raise CatalogError(f"the file is larger than {limit} MiB", path=path, hint="split it, or raise the bound")
    text = data if isinstance(data, str) else _utf8(data, path)
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise CatalogError("the file holds a NUL byte", path=path, line=line)
    return text


def _utf8(data: bytes, path: str | None) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CatalogError("the file is not UTF-8 text", path=path, line=line) from None


class _Builder:
    """Builds located containers from the parser's events, counting as it goes."""

    def __init__(self, path: str | None, bounds: Bounds) -> None:
        self._path = path
        self._bounds = bounds
        self._nodes = 0
        self._aliases = 0
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._sizes: list[int] = []

    def build(self, text: str) -> Any:
        parser = _Parser(text)
        try:
            return self._document(self._events(parser))
        finally:
            parser.dispose()

    @staticmethod
    def _events(parser: Any) -> Iterator[Any]:
        while parser.check_event():
            yield parser.get_event()

    def _document(self, events: Iterator[Any]) -> Any:
        result = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error("more than one document in the file", event, "keep one, without `---` between")
            elif isinstance(event, yaml.NodeEvent):
                result = self._node(event, events, depth=1)
        return result

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event)
        self._count(1, event)
        first = self._nodes
        if kind is yaml.ScalarEvent:
            value = self._scalar(event)
        else:
            if depth > self._bounds.depth:
                raise self._error(f"nested deeper than {self._bounds.depth} levels", event)
            if event.tag is not None and not str(event.tag).startswith("tag:yaml.org,2002:"):
                raise self._error(f"the tag {str(event.tag)[:40]!r} is not allowed", event, "use plain YAML")
            build = self._mapping if kind is yaml.MappingStartEvent else self._sequence
            value = build(events, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - first + 1)
        return value

    def _mapping(self, events: Iterator[Any], depth: int) -> LocatedDict:
        result = LocatedDict()
        marks = result.marks
        for event in events:
            if type(event) is yaml.MappingEndEvent:
                break
            key = self._node(event, events, depth + 1)
            if not isinstance(key, Hashable) or isinstance(key, float | bool) or key is None:
                raise self._error("a key must be text", event, "quote it")
            key = str(key)
            if key == "<<":
                raise self._error("merge keys are not allowed", event, "repeat the fields, or use `base:`")
            if key in result:
                raise self._error(f"the key {_short(key)} stands twice", event, "remove one of the two")
            marks[key] = (event.start_mark.line + 1, event.start_mark.column + 1)
            result[key] = self._node(next(events), events, depth + 1)
        return result

    def _sequence(self, events: Iterator[Any], depth: int) -> LocatedList:
        result = LocatedList()
        for event in events:
            if type(event) is yaml.SequenceEndEvent:
                break
            result.marks.append((event.start_mark.line + 1, event.start_mark.column + 1))
            result.append(self._node(event, events, depth + 1))
        return result

    def _alias(self, event: Any) -> Any:
        self._aliases += 1
        if self._aliases > self._bounds.aliases:
            raise self._error(f"more than {self._bounds.aliases} aliases", event, "write the values out")
        if event.anchor not in self._anchors:
            raise self._error(f"the alias {_short(event.anchor)} refers to nothing before it", event)
        value, size = self._anchors[event.anchor]
        self._count(size, event)  # what an alias repeats counts again, so nothing can be multiplied unseen
        return value

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:str"):
            raise self._error(f"the tag {str(event.tag)[:40]!r} is not allowed", event, "use plain YAML")
        if event.tag is not None or not event.implicit[0]:
            return text
        return self._plain(text, event)

    def _plain(self, text: str, event: Any) -> Any:
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] not in "+-.0123456789" or len(text) > _MAX_DIGITS:
            return text
        if _NOT_FINITE.match(text):
            raise self._error(f"{text} is no usable number", event, "write a finite number, or leave it out")
        for pattern, read in _NUMBERS:
            if pattern.match(text):
                number = read(text.replace("_", ""))
                if isinstance(number, float) and not math.isfinite(number):
                    raise self._error(f"{text} is too large for a number", event)
                return number
        return text

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > self._bounds.nodes:
            raise self._error(f"more than {self._bounds.nodes:,} values", event, "split the file, or raise the bound")

    def _error(self, message: str, event: Any, hint: str | None = None) -> CatalogError:
        mark = event.start_mark
        return CatalogError(message, hint=hint, path=self._path, line=mark.line + 1, column=mark.column + 1)


def _load_json(text: str, path: str | None, bounds: Bounds) -> Any:
    def refuse(name: str) -> Any:
        raise CatalogError(f"{name} is no usable number", path=path, hint="write a finite number")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            twice = next(key for key, _ in items if sum(key == other for other, _ in items) > 1)
            raise CatalogError(f"the key {_short(twice)} stands twice", path=path, hint="remove one of the two")
        return result

    try:
        tree = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise CatalogError(
            f"broken JSON: {error.msg.lower()}", path=path, line=error.lineno, column=error.colno
        ) from None
    except (RecursionError, ValueError):
        raise CatalogError("broken JSON: nested too deeply, or a number too long", path=path) from None
    _measure(tree, path, bounds)
    return tree


def _measure(tree: Any, path: str | None, bounds: Bounds) -> None:
    nodes = 0
    level = [tree]
    for depth in range(1, bounds.depth + 2):
        nodes += len(level)
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if nodes + len(level) > bounds.nodes:
            raise CatalogError(f"more than {bounds.nodes:,} values", path=path, hint="split the file")
        if not level:
            return
        if depth > bounds.depth:
            raise CatalogError(f"nested deeper than {bounds.depth} levels", path=path)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
