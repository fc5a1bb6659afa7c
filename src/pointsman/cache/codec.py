"""Answers as JSON and back: text, JSON, responses of models that are code, and LiteLLM's. What is nothing of these is not kept."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pointsman.custom import Shape, shaped, unshaped

# LiteLLM's classes that are made again from their fields; nothing is imported by a name that stands in an entry.
_RESPONSES = frozenset({"EmbeddingResponse", "ModelResponse", "TextCompletionResponse"})
_DEEPEST = 64


def encode(value: Any) -> dict[str, Any] | None:
    """An answer as JSON that `decode` makes the same of; None for types that are not kept."""
    if is_json(value):
        return {"kind": "json", "value": value}
    if isinstance(value, Shape):
        plain = unshaped(value)
        return {"kind": "shape", "value": plain} if is_json(plain) else None
    kind = type(value)
    if kind.__module__.startswith("litellm.") and kind.__name__ in _RESPONSES:
        fields = value.model_dump(mode="json")
        return {"kind": kind.__name__, "value": fields} if is_json(fields) else None
    return None


def decode(kept: Mapping[str, Any]) -> Any:
    """The answer again, marked as cached where it can be."""
    kind, value = kept["kind"], kept["value"]
    if kind == "json":
        return value
    if kind == "shape":
        return shaped(value)
    if kind not in _RESPONSES:
        raise ValueError(f"{kind!r} is no kind of answer")
    import litellm  # noqa: PLC0415  only whoever got such an answer from it has one kept

    made = getattr(litellm, kind)(**value)
    made._hidden_params = {"cache_hit": True}  # noqa: SLF001  where LiteLLM itself says so
    return made


def can_decode(kept: Any) -> bool:
    """Whether `decode` can make an answer of it here and now, without importing what is not there."""
    if not isinstance(kept, Mapping) or "value" not in kept:
        return False
    return kept.get("kind") in ("json", "shape") or (kept.get("kind") in _RESPONSES and _has_litellm())


def is_json(value: Any, depth: int = 0) -> bool:
    """Whether a value is the same after a journey through JSON: no tuples, no keys but text, no NaN."""
    if value is None or type(value) in (str, bool, int):
        return True
    if type(value) is float:
        return value - value == 0  # neither infinite nor NaN
    if depth >= _DEEPEST:
        return False
    if type(value) is list:
        return all(is_json(each, depth + 1) for each in value)
    if type(value) is dict:
        return all(type(key) is str and is_json(each, depth + 1) for key, each in value.items())
    return False


def _has_litellm() -> bool:
    from importlib.util import find_spec  # noqa: PLC0415  rarely needed

    return "litellm" in sys.modules or find_spec("litellm") is not None
