"""The fault table and the classifier: real clients' exceptions, every Retry-After, and hostile strangers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import LONG, StatusError

from pointsman.errors import DeadlineExceededError, EmptyAnswerError, TruncatedStreamError
from pointsman.faults import LONGEST_WAIT, TABLE, FaultKind, classify, parse_retry_after
from pointsman.faults.strangers import examine
from pointsman.faults.words import BY_CODE

REQUEST = httpx.Request("POST", "http://127.0.0.1/v1/chat/completions")


def openai_error(kind: type[openai.APIStatusError], status: int, **body: Any) -> openai.APIStatusError:
    response = httpx.Response(status, request=REQUEST, headers={"retry-after": "7"}, json={"error": body})
    return kind("boom", response=response, body=body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (openai_error(openai.RateLimitError, 429, code="rate_limit_exceeded"), FaultKind.RATE_LIMITED),
        (openai_error(openai.RateLimitError, 429, code="insufficient_quota"), FaultKind.QUOTA),
        (openai_error(openai.BadRequestError, 400, code="context_length_exceeded"), FaultKind.CONTEXT_OVERFLOW),
        (openai_error(openai.BadRequestError, 400, code="content_filter"), FaultKind.CONTENT_POLICY),
        (openai_error(openai.BadRequestError, 400, type="invalid_request_error"), FaultKind.BAD_REQUEST),
        (openai_error(openai.AuthenticationError, 401, code="invalid_api_key"), FaultKind.AUTHENTICATION),
        (openai_error(openai.NotFoundError, 404, code="model_not_found"), FaultKind.MODEL_MISSING),
        (openai_error(openai.InternalServerError, 500), FaultKind.SERVER_ERROR),
        (openai_error(openai.InternalServerError, 503), FaultKind.OVERLOADED),
        (openai_error(openai.InternalServerError, 529), FaultKind.OVERLOADED),
        (openai.APITimeoutError(request=REQUEST), FaultKind.TIMEOUT),
        (openai.APIConnectionError(request=REQUEST), FaultKind.UNREACHABLE),
        (httpx.ReadTimeout("slow", request=REQUEST), FaultKind.TIMEOUT),
        (httpx.ConnectError("refused", request=REQUEST), FaultKind.UNREACHABLE),
        (httpx.RemoteProtocolError("cut", request=REQUEST), FaultKind.UNREACHABLE),
        (TimeoutError(), FaultKind.TIMEOUT),
        (ConnectionResetError(), FaultKind.UNREACHABLE),
        (StatusError(402), FaultKind.QUOTA),
        (StatusError(408), FaultKind.SERVER_ERROR),
        (StatusError(422), FaultKind.BAD_REQUEST),
        (StatusError(418), FaultKind.BAD_REQUEST),
        (StatusError(599), FaultKind.SERVER_ERROR),
        (EmptyAnswerError("empty"), FaultKind.USELESS_ANSWER),
        (TruncatedStreamError("cut"), FaultKind.SERVER_ERROR),
        (DeadlineExceededError("late"), FaultKind.LOCAL),
        (ValueError("?"), FaultKind.UNKNOWN),
    ],
    ids=lambda value: value.value if isinstance(value, FaultKind) else type(value).__name__,
)
def test_what_clients_raise_is_told_apart(error: Exception, kind: FaultKind) -> None:
    assert classify(error).kind is kind


def test_a_text_refines_a_status_but_never_speaks_alone() -> None:
    class RefusedError(StatusError):
        def __str__(self) -> str:
            return "Your credit balance is too low to access the API"

    assert classify(RefusedError(400)).kind is FaultKind.QUOTA
    assert classify(ValueError("Your credit balance is too low")).kind is FaultKind.UNKNOWN


def test_every_kind_has_a_row_and_nobody_is_charged_for_a_bad_request() -> None:
    assert set(TABLE) == set(FaultKind)
    for kind in (FaultKind.BAD_REQUEST, FaultKind.CONTEXT_OVERFLOW, FaultKind.CONTENT_POLICY, FaultKind.LOCAL):
        assert TABLE[kind].charges == "nobody"
    assert all(0 <= row.weight <= 1 for row in TABLE.values())


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("-5", 0),
        ("1.5", 1.5),
        (b"2", 2),
        (3, 3),
        ("86400", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        ("inf", LONGEST_WAIT),
        ("NaN", None),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        ("Fri, 15 Jan 2027 08:00:10 GMT", 10),
        ("Fri, 01 Jan 2100 00:00:00 GMT", LONGEST_WAIT),
        ("Fri, 01 Jan 1999 00:00:00 GMT", 0),
        ("Fri, 99 Jan 9999999 00:00:00 GMT", None),
    ],
)
def test_every_retry_after_is_bounded(value: object, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds


def test_milliseconds_come_first() -> None:
    fault = classify(StatusError(429, retry_after_ms="1500", retry_after="60"), now=NOW)
    assert fault.retry_after == 1.5


class HostileError(Exception):
    """Raises from wherever it is touched."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("str")


