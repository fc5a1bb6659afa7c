"""Requests checked as OpenAI checks them: what a client can get wrong is answered 400 and named."""

from __future__ import annotations

import math
import re
from typing import Any

from .answers import BadRequestError

__all__ = ["validate"]

Json = dict[str, Any]

_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
_TYPES: dict[str, tuple[type, ...]] = {
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
_BOUNDS = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "max_tokens": (1, math.inf),
    "max_completion_tokens": (1, math.inf),
    "dimensions": (1, 4096),
}


def validate(path: str, body: Json) -> None:
    """Check a request.

    Raises:
        BadRequestError: With the name of the parameter that is wrong.
    """
    if body.get("n") not in (None, 1):
        raise BadRequestError("Only 'n' = 1 is supported.", "n")
    for name, types in _TYPES.items():
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            expected = " or ".join(one.__name__ for one in types)
            raise BadRequestError(f"Invalid type for '{name}': expected {expected}.", name)
        if not _is_within_bounds(name, value):
            raise BadRequestError(f"Invalid value for '{name}': {value} is out of range.", name)
    if path.endswith("/chat/completions"):
        _validate_messages(body.get("messages"))
        _validate_tools(body)


def _is_within_bounds(name: str, value: Any) -> bool:
    if name not in _BOUNDS:
        return True
    low, high = _BOUNDS[name]
    return bool(low <= value <= high)


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
