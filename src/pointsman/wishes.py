"""What a request wishes for beyond plain facts, as people write it: model sizes, weights, and what may be given up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.errors import InvalidRequestError

# Requirements as other registries spell them.
SPELLINGS = {
    "capabilities": "needs",
    "exclude_models": "exclude",
    "preferred_models": "prefer",
    "preferred_providers": "prefer_providers",
}

# What a request may give up when nobody can serve it, in the order that serves most people: comfort before money
# before competence before where the data goes. Everything else is hard: without it the call fails or must not be made.
SOFT = (
    "prefer",
    "prefer_providers",
    "max_latency",
    "min_speed",
    "max_size",
    "max_cost",
    "min_size",
    "expertise",
    "language",
    "region",
)
# One word for both sizes.
_BOTH_SIZES = ("max_size", "min_size")

WEIGHTS = ("quality", "cost", "latency")

_SIZE = re.compile(r"(?:(?P<experts>\d{1,6})\s*x\s*)?(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>[bBmMtT]?)\Z")
_UNITS = {"": 1.0, "b": 1.0, "m": 1e-3, "t": 1e3}
_SHOWN = 40


def size_in_billions(text: str) -> float:
    """Read a model size; a mixture counts all its experts.

    >>> size_in_billions("8x7B"), size_in_billions("350M"), size_in_billions("7")
    (56.0, 0.35, 7.0)
    """
    match = _SIZE.match(text.strip())
    if match is None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        raise ValueError(f"{shown!r} is no model size; expected something like '7B', '8x7B' or '350M'")
    size = float(match["number"]) * _UNITS[match["unit"].lower()] * int(match["experts"] or 1)
    return float(f"{size:.12g}")


def read_size(name: str, value: Any) -> Any:
    """A request's size in billions; what is no text is left for the check of numbers.

    Raises:
        InvalidRequestError: E4103, for a text that is no size.
    """
    if not isinstance(value, str):
        return value
    try:
        return size_in_billions(value)
    except ValueError as error:
        raise InvalidRequestError(f"{name}: {error}", field=name) from None


def read_soft(names: Any, field: str = "soft") -> tuple[str, ...]:
    """Names of what may be given up, first to go first; a set has no order, so it takes the usual one.

    Raises:
        InvalidRequestError: E4103, for a name that is none, or one that is never given up.
    """
    if isinstance(names, str):
        names = (names,)
    if not isinstance(names, Iterable):
        raise InvalidRequestError(f"{field} is {names!r}; expected names", field=field, hint=_soft_hint())
    given = list(names)
    if isinstance(names, frozenset | set):
        given.sort(key=lambda each: SOFT.index(each) if each in SOFT else -1)
    found: list[str] = []
    for each in given:
        if each == "size":
            found += _BOTH_SIZES
        elif each in SOFT:
            found.append(each)
        else:
            raise InvalidRequestError(
                f"{field} names {each!r}, which is no requirement that can be given up", field=field, hint=_soft_hint()
            )
    return tuple(dict.fromkeys(found))


def read_weights(weights: Any) -> Mapping[str, float]:
    """What a request weighs quality, cost and latency at, relative to the policy's own settings.

    Raises:
        InvalidRequestError: E4103, for another name, or a weight that is no number from 0 up.
    """
    if not isinstance(weights, Mapping):
        raise InvalidRequestError(f"weights is {weights!r}; expected a mapping", field="weights", hint=_weights_hint())
    for name, value in weights.items():
        if name not in WEIGHTS:
            raise InvalidRequestError(f"weights names {name!r}", field="weights", hint=_weights_hint())
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            text = f"the weight of {name} is {value!r}; expected a number that is not negative"
            raise InvalidRequestError(text, field="weights")
    return {name: float(value) for name, value in weights.items()}


def _soft_hint() -> str:
    return f"one of: {', '.join(SOFT)}, size"


def _weights_hint() -> str:
    return f"numbers for any of: {', '.join(WEIGHTS)}"
