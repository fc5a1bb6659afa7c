"""JSON schemas checked for what values are synthesised from: a keyword with a value it cannot have is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["schema_problem"]

_DEEPEST = 64
_LARGEST = 1e15
_LONGEST = 100_000


def schema_problem(schema: Any) -> str | None:
    """Say what is wrong with a schema, if anything is."""
    return next(_problems(schema, schema, "", 0), None)


def _problems(schema: Any, root: Any, where: str, depth: int) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"{where or 'the schema'} is no schema: expected an object"
        return
    if depth > _DEEPEST:
        yield f"{where} is nested too deeply"
        return
    for keyword, is_right in _KEYWORDS.items():
        if keyword in schema and not is_right(schema[keyword]):
            yield f"{where}.{keyword} has a value that {keyword!r} cannot have".lstrip(".")
            return
    if "$ref" in schema and not _leads_somewhere(schema["$ref"], root):
        yield f"{where}.$ref leads nowhere".lstrip(".")
        return
    for name, inner in _inner(schema):
        yield from _problems(inner, root, f"{where}.{name}".lstrip("."), depth + 1)


def _inner(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in ("properties", "$defs", "definitions"):
        yield from ((f"{keyword}.{name}", inner) for name, inner in schema.get(keyword, {}).items())
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        yield from ((f"{keyword}.{index}", inner) for index, inner in enumerate(schema.get(keyword, ())))
    if "items" in schema:
        yield "items", schema["items"]


def _leads_somewhere(reference: str, root: Any) -> bool:
    target = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if not isinstance(target, dict):
            return False
        target = target.get(step.replace("~1", "/").replace("~0", "~")) if step else target
    return isinstance(target, dict)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_type(value: Any) -> bool:
    return _is_text(value) or (_are_texts(value) and bool(value))


def _is_filled(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_step(value: Any) -> bool:
    return _is_number(value) and bool(value > 1 / _LARGEST)


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LONGEST


_KEYWORDS: dict[str, Callable[[Any], bool]] = {
    "$defs": _is_object,
    "$ref": _is_text,
    "allOf": _is_list,
    "anyOf": _is_list,
    "definitions": _is_object,
    "enum": _is_filled,
    "examples": _is_list,
    "exclusiveMaximum": _is_number,
    "exclusiveMinimum": _is_number,
    "format": _is_text,
    "maxItems": _is_length,
    "maxLength": _is_length,
    "maximum": _is_number,
    "minItems": _is_length,
    "minLength": _is_length,
    "minimum": _is_number,
    "multipleOf": _is_step,
    "oneOf": _is_list,
    "prefixItems": _is_list,
    "properties": _is_object,
    "required": _are_texts,
    "type": _is_type,
}
