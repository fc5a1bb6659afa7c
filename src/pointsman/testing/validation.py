"""Requests checked as OpenAI checks them: what a client can get wrong is answered 400 and named."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .answers import BadRequestError

__all__ = ["Bounds", "Types", "check_chat", "check_values"]

Json = dict[str, Any]
Types = Mapping[str, tuple[type, ...]]
Bounds = Mapping[str, tuple[float, float]]

_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
_TYPES: Types = {
    "stream": (bool,),
    "stream_options": (dict,),
    "tools": (list,),
    "tool_choice": (str, dict),
    "parallel_tool_calls": (bool,),
    "response_format": (dict,),
    "stop": (str, list),
    "temperature": (int, float),
    "top_p": (int, float),
    "max_tokens": (int,),
    "max_completion_tokens": (int,),
    "dimensions": (int,),
}
_BOUNDS: Bounds = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "max_tokens": (1, math.inf),
    "max_completion_tokens": (1, math.inf),
    "dimensions": (1, 4096),
}


def check_values(body: Json, types: Types = _TYPES, bounds: Bounds = _BOUNDS) -> None:
    """Check the types and bounds of parameters, where they are there.

    Raises:
        BadRequestError: With the name of the parameter that is wrong.
    """
    if body.get("n") not in (None, 1):
        raise BadRequestError("Only 'n' = 1 is supported.", "n")
    for name, expected in types.items():
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
            names = " or ".join(one.__name__ for one in expected)
            raise BadRequestError(f"Invalid type for '{name}': expected {names}.", name)
        if name in bounds and not _is_within(value, *bounds[name]):
            raise BadRequestError(f"Invalid value for '{name}': {value} is out of range.", name)


def _is_within(value: Any, low: float, high: float) -> bool:
    return bool(low <= value <= high)


def check_chat(body: Json) -> None:
    """Check the messages and tools of a chat request.

    Raises:
        BadRequestError: With the name of the parameter that is wrong.
    """
    _validate_messages(body.get("messages"))
    _validate_tools(body)


def _validate_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("Invalid 'messages': expected an array with at least one message.", "messages")
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise BadRequestError(f"Invalid value for '{where}.role'.", f"{where}.role")
        if not isinstance(message.get("content"), (str, list, type(None))):
            raise BadRequestError(f"Invalid type for '{where}.content'.", f"{where}.content")
        if message.get("tool_calls") is not None and not _are_functions(message["tool_calls"]):
            raise BadRequestError(f"Invalid value for '{where}.tool_calls'.", f"{where}.tool_calls")


def _validate_tools(body: Json) -> None:
    if body.get("tools") is not None and not _are_functions(body["tools"]):
        raise BadRequestError("Invalid 'tools': each needs a 'function' with a proper 'name'.", "tools")
    if body.get("tool_choice") not in (None, "none", "auto") and not body.get("tools"):
        raise BadRequestError("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")


def _are_functions(values: Any) -> bool:
    if not isinstance(values, list):
        return False
    functions = [value.get("function") if isinstance(value, dict) else None for value in values]
    return all(
        isinstance(function, dict) and re.fullmatch(r"[\w-]{1,64}", str(function.get("name", "")))
        for function in functions
    )
