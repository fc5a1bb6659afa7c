"""Requests of OpenAI's Responses API: checked as OpenAI checks them, and read as the chat request that asks for the same."""

from __future__ import annotations

import math
import re
from typing import Any

from .answers import BadRequestError
from .messages import all_text
from .schemas import schema_problem
from .validation import Bounds, Types, check_values

__all__ = ["check_responses", "read_responses"]

Json = dict[str, Any]

_TYPES: Types = {
    "instructions": (str,),
    "max_output_tokens": (int,),
    "metadata": (dict,),
    "parallel_tool_calls": (bool,),
    "previous_response_id": (str,),
    "reasoning": (dict,),
    "store": (bool,),
    "stream": (bool,),
    "temperature": (int, float),
    "text": (dict,),
    "tool_choice": (str, dict),
    "tools": (list,),
    "top_p": (int, float),
}
_BOUNDS: Bounds = {"temperature": (0, 2), "top_p": (0, 1), "max_output_tokens": (1, math.inf)}
_ROLES = {"system", "developer", "user", "assistant"}
_PARTS = {"input_text", "input_image", "input_file", "input_audio", "output_text", "refusal"}
_STATEFUL = ("background", "conversation", "prompt")
_FUNCTION_FIELDS = ("name", "description", "parameters", "strict")
_NAME = re.compile(r"[\w-]{1,64}")


def read_responses(body: Json) -> Json:
    """Read a request, however malformed, as a chat request."""
    choice, tools = _choice(body.get("tool_choice"), _functions(body.get("tools")))
    asked = {
        "messages": _messages(body),
        "tools": tools or None,
        "tool_choice": choice,
        "parallel_tool_calls": body.get("parallel_tool_calls"),
        "max_tokens": body.get("max_output_tokens"),
        "response_format": _response_format(body),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _messages(body: Json) -> list[Json]:
    messages: list[Json] = []
    if isinstance(body.get("instructions"), str):
        messages.append({"role": "system", "content": body["instructions"]})
    for item in _items(body):
        kind = _kind(item)
        if kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": None})
            messages[-1].setdefault("tool_calls", []).append(call)
        elif kind == "function_call_output":
            output = _content(item.get("output"))
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": output})
        elif kind == "message":
            messages.append({"role": str(item.get("role")), "content": _content(item.get("content"))})
    return messages


def _items(body: Json) -> list[Json]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _kind(item: Json) -> Any:
    return item.get("type") or ("message" if "role" in item else None)


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    parts = [part for part in content if isinstance(part, dict)]
    if len(parts) == 1 and isinstance(parts[0].get("text"), str):
        return parts[0]["text"]
    return [{"text": part["refusal"]} if "refusal" in part else part for part in parts]


def _functions(tools: Any) -> list[Json]:
    if not isinstance(tools, list):
        return []
    functions = [tool for tool in tools if isinstance(tool, dict) and tool.get("type") == "function"]
    return [
        {"type": "function", "function": {name: tool[name] for name in _FUNCTION_FIELDS if tool.get(name) is not None}}
        for tool in functions
    ]


def _choice(choice: Any, tools: list[Json]) -> tuple[Any, list[Json]]:
    if not isinstance(choice, dict):
        return choice, tools
    if choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}, tools
    if choice.get("type") == "allowed_tools" and isinstance(choice.get("tools"), list):
        allowed = {str(tool.get("name")) for tool in choice["tools"] if isinstance(tool, dict)}
        return choice.get("mode", "auto"), [tool for tool in tools if tool["function"].get("name") in allowed]
    return "auto", tools


def _response_format(body: Json) -> Json | None:
    text = body.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": {name: wanted[name] for name in wanted if name != "type"}}
    return {"type": wanted.get("type")}


def check_responses(body: Json) -> None:
    """Check a request.

    Raises:
        BadRequestError: With the name of the parameter that is wrong.
    """
    check_values({name: value for name, value in body.items() if name != "n"}, _TYPES, _BOUNDS)
    for name in _STATEFUL:
        if body.get(name):
            raise BadRequestError(f"'{name}' is not supported here: this server keeps nothing.", name)
    if (previous := body.get("previous_response_id")) is not None:
        message = f"Previous response with id '{previous}' not found."
        raise BadRequestError(message, "previous_response_id", "previous_response_not_found")
    _check_input(body.get("input"))
    if not _messages(body):
        raise BadRequestError("Invalid 'input': none of its items says anything.", "input")
    _check_tools(body)
    _check_format(body)