def test_the_classifier_is_total() -> None:
    assert classify(HostileError()).kind is FaultKind.UNKNOWN


class Trap(Mapping[str, Any]):
    """A body, a response or headers that fail in every way a mapping can."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getitem__(self, name: str) -> Any:
        raise self.error

    def __iter__(self) -> Iterator[str]:
        raise self.error

    def __len__(self) -> int:
        raise self.error


class LyingText(str):
    __slots__ = ()

    def lower(self) -> str:
        raise RuntimeError("lower")


def circular() -> dict[str, Any]:
    body: dict[str, Any] = {"error": {"details": []}}
    body["error"]["details"].append(body)
    body["error"]["again"] = body["error"]
    return body


NAMES = [
    "code", "status_code", "status", "type", "body", "response", "headers", "details", "error", "errors", "category",
    "retryDelay", "retry-after", "quotaId", "estimated_time", "message", "original_exception", "ResponseMetadata",
]  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 429, 503, 999])
    | st.builds(pow, st.just(10), st.sampled_from([400, 5000]))
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=8)
    | st.sampled_from([*BY_CODE, "429", "37s", "9" * 400 + "s", "NaN", '{"error": {"code": 429}}', "[" * 5000])
    | st.builds(circular)
    | st.builds(Trap, st.sampled_from([RuntimeError("trap"), KeyError("trap"), RecursionError("trap")]))
    | st.builds(LyingText, st.just("rate_limit_exceeded"))
    | st.builds(HostileError)
    | st.builds(object)
)
bodies = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=5)
        | st.dictionaries(st.integers(), inner, max_size=2)
    ),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(NAMES), bodies, max_size=6), st.text(max_size=30) | bodies)
@settings(max_examples=4000 if LONG else 400, deadline=None)
def test_any_attributes_and_bodies_give_a_fault_with_a_bounded_wait(attributes: dict[str, Any], message: Any) -> None:
    error = Exception(message)
    for name, value in attributes.items():
        setattr(error, name, value)
    fault = classify(error, now=NOW)
    assert fault.kind in TABLE
    assert fault.status is None or 400 <= fault.status <= 599
    assert fault.retry_after is None or 0 <= fault.retry_after <= LONGEST_WAIT


@given(bodies)
@settings(max_examples=200, deadline=None)
def test_any_header_value_gives_a_bounded_wait(value: Any) -> None:
    seconds = parse_retry_after(value, now=NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_a_huge_body_costs_no_more_than_a_large_one(size: int) -> None:
    error = StatusError(400)
    error.body = [{"error": {"message": "x" * 100}}] * size  # type: ignore[attr-defined]
    assert len(examine(error).text) <= 8_000
    error.body = "[" * size  # type: ignore[attr-defined]
    assert classify(error).kind is FaultKind.BAD_REQUEST
