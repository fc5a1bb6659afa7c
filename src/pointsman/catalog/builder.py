"""Builds located containers from the events of a YAML parser, and refuses what is out of bounds as soon as it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from pointsman.catalog.bounds import MAX_DIGITS, Bounds, short
from pointsman.catalog.located import COLUMN_BITS, LocatedDict, LocatedList
from pointsman.errors import CatalogError

_Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALAR, _ALIAS = yaml.ScalarEvent, yaml.AliasEvent
_MAPPING, _MAPPING_END, _SEQUENCE_END = yaml.MappingStartEvent, yaml.MappingEndEvent, yaml.SequenceEndEvent

# YAML 1.2's core schema: `no`, `on` and `1:30` are strings, unlike in YAML 1.1.
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"(?P<whole>[-+]?[0-9]+(?:_[0-9]+)*)\Z"
    r"|(?P<hexadecimal>0x[0-9a-fA-F]+)\Z"
    r"|[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
# What a plain scalar begins with that may be more than text; everything else need not be looked at twice.
_NUMERIC = frozenset("+-.0123456789")
_MAYBE_MORE = _NUMERIC | {"", *"~nNtTfF"}
# So many nodes are read of any file, whatever its size.
_FREE_NODES = 20_000


class Builder:
    """Builds located containers from the parser's events, counting as it goes."""

    def __init__(self, path: str | None, bounds: Bounds) -> None:
        self._path = path
        self._bounds = bounds
        self._nodes = 0
        self._allowed = min(_FREE_NODES, bounds.nodes)
        self._aliases = 0
        self._words: dict[str, str] = {}  # one string for all keys that say the same
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._next: Callable[[], Any] = lambda: None

    def build(self, text: str) -> Any:
        """Read the one document of a text."""
        parser = _Parser(text)
        self._next = parser.get_event
        try:
            return self._document()
        finally:
            parser.dispose()

    def _document(self) -> Any:
        result = None
        documents = 0
        while (event := self._next()) is not None:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error("more than one document in the file", event, "keep one, without `---` between")
            elif isinstance(event, yaml.NodeEvent):
                result = self._node(event, depth=1)
        return result

    def _node(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is _SCALAR:
            return self._scalar(event)
        if kind is _ALIAS:
            return self._alias(event)
        self._nodes += 1
        if self._nodes > self._allowed:
            self._allow(event)
        first = self._nodes
        if depth > self._bounds.depth:
            raise self._error(f"nested deeper than {self._bounds.depth} levels", event)
        if event.tag is not None and not str(event.tag).startswith("tag:yaml.org,2002:"):
            raise self._error(f"the tag {str(event.tag)[:40]!r} is not allowed", event, "use plain YAML")
        value = self._mapping(depth + 1) if kind is _MAPPING else self._sequence(depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - first + 1)
        return value

    def _mapping(self, depth: int) -> LocatedDict:
        result = LocatedDict()
        mark = result.marks.append
        words = self._words
        most, longest = self._bounds.keys, self._bounds.key_length
        get, node, scalar = self._next, self._node, self._scalar
        while type(event := get()) is not _MAPPING_END:
            key = scalar(event) if type(event) is _SCALAR else node(event, depth)
            key = words.setdefault(key, key) if type(key) is str else self._key(key, event)
            if len(key) > longest:
                raise self._error(f"a key of {len(key):,} characters", event, f"at most {longest:,}")
            if key in result:
                raise self._error(f"the key {short(key)} stands twice", event, "remove one of the two")
            if key == "<<":
                raise self._error("merge keys are not allowed", event, "repeat the fields, or use `base:`")
            start = event.start_mark
            mark(start.line << COLUMN_BITS | start.column)
            event = get()
            result[key] = scalar(event) if type(event) is _SCALAR else node(event, depth)
            if len(result) > most:
                raise self._error(f"more than {most:,} keys in one mapping", event, "split it")
        return result

    def _key(self, key: Any, event: Any) -> str:
        if type(key) is not int:
            raise self._error("a key must be text", event, "quote it")
        return str(key)

    def _sequence(self, depth: int) -> LocatedList:
        result = LocatedList()
        mark, append = result.marks.append, result.append
        get, node, scalar = self._next, self._node, self._scalar
        while type(event := get()) is not _SEQUENCE_END:
            start = event.start_mark
            mark(start.line << COLUMN_BITS | start.column)
            append(scalar(event) if type(event) is _SCALAR else node(event, depth))
        return result

    def _alias(self, event: Any) -> Any:
        self._aliases += 1
        if self._aliases > self._bounds.aliases:
            raise self._error(f"more than {self._bounds.aliases} aliases", event, "write the values out")
        if event.anchor not in self._anchors:
            raise self._error(f"the alias {short(event.anchor)} refers to nothing before it", event)
        value, size = self._anchors[event.anchor]
        self._nodes += size  # what an alias repeats counts again, so nothing can be multiplied unseen
        if self._nodes > self._allowed:
            self._allow(event)
        return value

    def _scalar(self, event: Any) -> Any:
        self._nodes = nodes = self._nodes + 1
        if nodes > self._allowed:
            self._allow(event)
        value = event.value
        if event.tag is not None:
            if event.tag not in ("!", "tag:yaml.org,2002:str"):
                raise self._error(f"the tag {str(event.tag)[:40]!r} is not allowed", event, "use plain YAML")
        elif value[:1] in _MAYBE_MORE and event.implicit[0]:
            value = self._plain(value, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        return value

    def _plain(self, text: str, event: Any) -> Any:
        if text[:1] not in _NUMERIC:
            return _CONSTANTS.get(text, text)
        if len(text) > MAX_DIGITS:
            return text
        if text.isdigit() and text.isascii():
            return int(text)
        match = _NUMBER.match(text)
        if match is None:
            if _NOT_FINITE.match(text):
                raise self._error(f"{text} is no usable number", event, "write a finite number, or leave it out")
            return text
        if match.lastgroup is not None:
            return int(text, 16) if match.lastgroup == "hexadecimal" else int(text)
        number = float(text)
        if math.isfinite(number):
            return number
        raise self._error(f"{text} is too large for a number", event)

    def _allow(self, event: Any) -> None:
        """Raise what is allowed to what has been read by now deserves."""
        bounds = self._bounds
        if self._nodes > bounds.nodes:
            raise self._error(f"more than {bounds.nodes:,} values", event, "split the file, or raise the bound")
        self._allowed = min(bounds.nodes, _FREE_NODES + event.start_mark.index // bounds.bytes_per_node)
        if self._nodes > self._allowed:
            hint = "this is no catalogue; if it is, raise the bound"
            most = f"more than {self._allowed:,} values in {event.start_mark.index:,} characters"
            raise self._error(most, event, hint)

    def _error(self, message: str, event: Any, hint: str | None = None) -> CatalogError:
        mark = event.start_mark
        return CatalogError(message, hint=hint, path=self._path, line=mark.line + 1, column=mark.column + 1)
