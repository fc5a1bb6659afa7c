"""What providers say of their limits, in every spelling; hostile values are counted and left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.limits.headers import DAY, MINUTE, Told, headers_of, parse_headers

NOW = 1_700_000_000.0

OPENAI = {
    "x-ratelimit-limit-requests": "60", "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-requests": "59", "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "12ms",
}  # fmt: skip
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:21Z", "anthropic-ratelimit-tokens-limit": "40000",
    "anthropic-ratelimit-tokens-remaining": "39000", "anthropic-ratelimit-tokens-reset": "2023-11-14T22:14:20+00:00",
}  # fmt: skip
AZURE = {"x-ratelimit-remaining-requests": "9", "x-ratelimit-remaining-tokens": "8000", "retry-after-ms": "250"}
GROQ = {
    "x-ratelimit-limit-requests": "14400", "x-ratelimit-remaining-requests": "14370",
    "x-ratelimit-reset-requests": "2m59.56s", "x-ratelimit-limit-tokens": "18000",
    "x-ratelimit-remaining-tokens": "17997", "x-ratelimit-reset-tokens": "7.66s",
}  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "headers", "expected"),
    [
        ("openai", OPENAI, [Told("requests", 60, 59, 1.0, MINUTE), Told("tokens", 150_000, 149_984, 0.012, MINUTE)]),
        ("anthropic", ANTHROPIC, [Told("requests", 50, 49, 1.0, MINUTE), Told("tokens", 40_000, 39_000, 60.0, MINUTE)]),
        ("azure", AZURE, [Told("requests", None, 9, 0.0, MINUTE), Told("tokens", None, 8_000, 0.0, MINUTE)]),
        ("groq", GROQ, [Told("requests", 14_400, 14_370, 179.56, DAY), Told("tokens", 18_000, 17_997, 7.66, MINUTE)]),
        (
            "openai",
            {k: v.replace("1s", "6m0s") for k, v in OPENAI.items()},
            [Told("requests", 60, 59, 360.0, DAY), Told("tokens", 150_000, 149_984, 0.012, MINUTE)],
        ),
    ],
    ids=["openai", "anthropic", "azure", "groq", "openai by the day"],
)
def test_a_provider_is_understood(provider: str, headers: dict[str, str], expected: list[Told]) -> None:
    assert parse_headers(headers, provider=provider, now=NOW) == (expected, 0)
    marked = {f"llm_provider-{name}": value for name, value in headers.items()}
    of_the_host = {"x-ratelimit-remaining-requests": "1", "x-ratelimit-limit-requests": "1"}
    assert parse_headers({**of_the_host, **marked}, provider=provider, now=NOW) == (expected, 0)


@pytest.mark.parametrize("value", ["NaN", "-5", "9" * 400, "inf", "", "1e3", "０", "0x10", "12 34"])  # noqa: RUF001  digits of others
@pytest.mark.parametrize("name", ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"])
def test_a_hostile_number_is_ignored_and_counted(name: str, value: str) -> None:
    told, ignored = parse_headers({**OPENAI, name: value}, provider="openai", now=NOW)
    assert ([each.unit for each in told], ignored) == (["tokens"], 1)


@pytest.mark.parametrize("value", ["NaN", "-5s", "9" * 400, "soon", "2100", "9999-99-99T00:00:00Z", "99999999999d"])
def test_a_hostile_reset_is_ignored_and_the_rest_is_read(value: str) -> None:
    told, ignored = parse_headers({**OPENAI, "x-ratelimit-reset-tokens": value}, provider="openai", now=NOW)
    assert [each.unit for each in told] == ["requests", "tokens"]
    assert 0 <= told[1].reset <= DAY
    assert ignored == (value != "2100")


@given(
    st.dictionaries(
        st.sampled_from([*OPENAI, *ANTHROPIC]) | st.text(max_size=20) | st.integers(),
        st.text(max_size=80) | st.binary(max_size=80) | st.floats() | st.integers() | st.none() | st.booleans(),
    )
)
def test_reading_is_total(headers: dict[Any, Any]) -> None:
    told, ignored = parse_headers(headers, provider="openai", now=NOW)
    assert ignored >= 0
    for each in told:
        assert 0 <= each.remaining <= (each.limit or 1e12)
        assert 0 <= each.reset <= DAY


class Hostile:
    """Whose attributes cannot be read."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Response:
    def __init__(self, headers: Any) -> None:
        self.headers = headers


class Failure(Exception):  # noqa: N818  what a client raises
    def __init__(self, headers: Any) -> None:
        super().__init__()
        self.response = Response(headers)


@pytest.mark.parametrize(
    "value",
    ["text", None, 5, Hostile(), Response({}), Response("x"), Failure(None), {}, []],
    ids=lambda each: type(each).__name__,
)
def test_what_has_no_headers_has_none(value: Any) -> None:
    assert headers_of(value) is None


def test_an_exception_has_its_responses_headers() -> None:
    assert headers_of(Failure(OPENAI)) == OPENAI
    assert headers_of(Response(OPENAI)) == OPENAI
