"""The fault table: what each class of failure means for the same model, the next model, health and learning.

Three questions that are easily mixed up are separate columns: is the *model* sick, is the *credential* throttled, is
the *request* bad? `classify` reads an exception by its code, then its type, then its status, then its text, and never
raises, however hostile the exception is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Literal

LONGEST_WAIT = 120.0


class FaultKind(StrEnum):
    """The classes of failure that are told apart."""

    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    AUTHENTICATION = "authentication"
    MODEL_MISSING = "model_missing"
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_POLICY = "content_policy"
    BAD_REQUEST = "bad_request"
    STREAM_BROKEN = "stream_broken"
    USELESS_ANSWER = "useless_answer"
    LOCAL = "local"
    CONTROL_FLOW = "control_flow"
    UNKNOWN = "unknown"


Charges = Literal["nobody", "model", "credential", "throttle", "quality"]
RetrySame = Literal["no", "once", "alone"]


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One row of the table.

    Attributes:
        retry_same: `once`, only when `alone` (no other model is left), or `no`.
        fail_over: whether another model may be tried.
        charges: whose account it goes on; `throttle` is state apart from sickness.
        weight: how much of a failure it is for the breaker.
        reward: what learning gets; None teaches nothing.
        cooldown: seconds out of the first rank, if the server says nothing; 0 leaves it to the breaker.
    """

    retry_same: RetrySame
    fail_over: bool
    charges: Charges
    weight: float = 1.0
    reward: float | None = None
    cooldown: float = 0.0