def _check_input(given: Any) -> None:
    if isinstance(given, str):
        return
    if given is None or given == []:
        message = "One of 'input' or 'previous_response_id' or 'prompt' or 'conversation_id' must be provided."
        raise BadRequestError(message, "input", "missing_required_parameter")
    if not isinstance(given, list):
        raise BadRequestError("Invalid type for 'input': expected a string or an array of items.", "input")
    for index, item in enumerate(given):
        where = f"input[{index}]"
        if not isinstance(item, dict) or _kind(item) is None or not isinstance(_kind(item), str):
            raise BadRequestError(f"Invalid value for '{where}'.", where)
        if _kind(item) == "message":
            _check_message(item, where)
        elif item["type"] in {"function_call", "function_call_output"}:
            _check_call(item, where)
    _check_pairs(given)


def _check_message(item: Json, where: str) -> None:
    if str(item.get("role")) not in _ROLES:
        raise BadRequestError(f"Invalid value for '{where}.role'.", f"{where}.role", "invalid_value")
    if isinstance(item.get("content"), str):
        return
    if not isinstance(item.get("content"), list):
        raise BadRequestError(f"Invalid type for '{where}.content'.", f"{where}.content", "invalid_type")
    for index, part in enumerate(item["content"]):
        if not isinstance(part, dict) or str(part.get("type")) not in _PARTS:
            found = part.get("type") if isinstance(part, dict) else part
            at = f"{where}.content[{index}].type"
            raise BadRequestError(
                f"Invalid value: {found!r}. Supported values are: {sorted(_PARTS)}.", at, "invalid_value"
            )
        field = "refusal" if part["type"] == "refusal" else "text"
        if part["type"].endswith(("text", "refusal")) and not isinstance(part.get(field), str):
            at = f"{where}.content[{index}].{field}"
            raise BadRequestError(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")


def _check_call(item: Json, where: str) -> None:
    texts = ("call_id", "name", "arguments") if item["type"] == "function_call" else ("call_id",)
    missing = [name for name in texts if not isinstance(item.get(name), str)]
    if item["type"] == "function_call_output" and not isinstance(item.get("output"), (str, list)):
        missing.append("output")
    if missing:
        at = f"{where}.{missing[0]}"
        raise BadRequestError(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")


def _check_pairs(items: list[Json]) -> None:
    called = [item["call_id"] for item in items if item.get("type") == "function_call"]
    answered = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    for call_id in answered:
        if call_id not in called:
            raise BadRequestError(f"No tool call found for function call output with call_id {call_id}.", "input")
    for call_id in called:
        if call_id not in answered:
            raise BadRequestError(f"No tool output found for function call {call_id}.", "input")


def _check_tools(body: Json) -> None:
    for index, tool in enumerate(body.get("tools") or ()):
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            at = f"tools[{index}].type"
            raise BadRequestError(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")
        if tool["type"] != "function":
            continue
        if not _NAME.fullmatch(str(tool.get("name", ""))):
            raise BadRequestError(f"Invalid 'tools[{index}].name': expected a proper name.", f"tools[{index}].name")
        if not isinstance(tool.get("parameters"), (dict, type(None))):
            at = f"tools[{index}].parameters"
            raise BadRequestError(f"Invalid type for '{at}': expected an object.", at, "invalid_type")
        if (problem := schema_problem(tool.get("parameters") or {})) is not None:
            message = f"Invalid schema for function '{tool['name']}': {problem}."
            raise BadRequestError(message, f"tools[{index}].parameters", "invalid_function_parameters")
    if body.get("tool_choice") not in (None, "none", "auto") and not body.get("tools"):
        raise BadRequestError("Tool choice is only allowed when 'tools' are specified.", "tool_choice")


def _check_format(body: Json) -> None:
    wanted = (body.get("text") or {}).get("format")
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if str(kind) not in {"text", "json_schema", "json_object"}:
        raise BadRequestError(f"Invalid value: {kind!r}.", "text.format.type", "invalid_value")
    for field, expected in (("name", str), ("schema", dict)) if kind == "json_schema" else ():
        if not isinstance(wanted.get(field), expected):
            at = f"text.format.{field}"
            raise BadRequestError(f"Missing required parameter: '{at}'.", at, "missing_required_parameter")
    if kind == "json_schema" and (problem := schema_problem(wanted["schema"])) is not None:
        message = f"Invalid schema for response_format '{wanted['name']}': {problem}."
        raise BadRequestError(message, "text.format.schema", "invalid_json_schema")
    if kind == "json_object" and "json" not in all_text(_messages(body)).lower():
        message = "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'."
        raise BadRequestError(message, "input")
