"""What providers say of their limits in response headers: OpenAI's, Anthropic's, Azure's and Groq's spellings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

Unit = Literal["requests", "tokens"]

MINUTE = 60.0
DAY = 86_400.0
_MOST = 1e12
_LONGEST = 64
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
# Go's durations, as OpenAI and Groq write them: "6m0s", "12ms", "1h2m59.56s".
_DURATION = re.compile(
    r"(?:(?P<d>[0-9]{1,6})d)?(?:(?P<h>[0-9]{1,6})h)?(?:(?P<m>[0-9]{1,6})m(?!s))?"
    r"(?:(?P<s>[0-9]{1,9}(?:\.[0-9]{1,12})?)s)?(?:(?P<ms>[0-9]{1,9}(?:\.[0-9]{1,9})?)ms)?"
)
_SECONDS_OF = {"d": DAY, "h": 3_600.0, "m": MINUTE, "s": 1.0, "ms": 0.001}
# Where a provider counts requests by the day though the header's name is the same.
_BY_THE_DAY = frozenset({"groq"})

# How LiteLLM marks headers that came from the provider, beside those it made itself.
_FROM_PROVIDER = "llm_provider-"

# Names of one limit's headers: limit, remaining, reset.
_SPELLINGS: tuple[tuple[Unit, str, str, str], ...] = (
    *(
        (unit, f"x-ratelimit-limit-{unit}", f"x-ratelimit-remaining-{unit}", f"x-ratelimit-reset-{unit}")
        for unit in ("requests", "tokens")
    ),
    *(
        (
            unit,
            f"anthropic-ratelimit-{unit}-limit",
            f"anthropic-ratelimit-{unit}-remaining",
            f"anthropic-ratelimit-{unit}-reset",
        )
        for unit in ("requests", "tokens")
    ),
)


class Told(NamedTuple):
    """One limit as a server described it.

    Attributes:
        unit: what is limited.
        limit: how much there is per period; None if it did not say.
        remaining: how much of it is left.
        reset: seconds until it is full again; 0 if it did not say.
        period: seconds.
    """

    unit: Unit
    limit: float | None
    remaining: float
    reset: float
    period: float


def headers_of(value: Any) -> Mapping[Any, Any] | None:
    """The provider's headers in a response, a chunk or an exception, of whichever client; None if there are none."""
    if type(value) in (str, dict):  # common, and have no attributes to look through
        return None
    hidden = _read(value, "_hidden_params")
    if isinstance(hidden, Mapping):
        additional = hidden.get("additional_headers")
        if isinstance(additional, Mapping) and additional:
            return additional
    metadata = _read(value, "response_metadata")
    if isinstance(metadata, Mapping) and isinstance(found := metadata.get("headers"), Mapping):
        return found
    for source, name in (
        (value, "_response_headers"),
        (_read(value, "response"), "headers"),
        (value, "litellm_response_headers"),
        (value, "headers"),
    ):
        found = None if source is None else _read(source, name)
        if isinstance(found, Mapping) and found:
            return found
    return None


def parse_headers(headers: Mapping[Any, Any], *, provider: str, now: float) -> tuple[list[Told], int]:
    """Read limits out of headers; total.

    Args:
        headers: by whichever names.
        provider: whose they are, where the same name means different things.
        now: seconds since the epoch, for resets that are dates.

    Returns:
        What was said, and how many headers of limits could not be read.
    """
    named = dict(_lowered(headers))
    told: list[Told] = []
    ignored = 0
    for unit, limit_name, remaining_name, reset_name in _SPELLINGS:
        if remaining_name not in named:
            continue
        limit, remaining = _amount(named.get(limit_name)), _amount(named[remaining_name])
        reset = _seconds(named.get(reset_name), now)
        unread = (limit_name in named and not limit, reset_name in named and reset is None)
        ignored += (remaining is None) + sum(unread)
        if remaining is None or unread[0]:
            continue
        if limit is not None:
            remaining = min(remaining, limit)
        told.append(Told(unit, limit, remaining, reset or 0.0, _period(unit, limit, remaining, reset or 0.0, provider)))
    return told, ignored


def _period(unit: Unit, limit: float | None, remaining: float, reset: float, provider: str) -> float:
    """A minute, or a day where the limit is one of requests per day, which no header says.

    A bucket that refills within a minute says less than a minute; a window of a minute ends within one.
    """
    if unit == "requests" and (provider in _BY_THE_DAY or (reset > MINUTE and limit is not None and remaining < limit)):
        return DAY
    return MINUTE


def _read(source: Any, name: str) -> Any:
    """An attribute of a stranger; whatever its property does, the answer is a value or None."""
    try:
        return getattr(source, name, None)
    except Exception:  # noqa: BLE001  hostile properties may raise anything; reading is total
        return None


def _lowered(headers: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Names of limits in small letters without LiteLLM's mark; where it marks any, the others are its own."""
    try:
        pairs = [(name.lower(), value) for name, value in headers.items() if isinstance(name, str)]
    except Exception:  # noqa: BLE001  as above
        return
    marked = any(name.startswith(_FROM_PROVIDER) for name, _ in pairs)
    for name, value in pairs:
        if marked and not name.startswith(_FROM_PROVIDER):
            continue
        bare = name.removeprefix(_FROM_PROVIDER)
        if bare.startswith(("x-ratelimit-", "anthropic-ratelimit-")):
            yield bare, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value[: _LONGEST + 1].decode("latin-1")
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST):
        value = format(value, "f") if isinstance(value, float) else str(value)
    return value.strip() if isinstance(value, str) and len(value) <= _LONGEST else ""


def _amount(text: str | None) -> float | None:
    """A number that is not negative and not absurd.

    >>> _amount("149984"), _amount("-1"), _amount("NaN"), _amount("9" * 400)
    (149984.0, None, None, None)
    """
    if text is None or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if value <= _MOST else None


def _seconds(text: str | None, now: float) -> float | None:
    """A duration, a number of seconds or a date (RFC 3339), as seconds from now.

    >>> _seconds("6m0s", 0), _seconds("12ms", 0), _seconds("1970-01-01T00:01:00Z", 0), _seconds("soon", 0)
    (360.0, 0.012, 60.0, None)
    """
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        return min(float(text), DAY)
    if (match := _DURATION.fullmatch(text)) is not None:
        seconds = sum(float(value) * _SECONDS_OF[name] for name, value in match.groupdict().items() if value)
        return min(seconds, DAY)
    try:
        when = datetime.fromisoformat(text)
        moment = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    seconds = moment - now
    return min(max(seconds, 0.0), DAY) if math.isfinite(seconds) else None
