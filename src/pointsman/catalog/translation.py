"""Values that APIs spell differently: tools, the choice of a tool, the format of the answer, stop words.

Standard is OpenAI's chat completions. What is already in a provider's own form passes as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from pointsman.catalog.apis import Api
    from pointsman.catalog.spec import ModelSpec

Json = dict[str, Any]

# In this order: a choice is laid over what serial calls say of it.
SHAPED = ("tools", "parallel_tool_calls", "tool_choice", "response_format")

# What Gemini's `response_schema` and `parameters` know of JSON Schema; anything else goes to their `..._json_schema`.
_OPENAPI = frozenset(
    {
        "anyOf",
        "default",
        "description",
        "enum",
        "example",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "propertyOrdering",
        "required",
        "title",
        "type",
    }
)
# Left out without loss: Gemini answers with the listed properties alone.
_SAID_ANYWAY = frozenset({"$schema", "additionalProperties", "strict"})
_DEEPEST_SCHEMA = 32


class UntranslatableError(ValueError):
    """A value that cannot be said to an API; the message says why."""


class UnreadableError(UntranslatableError):
    """A value that has none of the standard forms, so that it could be said to no API."""


class Tool(NamedTuple):
    """A function the model may call."""

    name: str
    description: str | None
    schema: Mapping[str, Any]


class Choice(NamedTuple):
    """Whether tools are to be called; `name` with kind `tool`."""

    kind: Literal["auto", "required", "none", "tool"]
    name: str = ""


_CHOICES = {"auto": Choice("auto"), "required": Choice("required"), "none": Choice("none")}


class Format(NamedTuple):
    """JSON was asked for, of a schema if there is one."""

    schema: Mapping[str, Any] | None
    name: str | None = None


class Shape(NamedTuple):
    """How one API is told; each function returns the parameters to send."""

    tools: Callable[[list[Tool | Mapping[str, Any]]], Json]
    choice: Callable[[Choice], Json]
    format: Callable[[Format, ModelSpec], Json]
    serial: Callable[[], Json]
    none_means_no_tools: bool = False


def read_tools(value: Any) -> list[Tool | Mapping[str, Any]]:
    """Read a list of tools; those that are in a provider's own form stay as they are.

    Raises:
        UnreadableError: if it is no list of mappings.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(each, Mapping) for each in value):
        raise UnreadableError("expected a list of tools, each a mapping")
    return [_read_tool(each) for each in value]


def _read_tool(value: Mapping[str, Any]) -> Tool | Mapping[str, Any]:
    if value.get("type") != "function":
        return value
    function = value.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise UnreadableError("a tool of type 'function' needs `function: {name, description, parameters}`")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(schema, Mapping):
        raise UnreadableError(f"the parameters of {function['name'][:40]!r} are no JSON Schema")
    return Tool(function["name"], function.get("description"), schema)


def read_choice(value: Any) -> Choice | Mapping[str, Any]:
    """Read `tool_choice`; a mapping in a provider's own form stays as it is.

    Raises:
        UnreadableError: if it is none of the standard forms.
    """
    if isinstance(value, str) and value in _CHOICES:
        return _CHOICES[value]
    if not isinstance(value, Mapping):
        raise UnreadableError("expected 'auto', 'required', 'none' or {type: function, function: {name: ...}}")
    if value.get("type") != "function":
        return value
    function = value.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise UnreadableError("a choice of type 'function' needs `function: {name: ...}`")
    return Choice("tool", function["name"])


def read_format(value: Any) -> Format | None:
    """Read `response_format`; None for text.

    Raises:
        UnreadableError: if it is none of OpenAI's three forms.
    """
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return Format(None)
    described = value.get("json_schema") if kind == "json_schema" else None
    schema = described.get("schema") if isinstance(described, Mapping) else None
    if not isinstance(schema, Mapping):
        raise UnreadableError("expected {type: text}, {type: json_object} or {type: json_schema, json_schema: ...}")
    name = described.get("name") if isinstance(described, Mapping) else None
    return Format(schema, name if isinstance(name, str) else None)


