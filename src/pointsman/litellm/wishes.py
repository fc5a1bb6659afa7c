"""What a client of the proxy may ask for beyond the body: headers and metadata, read without trust."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pointsman.catalog.capabilities import canonical

_LONGEST = 1_000
_MOST_NEEDS = 16


class Wishes(NamedTuple):
    """Requirements of one request; `ignored` counts what could not be read."""

    needs: frozenset[str] = frozenset()
    max_cost: float | None = None
    max_latency: float | None = None
    session: str | None = None
    ignored: int = 0


def read_wishes(data: Mapping[str, Any]) -> Wishes:
    """Read `x-pointsman-needs`, `-max-cost`, `-max-latency` and `-session`, or the same in `metadata.pointsman`.

    What is no capability, no number or too long is ignored and counted: a client's mistake must not cost its answer.
    """
    request = data.get("proxy_server_request")
    headers = request.get("headers") if isinstance(request, Mapping) else None
    told = dict(_from_body(request)) if isinstance(request, Mapping) else {}
    if isinstance(headers, Mapping):
        for name, value in headers.items():
            if isinstance(name, str) and name.lower().startswith("x-pointsman-"):
                told[name.lower().removeprefix("x-pointsman-").replace("-", "_")] = value
    ignored = 0
    needs: set[str] = set()
    for need in _names(told.get("needs")):
        try:
            needs.add(canonical(need))
        except ValueError:
            ignored += 1
    if len(needs) > _MOST_NEEDS:
        needs, ignored = set(), ignored + 1
    amounts: dict[str, float | None] = {}
    for name in ("max_cost", "max_latency"):
        amounts[name] = _amount(told.get(name))
        ignored += told.get(name) is not None and amounts[name] is None
    session = told.get("session")
    if session is not None and not (isinstance(session, str) and 0 < len(session) <= _LONGEST):
        session, ignored = None, ignored + 1
    return Wishes(frozenset(needs), amounts["max_cost"], amounts["max_latency"], session, ignored)


def _from_body(request: Mapping[str, Any]) -> Mapping[str, Any]:
    body = request.get("body")
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    told = metadata.get("pointsman") if isinstance(metadata, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value[:_LONGEST].split(",") if part.strip()]
    if isinstance(value, list):
        return [part for part in value[: 2 * _MOST_NEEDS] if isinstance(part, str)]
    return []


def _amount(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value if not isinstance(value, str) else value[:_LONGEST])
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
