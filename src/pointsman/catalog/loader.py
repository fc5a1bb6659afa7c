"""The one way YAML and JSON come in: bounded in size, depth and nodes, with a position for everything read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import yaml

from pointsman.catalog.bounds import MAX_DIGITS, Bounds, short
from pointsman.catalog.builder import Builder
from pointsman.catalog.located import locate
from pointsman.errors import CatalogError

__all__ = ["Bounds", "load_file", "load_text", "locate"]


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
        return Builder(path, bounds).build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        raise CatalogError(
            f"broken YAML: {error.problem or error.context or 'cannot be parsed'}", path=path, line=line, column=column
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CatalogError(f"broken YAML: {type(error).__name__}", path=path) from None


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


def _load_json(text: str, path: str | None, bounds: Bounds) -> Any:
    def refuse(name: str) -> Any:
        raise CatalogError(f"{short(name)} is no usable number", path=path, hint="write a finite number")

    def whole(digits: str) -> int:
        return int(digits) if len(digits) <= MAX_DIGITS else refuse(digits)

    def fraction(digits: str) -> float:
        number = float(digits)
        return number if math.isfinite(number) else refuse(digits)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            seen: set[str] = set()
            twice = next(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise CatalogError(f"the key {short(twice)} stands twice", path=path, hint="remove one of the two")
        if len(result) > bounds.keys:
            raise CatalogError(f"more than {bounds.keys:,} keys in one mapping", path=path, hint="split it")
        if any(len(key) > bounds.key_length for key in result):
            raise CatalogError("a key is too long", path=path, hint=f"at most {bounds.key_length:,} characters")
        return result

    try:
        tree = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse, parse_int=whole, parse_float=fraction)
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