def shaped(api: Api, values: Mapping[str, Any], spec: ModelSpec) -> tuple[Json, dict[str, UntranslatableError]]:
    """Say those of `SHAPED` that are given to an API in its own form; also what could not be said, and why."""
    shape = SHAPES[api]
    result: Json = {}
    refused: dict[str, UntranslatableError] = {}
    choice = values.get("tool_choice")
    no_calls = isinstance(choice, str) and choice == "none"
    without_tools = no_calls and shape.none_means_no_tools
    for name in SHAPED:
        if name not in values or (without_tools and name != "response_format"):
            continue
        try:
            said = _say(shape, name, values[name], spec)
        except UntranslatableError as error:
            refused[name] = error
            continue
        for key, value in said.items():
            known = result.get(key)
            result[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    if no_calls and "tool_choice" in result:
        result["tool_choice"].pop("disable_parallel_tool_use", None)
    return result, refused


def _say(shape: Shape, name: str, value: Any, spec: ModelSpec) -> Json:
    if name == "tools":
        return shape.tools(read_tools(value))
    if name == "tool_choice":
        choice = read_choice(value)
        return shape.choice(choice) if isinstance(choice, Choice) else {"tool_choice": dict(choice)}
    if name == "response_format":
        wanted = read_format(value)
        return {} if wanted is None else shape.format(wanted, spec)
    return {} if value else shape.serial()


def _refused(why: str) -> Callable[[], Json]:
    def serial() -> Json:
        raise UntranslatableError(why)

    return serial


# -- Anthropic's Messages


def _anthropic_tools(tools: list[Tool | Mapping[str, Any]]) -> Json:
    return {
        "tools": [
            _without_none(name=each.name, description=each.description, input_schema=each.schema)
            if isinstance(each, Tool)
            else each
            for each in tools
        ]
    }


def _anthropic_choice(choice: Choice) -> Json:
    if choice.kind == "tool":
        return {"tool_choice": {"type": "tool", "name": choice.name}}
    return {"tool_choice": {"type": "any" if choice.kind == "required" else choice.kind}}


def _anthropic_format(wanted: Format, spec: ModelSpec) -> Json:
    if wanted.schema is None:
        raise UntranslatableError("its API knows JSON only with a schema: ask for json_schema")
    if spec.capabilities and not spec.has_capability("json.schema"):
        raise UntranslatableError("it does not declare json.schema")
    return {"output_config": {"format": {"type": "json_schema", "schema": wanted.schema}}}


# -- Bedrock's Converse


def _converse_tools(tools: list[Tool | Mapping[str, Any]]) -> Json:
    said = [
        {"toolSpec": _without_none(name=each.name, description=each.description, inputSchema={"json": each.schema})}
        if isinstance(each, Tool)
        else each
        for each in tools
    ]
    return {"toolConfig": {"tools": said}}


def _converse_choice(choice: Choice) -> Json:
    said = {"required": {"any": {}}, "tool": {"tool": {"name": choice.name}}}.get(choice.kind, {"auto": {}})
    return {"toolConfig": {"toolChoice": said}}


def _converse_format(wanted: Format, _: ModelSpec) -> Json:
    if wanted.schema is None:
        raise UntranslatableError("its API knows JSON only with a schema: ask for json_schema")
    try:
        schema = json.dumps(wanted.schema)
    except (TypeError, ValueError, RecursionError):
        raise UntranslatableError("the schema is no JSON") from None
    described = _without_none(schema=schema, name=wanted.name)
    return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": described}}}}


# -- Gemini


def _gemini_tools(tools: list[Tool | Mapping[str, Any]]) -> Json:
    functions = [_declaration(each) for each in tools if isinstance(each, Tool)]
    own = [each for each in tools if not isinstance(each, Tool)]
    return {"tools": [*([{"function_declarations": functions}] if functions else []), *own]}


def _declaration(tool: Tool) -> Json:
    schema = _as_openapi(tool.schema)
    said = {"parameters_json_schema": tool.schema} if schema is None else {"parameters": schema}
    return _without_none(name=tool.name, description=tool.description, **said)


def _gemini_choice(choice: Choice) -> Json:
    mode = {"auto": "AUTO", "none": "NONE"}.get(choice.kind, "ANY")
    said: Json = {"mode": mode}
    if choice.kind == "tool":
        said["allowed_function_names"] = [choice.name]
    return {"tool_config": {"function_calling_config": said}}


def _gemini_format(wanted: Format, _: ModelSpec) -> Json:
    said: Json = {"response_mime_type": "application/json"}
    if wanted.schema is not None:
        schema = _as_openapi(wanted.schema)
        said |= {"response_json_schema": wanted.schema} if schema is None else {"response_schema": schema}
    return said


class _BeyondOpenApiError(ValueError):
    """A schema says more than Gemini's dialect can."""


def _as_openapi(schema: Any) -> Any:
    """The schema in Gemini's dialect, or None if it says more than that dialect can."""
    try:
        return _reduced(schema, 0)
    except _BeyondOpenApiError:
        return None


def _reduced(schema: Any, depth: int) -> Json:
    if not isinstance(schema, Mapping) or depth > _DEEPEST_SCHEMA:
        raise _BeyondOpenApiError
    result: Json = {}
    for key, value in schema.items():
        if key in _SAID_ANYWAY:
            continue
        if key not in _OPENAPI or (key == "type" and not isinstance(value, str)):
            raise _BeyondOpenApiError
        if key == "properties" and isinstance(value, Mapping):
            result[key] = {name: _reduced(each, depth + 1) for name, each in value.items()}
        elif key == "anyOf" and isinstance(value, list):
            result[key] = [_reduced(each, depth + 1) for each in value]
        else:
            result[key] = _reduced(value, depth + 1) if key == "items" else value
    return result


# -- Ollama, Cohere


def _as_they_are(tools: list[Tool | Mapping[str, Any]]) -> Json:
    return {"tools": [_standard(each) if isinstance(each, Tool) else each for each in tools]}


def _standard(tool: Tool) -> Json:
    function = _without_none(name=tool.name, description=tool.description, parameters=tool.schema)
    return {"type": "function", "function": function}


def _ollama_choice(choice: Choice) -> Json:
    if choice.kind != "auto":
        raise UntranslatableError("its API cannot be told to call a tool")
    return {}


def _ollama_format(wanted: Format, _: ModelSpec) -> Json:
    return {"format": "json" if wanted.schema is None else wanted.schema}


def _cohere_choice(choice: Choice) -> Json:
    if choice.kind == "tool":
        raise UntranslatableError("its API cannot be told which tool to call")
    return {} if choice.kind == "auto" else {"tool_choice": choice.kind.upper()}


def _cohere_format(wanted: Format, _: ModelSpec) -> Json:
    return {"response_format": _without_none(type="json_object", json_schema=wanted.schema)}


def _without_none(**fields: Any) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


_NOT_SERIAL = _refused("its API cannot be told to call one tool at a time")

# APIs that are missing here are told as OpenAI's is.
SHAPES: Mapping[str, Shape] = {
    "anthropic": Shape(
        _anthropic_tools,
        _anthropic_choice,
        _anthropic_format,
        lambda: {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    ),
    "converse": Shape(_converse_tools, _converse_choice, _converse_format, _NOT_SERIAL, none_means_no_tools=True),
    "gemini": Shape(_gemini_tools, _gemini_choice, _gemini_format, _NOT_SERIAL),
    "ollama": Shape(_as_they_are, _ollama_choice, _ollama_format, _NOT_SERIAL, none_means_no_tools=True),
    "cohere": Shape(_as_they_are, _cohere_choice, _cohere_format, _NOT_SERIAL),
}
# Whose stop words are a list even when there is one.
LISTS_STOPS = frozenset({"anthropic", "converse", "gemini", "ollama", "cohere", "huggingface"})
