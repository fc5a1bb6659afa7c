"""Values that satisfy a JSON schema, made from the words and numbers of a text as a model would.

Covers what function parameters and structured output use: types, enums, references, unions, bounds, common formats.
Numbers of the text fill number fields in order, quoted and proper names fill string fields.
"""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["Synthesis"]

Json = dict[str, Any]

_MAX_DEPTH = 8  # of references into themselves
_WHOLE_TEXT_FIELDS = {"query", "question", "text", "input", "prompt", "q", "content", "message"}
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "7f3b6c1e-0d5a-4c1b-9a65-2f1f3f6c8a10",
    "ipv4": "127.0.0.1",
    "hostname": "example.com",
    "duration": "PT1H",
}
_QUOTED = re.compile(r"(?<!\w)'([^'\n]{1,200})'(?!\w)|\"([^\"\n]{1,200})\"|`([^`\n]{1,200})`|“([^”\n]{1,200})”")
_PROPER = re.compile(r"\b(?:in|for|of|from|to|at|named|called)\s+((?:[A-Z][\w'-]+)(?:,?\s+[A-Z][\w'-]*)*)")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")


class Synthesis:
    """Fills schemas from one text; a number or name is used once, then the last one again.

    Args:
        text: What the user wrote.
        given: Values for string fields of these names, before all else.
    """

    def __init__(self, text: str, given: dict[str, str] | None = None) -> None:
        self._text = text
        self._given = given or {}
        self._numbers = [float(number) for number in _NUMBER.findall(text)]
        quoted = [next(group for group in match.groups() if group) for match in _QUOTED.finditer(text)]
        self._names = quoted + _PROPER.findall(text)

    def value(self, schema: Any, name: str = "", root: Json | None = None, depth: int = 0) -> Any:
        """Make one value for a schema; a schema that allows all gets a string."""
        if not isinstance(schema, dict):
            return self._string({}, name)
        root = schema if root is None else root
        schema = _resolved(schema, root)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"])
        for union in ("anyOf", "oneOf"):
            if schema.get(union):
                options = [option for option in schema[union] if _resolved(option, root).get("type") != "null"]
                if not options or depth > _MAX_DEPTH:
                    return None
                return self.value(options[0], name, root, depth + 1)
        return self._typed(schema, name, root, depth)

    def _typed(self, schema: Json, name: str, root: Json, depth: int) -> Any:
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, root, depth)
        if kind == "array":
            return self._array(schema, name, root, depth)
        if kind in {"integer", "number"}:
            return self._number(schema, kind)
        if kind == "boolean":
            return "not" not in self._text.lower().split()
        return None if kind == "null" else self._string(schema, name)

    def _object(self, schema: Json, root: Json, depth: int) -> Json:
        properties = schema.get("properties") or {}
        required = schema.get("required") or ()
        # Without a list of what is required, a helpful model fills everything that has no default.
        wanted = required or [key for key, sub in properties.items() if "default" not in _resolved(sub, root)]
        if depth > _MAX_DEPTH:
            wanted = required
        if depth > 4 * _MAX_DEPTH:
            return {}
        return {key: self.value(properties.get(key), key, root, depth + 1) for key in wanted}

    def _array(self, schema: Json, name: str, root: Json, depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        if schema.get("prefixItems"):
            return [self.value(item, name, root, depth + 1) for item in schema["prefixItems"]]
        items = schema.get("items")
        count = max(least, 0 if depth > _MAX_DEPTH else 1)
        if _kind(_resolved(items, root)) in {"integer", "number"}:
            count = max(count, len(self._numbers))
        return [self.value(items, name, root, depth + 1) for _ in range(min(count, schema.get("maxItems", count)))]

    def _number(self, schema: Json, kind: str) -> int | float:
        value = self._next_number(whole=kind == "integer")
        low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
        high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
        step = schema.get("multipleOf", 1 if kind == "integer" else 0)
        value = min(max(value, low), high)
        if step:
            value = math.ceil(value / step) * step if value <= low else math.floor(value / step) * step
        if value == schema.get("exclusiveMinimum"):
            value += step or min(1.0, (high - low) / 2)
        if value == schema.get("exclusiveMaximum"):
            value -= step or min(1.0, (high - low) / 2)
        return int(value) if value == int(value) else value

    def _next_number(self, *, whole: bool) -> float:
        fitting = [number for number in self._numbers if not whole or number == int(number)]
        if not fitting:
            return 1.0
        if len(self._numbers) > 1:
            self._numbers.remove(fitting[0])
        return fitting[0]

    def _choice(self, options: list[Any]) -> Any:
        said = self._text.lower()
        return next((option for option in options if isinstance(option, str) and option.lower() in said), options[0])

    def _string(self, schema: Json, name: str) -> str:
        if name in self._given:
            text = self._given[name]
        elif schema.get("format") in _FORMATS:
            text = _FORMATS[schema["format"]]
        elif schema.get("examples"):
            text = str(schema["examples"][0])
        elif name.lower() in _WHOLE_TEXT_FIELDS and self._text:
            text = self._text
        elif self._names:
            text = self._names.pop(0) if len(self._names) > 1 else self._names[0]
        else:
            text = f"some {(name or 'text').replace('_', ' ')}"
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _resolved(schema: Any, root: Json) -> Json:
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, dict):
            return {}
        merged = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
        for part in schema.get("allOf") or ():
            merged |= _resolved(part, root)
        if "$ref" not in schema:
            return merged
        target: Any = root
        for step in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            target = target.get(step.replace("~1", "/").replace("~0", "~"), {}) if step else target
        schema = {**target, **merged} if isinstance(target, dict) else {}
    return {}


def _kind(schema: Json) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)
