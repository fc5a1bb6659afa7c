"""How long a server asks to wait: `Retry-After` in all its spellings, and what bodies say instead; always bounded."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pointsman.faults.strangers import Findings

LONGEST_WAIT = 120.0

_HEADERS = (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0))
_DURATION = r"((?:\d{1,9}(?:\.\d{1,9})?\s*(?:ms|milliseconds?|h(?:ours?)?|m(?:in(?:utes?)?)?|s(?:ec(?:onds?)?)?)\s*)+)"
_HINTS = (
    re.compile(rf"retry_?delay[\"'\s:={{]*{_DURATION}"),  # Gemini: RetryInfo
    re.compile(r"retry_?delay[\"'\s:={]*seconds[\"'\s:=]*(\d{1,9})"),  # the same, as protocol buffers print it
    re.compile(rf"(?:try again|retry(?: after)?) (?:in|after) {_DURATION}"),  # OpenAI, Groq
    re.compile(rf"retry after {_DURATION}"),  # Azure
)
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]*)")
_UNITS = {"ms": 0.001, "h": 3600.0, "m": 60.0, "s": 1.0}


def retry_after(found: Findings, now: float | None = None) -> float | None:
    """Seconds a server asks to wait, from its headers, else from its body; None if it says nothing usable."""
    for name, scale in _HEADERS:
        try:
            value = found.headers.get(name)
        except Exception:  # noqa: BLE001  hostile headers, or none; the classifier is total
            break
        seconds = parse_retry_after(value, now=now, scale=scale)
        if seconds is not None:
            return seconds
    for hint in _HINTS:
        match = hint.search(found.text)
        if match is not None:
            return _bounded(_duration(match[1]))
    loading = found.numbers.get("estimated_time")  # Hugging Face, while a model is loaded
    return None if loading is None else parse_retry_after(loading)


def parse_retry_after(value: Any, *, now: float | None = None, scale: float = 1.0) -> float | None:
    """Read a `Retry-After`: seconds or a date, between 0 and two minutes; None if it is neither.

    >>> parse_retry_after("1.5"), parse_retry_after("-5"), parse_retry_after("NaN"), parse_retry_after("9" * 400)
    (1.5, 0.0, None, 120.0)
    """
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value) * scale
    except OverflowError:  # an integer beyond every float
        seconds = math.inf if value > 0 else 0.0  # type: ignore[operator]
    except ValueError:
        return _until(str(value), now)
    return None if math.isnan(seconds) else _bounded(seconds)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _duration(text: str) -> float:
    """Seconds of `37s`, `7m12.5s`, `20 seconds`, `250ms`; a bare number is seconds."""
    total = 0.0
    for number, unit in _PART.findall(text):
        scale = 0.001 if unit.startswith(("ms", "milli")) else _UNITS.get(unit[:1], 1.0)
        total += float(number) * scale
    return total


def _until(text: str, now: float | None) -> float | None:
    if now is None or len(text) > 64:
        return None
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return _bounded((when - datetime.fromtimestamp(now, UTC)).total_seconds())
