"""Checks of an answer that need no label: is there something in it, is it whole, does it parse, are its tool calls valid.

They find defects, not quality, so what they say counts less than a judge, and that less than a person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pointsman.learning.answer_text import Answer, ToolCall
from pointsman.types import Request

# Parsing more than this to find out whether it parses is not worth it.
_LONGEST = 1_000_000
_CUT_SHORT = frozenset({"length", "max_tokens", "max_output_tokens", "content_filter", "safety", "recitation"})
_WHOLE = frozenset({"stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "function_call", "complete"})


# Keywords under which a schema has names of its own, or values.
_NAMED = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
_VALUES = frozenset({"const", "enum", "default", "examples", "required"})


class CheckSettings(BaseModel):
    """The `checks:` section: what each defect takes of an answer's quality, from 0 (not looked at) to 1 (all of it).

    Attributes:
        non_empty: nothing but white space, and no tool call.
        finish_reason: cut short by its length or by a filter.
        parses: JSON was asked for (`response_format`) and this is not, or not of that schema.
        tool_calls: a tool that was not offered, or arguments that are not of its schema.
        weight: how much a checked answer counts in learning, against one that a judge or a person scored.
        share: of all answers, how many are looked at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    non_empty: float = Field(default=1.0, ge=0, le=1)
    finish_reason: float = Field(default=0.5, ge=0, le=1)
    parses: float = Field(default=1.0, ge=0, le=1)
    tool_calls: float = Field(default=1.0, ge=0, le=1)
    weight: float = Field(default=0.3, gt=0, le=1)
    share: float = Field(default=1.0, ge=0, le=1)


def check(request: Request, answer: Answer, settings: CheckSettings) -> dict[str, float]:
    """For each check that applies to this answer, 1 if it passed and 0 if not."""
    found: dict[str, float] = {}
    for name, passes in CHECKS.items():
        passed = passes(request, answer) if getattr(settings, name) > 0 else None
        if passed is not None:
            found[name] = float(passed)
    return found


def quality_of(found: Mapping[str, float], settings: CheckSettings) -> float:
    """What the defects leave: each takes its share of what the others left.

    >>> quality_of({"finish_reason": 0.0, "non_empty": 1.0}, CheckSettings())
    0.5
    """
    quality = 1.0
    for name, passed in found.items():
        quality *= 1.0 - float(getattr(settings, name)) * (1.0 - passed)
    return quality


def is_not_empty(_: Request, answer: Answer) -> bool | None:
    """Whether there is text or a tool call."""
    return None if answer.text is None else bool(answer.text.strip() or answer.tool_calls)


def is_whole(_: Request, answer: Answer) -> bool | None:
    """Whether it ended by itself."""
    reason = (answer.finish_reason or "").lower()
    return False if reason in _CUT_SHORT else True if reason in _WHOLE else None


def parses(request: Request, answer: Answer) -> bool | None:
    """Whether it is the JSON that was asked for."""
    wanted = request.response_format
    if wanted is None or answer.text is None or (answer.tool_calls and not answer.text.strip()):
        return None
    schema: Any = None
    if isinstance(wanted, Mapping):
        if wanted.get("type") not in ("json_object", "json_schema"):
            return None
        inner = wanted.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, Mapping) else None
    elif isinstance(wanted, type) and issubclass(wanted, BaseModel):
        schema = wanted.model_json_schema()
    return _is_json(answer.text, schema)


def has_valid_calls(request: Request, answer: Answer) -> bool | None:
    """Whether every tool call is of a tool on offer and its arguments are as that tool declares."""
    offered = {name: schema for name, schema in map(_declared, request.tools) if name is not None}
    if not answer.tool_calls or not offered:
        return None
    verdicts = [_is_valid(call, offered) for call in answer.tool_calls]
    return False if False in verdicts else None if None in verdicts else True


CHECKS: Mapping[str, Callable[[Request, Answer], bool | None]] = {
    "non_empty": is_not_empty,
    "finish_reason": is_whole,
    "parses": parses,
    "tool_calls": has_valid_calls,
}


def _declared(tool: Any) -> tuple[str | None, Any]:
    """A tool's name and the schema of its arguments, as OpenAI and Anthropic declare them."""
    if not isinstance(tool, Mapping):
        return None, None
    inner = tool.get("function")
    source = inner if isinstance(inner, Mapping) else tool
    name = source.get("name")
    return (name if isinstance(name, str) else None), source.get("parameters", source.get("input_schema"))


def _is_valid(call: ToolCall, offered: Mapping[str, Any]) -> bool | None:
    if call.name is None or call.name not in offered:
        return False
    schema = offered[call.name]
    if isinstance(call.arguments, str):
        # A tool without arguments is called with an empty text by some.
        return _is_json(call.arguments.strip() or "{}", schema)
    return _conforms(call.arguments, schema) if isinstance(call.arguments, Mapping) else False


def _is_json(text: str, schema: Any) -> bool | None:
    if len(text) > _LONGEST:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return _conforms(value, schema)


def _conforms(value: Any, schema: Any) -> bool | None:
    """Whether a value is of a JSON Schema; None where the schema cannot be used."""
    if not isinstance(schema, Mapping):
        return True
    try:
        # LiteLLM needs it anyway, and it knows every corner of every draft; loaded when a schema was sent.
        from jsonschema.validators import validator_for  # type: ignore[import-untyped] # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        safe = _without_patterns(schema)
        kind = validator_for(safe)
        kind.check_schema(safe)
        # An empty registry: a reference to elsewhere is never fetched.
        return bool(kind(safe, registry=Registry()).is_valid(value))
    except Exception:  # noqa: BLE001  a schema that cannot be used says nothing of the answer, however it fails
        return None


def _without_patterns(schema: Any) -> Any:
    """The schema without regular expressions: one that backtracks would hold up the whole process."""
    if isinstance(schema, list | tuple):
        return [_without_patterns(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    dropped = {"pattern", "patternProperties"}
    if "patternProperties" in schema:
        dropped |= {"additionalProperties", "unevaluatedProperties"}
    return {
        key: {name: _without_patterns(each) for name, each in value.items()}
        if key in _NAMED and isinstance(value, Mapping)
        else value
        if key in _VALUES
        else _without_patterns(value)
        for key, value in schema.items()
        if key not in dropped
    }