TABLE: Mapping[FaultKind, FaultRule] = {
    FaultKind.RATE_LIMITED: FaultRule("alone", fail_over=True, charges="throttle", weight=0, cooldown=5),
    FaultKind.QUOTA: FaultRule("no", fail_over=True, charges="credential", weight=0, cooldown=900),
    FaultKind.OVERLOADED: FaultRule("once", fail_over=True, charges="model", weight=0.5),
    FaultKind.SERVER_ERROR: FaultRule("once", fail_over=True, charges="model"),
    FaultKind.UNREACHABLE: FaultRule("once", fail_over=True, charges="model"),
    FaultKind.TIMEOUT: FaultRule("no", fail_over=True, charges="model"),
    FaultKind.AUTHENTICATION: FaultRule("no", fail_over=True, charges="credential", weight=0, cooldown=60),
    FaultKind.MODEL_MISSING: FaultRule("no", fail_over=True, charges="model", weight=0, cooldown=300),
    FaultKind.CONTEXT_OVERFLOW: FaultRule("no", fail_over=True, charges="nobody", weight=0),
    FaultKind.CONTENT_POLICY: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.BAD_REQUEST: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.STREAM_BROKEN: FaultRule("no", fail_over=False, charges="model"),
    FaultKind.USELESS_ANSWER: FaultRule("once", fail_over=True, charges="quality", weight=0, reward=0.0),
    FaultKind.LOCAL: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.CONTROL_FLOW: FaultRule("no", fail_over=False, charges="nobody", weight=0),
    FaultKind.UNKNOWN: FaultRule("no", fail_over=True, charges="model", weight=0.25),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A classified failure; `retry_after` is in seconds, bounded, and None if the server named nothing usable."""

    kind: FaultKind
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None

    @property
    def rule(self) -> FaultRule:
        """The row of the table."""
        return TABLE[self.kind]


_BY_CODE: Mapping[str, FaultKind] = {
    "insufficient_quota": FaultKind.QUOTA,
    "billing_hard_limit_reached": FaultKind.QUOTA,
    "billing_not_active": FaultKind.QUOTA,
    "rate_limit_exceeded": FaultKind.RATE_LIMITED,
    "rate_limit_error": FaultKind.RATE_LIMITED,
    "throttlingexception": FaultKind.RATE_LIMITED,
    "resource_exhausted": FaultKind.RATE_LIMITED,
    "overloaded_error": FaultKind.OVERLOADED,
    "unavailable": FaultKind.OVERLOADED,
    "context_length_exceeded": FaultKind.CONTEXT_OVERFLOW,
    "string_above_max_length": FaultKind.CONTEXT_OVERFLOW,
    "content_filter": FaultKind.CONTENT_POLICY,
    "content_policy_violation": FaultKind.CONTENT_POLICY,
    "model_not_found": FaultKind.MODEL_MISSING,
    "deploymentnotfound": FaultKind.MODEL_MISSING,
    "invalid_api_key": FaultKind.AUTHENTICATION,
    "authentication_error": FaultKind.AUTHENTICATION,
    "permission_error": FaultKind.AUTHENTICATION,
}

# Names of exception classes, looked for along the whole inheritance, most specific first.
_BY_TYPE: Mapping[str, FaultKind] = {
    # pointsman's own
    "EmptyAnswerError": FaultKind.USELESS_ANSWER,
    # Before content, a broken stream is a server error; failover knows when there was content.
    "TruncatedStreamError": FaultKind.SERVER_ERROR,
    "StreamInterruptedError": FaultKind.STREAM_BROKEN,
    "DeadlineExceededError": FaultKind.LOCAL,
    "CostLimitError": FaultKind.LOCAL,
    "InvalidParametersError": FaultKind.BAD_REQUEST,
    "MissingCredentialError": FaultKind.AUTHENTICATION,
    "MissingDependencyError": FaultKind.MODEL_MISSING,
    # openai, anthropic, litellm
    "ContextWindowExceededError": FaultKind.CONTEXT_OVERFLOW,
    "ContextOverflowError": FaultKind.CONTEXT_OVERFLOW,
    "ContentPolicyViolationError": FaultKind.CONTENT_POLICY,
    "ContentFilterFinishReasonError": FaultKind.CONTENT_POLICY,
    "BudgetExceededError": FaultKind.LOCAL,
    "APITimeoutError": FaultKind.TIMEOUT,
    "Timeout": FaultKind.TIMEOUT,
    "APIConnectionError": FaultKind.UNREACHABLE,
    "MidStreamFallbackError": FaultKind.SERVER_ERROR,
    "JSONSchemaValidationError": FaultKind.USELESS_ANSWER,
    # langchain
    "OutputParserException": FaultKind.USELESS_ANSWER,
    "GraphBubbleUp": FaultKind.CONTROL_FLOW,
    # httpx and the standard library
    "TimeoutException": FaultKind.TIMEOUT,
    "TimeoutError": FaultKind.TIMEOUT,
    "NetworkError": FaultKind.UNREACHABLE,
    "RemoteProtocolError": FaultKind.UNREACHABLE,
    "ConnectionError": FaultKind.UNREACHABLE,
    "JSONDecodeError": FaultKind.USELESS_ANSWER,
}

_BY_STATUS: Mapping[int, FaultKind] = {
    400: FaultKind.BAD_REQUEST,
    401: FaultKind.AUTHENTICATION,
    402: FaultKind.QUOTA,
    403: FaultKind.AUTHENTICATION,
    404: FaultKind.MODEL_MISSING,
    408: FaultKind.SERVER_ERROR,
    413: FaultKind.BAD_REQUEST,
    422: FaultKind.BAD_REQUEST,
    429: FaultKind.RATE_LIMITED,
    503: FaultKind.OVERLOADED,
    504: FaultKind.SERVER_ERROR,
    529: FaultKind.OVERLOADED,
}

# Phrases that refine what a status alone would say; only looked for in failures that came with a status or a code.
_BY_TEXT: tuple[tuple[str, FaultKind], ...] = (
    ("credit balance is too low", FaultKind.QUOTA),
    ("exceeded your current quota", FaultKind.QUOTA),
    ("insufficient_quota", FaultKind.QUOTA),
    ("maximum context length", FaultKind.CONTEXT_OVERFLOW),
    ("context_length_exceeded", FaultKind.CONTEXT_OVERFLOW),
    ("prompt is too long", FaultKind.CONTEXT_OVERFLOW),
    ("context window", FaultKind.CONTEXT_OVERFLOW),
    ("content_filter", FaultKind.CONTENT_POLICY),
    ("content management policy", FaultKind.CONTENT_POLICY),
    ("overloaded", FaultKind.OVERLOADED),
)
_REFINABLE = frozenset({FaultKind.BAD_REQUEST, FaultKind.RATE_LIMITED, FaultKind.SERVER_ERROR, FaultKind.UNKNOWN})
_TEXT_LIMIT = 4000


def classify(error: BaseException, *, now: float | None = None) -> Fault:
    """Classify an exception; total: whatever its attributes do, the answer is a `Fault`.

    Args:
        error: what was raised.
        now: seconds since the epoch, for dates in `Retry-After`.
    """
    status = _status(error)
    code = _code(error)
    kind = _kind(error, status, code)
    wait = _retry_after(error, now) if kind in (FaultKind.RATE_LIMITED, FaultKind.OVERLOADED, FaultKind.QUOTA) else None
    return Fault(kind, status, code, wait)


def _kind(error: BaseException, status: int | None, code: str | None) -> FaultKind:
    if code is not None and (by_code := _BY_CODE.get(code.lower())) is not None:
        return by_code
    for each in type(error).__mro__:
        if (by_type := _BY_TYPE.get(each.__name__)) is not None:
            return by_type
    kind = FaultKind.UNKNOWN
    if status is not None:
        kind = _BY_STATUS.get(status, FaultKind.SERVER_ERROR if status >= 500 else FaultKind.UNKNOWN)
        if kind is FaultKind.UNKNOWN and 400 <= status < 500:
            kind = FaultKind.BAD_REQUEST
    if kind in _REFINABLE and (status is not None or code is not None):
        text = _text(error).lower()
        for phrase, refined in _BY_TEXT:
            if phrase in text:
                return refined
    return kind


def _read(source: Any, name: str) -> Any:
    """An attribute of a stranger; whatever its property does, the answer is a value or None."""
    try:
        return getattr(source, name, None)
    except Exception:  # noqa: BLE001  hostile properties may raise anything; the classifier is total
        return None


def _status(error: BaseException) -> int | None:
    for source in (error, _read(error, "response")):
        for name in ("status_code", "http_status", "status", "code"):
            value = _read(source, name)
            if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
                return value
    return None


def _code(error: BaseException) -> str | None:
    for source in (error, *_bodies(error)):
        for name in ("code", "type", "status"):
            value = source.get(name) if isinstance(source, Mapping) else _read(source, name)
            if isinstance(value, str) and value.lower() in _BY_CODE:
                return value
    return None


def _bodies(error: BaseException) -> list[Any]:
    body = _read(error, "body")
    if not isinstance(body, Mapping):
        return []
    inner = body.get("error")
    return [body, inner] if isinstance(inner, Mapping) else [body]


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_TEXT_LIMIT]
    except Exception:  # noqa: BLE001  hostile __str__; the classifier is total
        return ""


def _retry_after(error: BaseException, now: float | None) -> float | None:
    headers = _read(_read(error, "response"), "headers")
    if headers is None:
        headers = _read(error, "headers") or _read(error, "litellm_response_headers")
    if not hasattr(headers, "get"):
        return None
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            value = headers.get(name)
        except Exception:  # noqa: BLE001  hostile headers; the classifier is total
            return None
        seconds = parse_retry_after(value, now=now, scale=scale)
        if seconds is not None:
            return seconds
    return None


def parse_retry_after(value: Any, *, now: float | None = None, scale: float = 1.0) -> float | None:
    """Read a `Retry-After`: seconds or a date, between 0 and two minutes; None if it is neither.

    >>> parse_retry_after("1.5"), parse_retry_after("-5"), parse_retry_after("NaN"), parse_retry_after("9" * 400)
    (1.5, 0.0, None, 120.0)
    """
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        seconds = float(value) * scale
    except ValueError:
        return _until(value, now)
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _until(text: str, now: float | None) -> float | None:
    if now is None or len(text) > 64:
        return None
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max((when - datetime.fromtimestamp(now, UTC)).total_seconds(), 0.0), LONGEST_WAIT)
