"""Requirements that stand for every call of a chat model: fields of a request, checked when they are stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.arguments import expect_mapping
from pointsman.catalog.spec import nearest
from pointsman.errors import InvalidRequestError
from pointsman.types import REQUEST_FIELDS, Request

# What adds up, what tightens downwards, what tightens upwards; the rest is replaced.
_ADD = frozenset({"needs", "exclude", "exclude_providers", "input_modalities", "output_modalities"})
_LOWER = frozenset({"max_cost", "max_latency", "max_size"})
_HIGHER = frozenset({"context_length", "min_speed", "min_size"})
# What only a call itself can say.
_OF_THE_CALL = frozenset({"messages", "tools", "response_format"})


def read_requirements(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check requirements and normalise them.

    Raises:
        InvalidRequestError: E4103, naming the field.
    """
    expect_mapping(given, "requirements")
    allowed = [name for name in REQUEST_FIELDS if name not in _OF_THE_CALL]
    for name in given:
        if name not in allowed:
            raise InvalidRequestError(f"{name!r} is no requirement", field=name, hint=nearest(name, allowed))
    request = Request(**given)
    return {name: getattr(request, name) for name in given}


def merged(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both sets of requirements at once.

    >>> merged({"needs": frozenset({"tools"}), "max_cost": 1.0}, {"needs": frozenset({"vision"}), "max_cost": 2.0})["max_cost"]
    1.0
    """
    result = dict(known)
    for name, value in more.items():
        before = result.get(name)
        if before is None or value is None:
            result[name] = value
        elif name in _ADD:
            result[name] = before | value
        elif name in _LOWER:
            result[name] = min(before, value)
        elif name in _HIGHER:
            result[name] = max(before, value)
        else:
            result[name] = value
    return result
