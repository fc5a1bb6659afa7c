"""Requests of Anthropic's Messages API: checked as Anthropic checks them, and read as the chat request that asks for the same."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from .answers import BadRequestError
from .schemas import schema_problem
from .validation import Bounds, Types, check_values

__all__ = ["check_messages", "read_messages"]

Json = dict[str, Any]

_TYPES: Types = {
    "max_tokens": (int,),
    "messages": (list,),
    "metadata": (dict,),
    "output_config": (dict,),
    "stop_sequences": (list,),
    "stream": (bool,),
    "system": (str, list),
    "temperature": (int, float),
    "thinking": (dict,),
    "tool_choice": (dict,),
    "tools": (list,),
    "top_k": (int,),
    "top_p": (int, float),
}
_BOUNDS: Bounds = {"max_tokens": (1, math.inf), "temperature": (0, 1), "top_p": (0, 1), "top_k": (0, math.inf)}
_ROLES = {"user", "assistant", "system"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_UNSAID = {"tool_use", "tool_result", "thinking", "redacted_thinking"}


def read_messages(body: Json) -> Json:
    """Read a request, however malformed, as a chat request."""
    given = body.get("tool_choice")
    choice: Json = given if isinstance(given, dict) else {}
    asked = {
        "messages": _chat_messages(body),
        "tools": _functions(body.get("tools")) or None,
        "tool_choice": _choice(choice),
        "parallel_tool_calls": False if choice.get("disable_parallel_tool_use") is True else None,
        "max_tokens": body.get("max_tokens"),
        "stop": body.get("stop_sequences"),
        "response_format": _response_format(body),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _chat_messages(body: Json) -> list[Json]:
    messages: list[Json] = []
    system = body.get("system")
    if isinstance(system, (str, list)):
        messages.append({"role": "system", "content": _content(system)})
    given = body.get("messages")
    for message in given if isinstance(given, list) else ():
        if isinstance(message, dict):
            messages += _one_or_more(message)
    return messages


def _one_or_more(message: Json) -> list[Json]:
    role, content = str(message.get("role")), message.get("content")
    blocks = _blocks(content)
    if role == "assistant":
        calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
        said = _content(content)
        return [
            {"role": role, "content": said or None, "tool_calls": calls} if calls else {"role": role, "content": said}
        ]
    results = [
        {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": _content(block.get("content"))}
        for block in blocks
        if block.get("type") == "tool_result"
    ]
    said = _content(content)
    return [*results, {"role": role, "content": said}] if said or not results else results


def _blocks(content: Any) -> list[Json]:
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    said = [block for block in _blocks(content) if str(block.get("type")) not in _UNSAID]
    return said[0]["text"] if len(said) == 1 and isinstance(said[0].get("text"), str) else said


def _call(block: Json) -> Json:
    arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
    function = {"name": block.get("name"), "arguments": arguments}
    return {"id": block.get("id"), "type": "function", "function": function}


def _functions(tools: Any) -> list[Json]:
    if not isinstance(tools, list):
        return []
    own = [tool for tool in tools if isinstance(tool, dict) and tool.get("type") in (None, "custom")]
    names = {"name": "name", "description": "description", "input_schema": "parameters", "strict": "strict"}
    return [
        {"type": "function", "function": {names[name]: tool[name] for name in names if tool.get(name) is not None}}
        for tool in own
    ]


def _choice(choice: Json) -> Any:
    if choice.get("type") == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return _CHOICES.get(str(choice.get("type")))


def _response_format(body: Json) -> Json | None:
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else body.get("output_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": wanted.get("schema")}}


def check_messages(body: Json) -> None:
    """Check a request.

    Raises:
        BadRequestError: Its message begins with the place of what is wrong, as Anthropic's do.
    """
    for name in ("max_tokens", "messages"):
        if body.get(name) is None:
            raise _wrong(name, "Field required")
    try:
        check_values({name: value for name, value in body.items() if name != "n"}, _TYPES, _BOUNDS)
    except BadRequestError as error:
        raise _wrong(error.param or "request", error.message) from error
    if not body["messages"]:
        raise _wrong("messages", "at least one message is required")
    for index, message in enumerate(body["messages"]):
        _check_message(message, f"messages.{index}", is_last=index == len(body["messages"]) - 1)
    _check_results(body["messages"])
    _check_tools(body)
    _check_format(body)


def _wrong(where: str, what: str) -> BadRequestError:
    return BadRequestError(f"{where}: {what}", where)


def _check_message(message: Any, where: str, *, is_last: bool) -> None:
    if not isinstance(message, dict) or str(message.get("role")) not in _ROLES:
        raise _wrong(f"{where}.role", "Input should be 'user' or 'assistant'")
    content = message.get("content")
    if not isinstance(content, (str, list)):
        raise _wrong(f"{where}.content", "Input should be a valid string or a list of blocks")
    if not content and not (is_last and message["role"] == "assistant"):
        what = "all messages must have non-empty content except for the optional final assistant message"
        raise _wrong(where, what)
    for index, block in enumerate(content if isinstance(content, list) else ()):
        _check_block(block, f"{where}.content.{index}")


def _check_block(block: Any, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str):
        raise _wrong(f"{where}.type", "Field required")
    needed: dict[str, dict[str, type]] = {
        "text": {"text": str},
        "tool_use": {"id": str, "name": str, "input": dict},
        "tool_result": {"tool_use_id": str},
    }
    for name, expected in needed.get(kind, {}).items():
        if not isinstance(block.get(name), expected):
            raise _wrong(
                f"{where}.{kind}.{name}", "Field required" if name not in block else "Input has the wrong type"
            )
    if kind == "text" and not block["text"]:
        raise _wrong("messages", "text content blocks must be non-empty")
    if kind == "tool_result" and not isinstance(block.get("content"), (str, list, type(None))):
        raise _wrong(f"{where}.tool_result.content", "Input should be a valid string or a list of blocks")


def _check_results(messages: list[Json]) -> None:
    asked: list[str] = []
    for index, message in enumerate(messages):
        blocks = _blocks(message["content"])
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for call_id in results:
            if call_id not in asked:
                what = (
                    f"unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each `tool_result` block must "
                )
                raise _wrong(
                    f"messages.{index}", what + "have a corresponding `tool_use` block in the previous message."
                )
        _check_answered(asked, results, index - 1)
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
    _check_answered(asked, [], len(messages) - 1)


def _check_answered(asked: list[str], results: list[str], index: int) -> None:
    if missing := [call_id for call_id in asked if call_id not in results]:
        what = f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. "
        raise _wrong(
            f"messages.{index}", what + "Each `tool_use` block must have a `tool_result` block in the next message."
        )


def _check_tools(body: Json) -> None:
    for index, tool in enumerate(body.get("tools") or ()):
        where = f"tools.{index}"
        if not isinstance(tool, dict) or not _NAME.fullmatch(str(tool.get("name", ""))):
            raise _wrong(f"{where}.custom.name", "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
        if tool.get("type") not in (None, "custom"):
            continue
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise _wrong(f"{where}.custom.input_schema", "Field required")
        if schema.get("type") != "object":
            raise _wrong(f"{where}.custom.input_schema.type", "Input should be 'object'")
        if (problem := schema_problem(schema)) is not None:
            raise _wrong(f"{where}.custom.input_schema", f"JSON schema is invalid: {problem}")
    choice = body.get("tool_choice")
    if choice is None:
        return
    if str(choice.get("type")) not in {*_CHOICES, "tool"}:
        raise _wrong("tool_choice", "Input tag does not match any of the expected tags: 'any', 'auto', 'none', 'tool'")
    if choice["type"] in {"any", "tool"} and not body.get("tools"):
        raise _wrong("tool_choice", "may only be specified while providing tools")


def _check_format(body: Json) -> None:
    config = body.get("output_config") or {}
    wanted = config.get("format") or body.get("output_format")
    if wanted is None:
        return
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise _wrong("output_config.format.type", "Input should be 'json_schema'")
    if not isinstance(wanted.get("schema"), dict):
        raise _wrong("output_config.format.schema", "Field required")
    if (problem := schema_problem(wanted["schema"])) is not None:
        raise _wrong("output_config.format.schema", f"JSON schema is invalid: {problem}")
