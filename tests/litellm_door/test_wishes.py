"""Headers and metadata of clients are read without trust."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.litellm.wishes import Wishes, read_wishes


def asked(headers: dict[str, Any] | None = None, metadata: Any = None) -> Wishes:
    return read_wishes({"proxy_server_request": {"headers": headers or {}, "body": {"metadata": metadata}}})


def test_headers_name_needs_and_limits() -> None:
    wishes = asked({"X-Pointsman-Needs": "vision, function_calling", "x-pointsman-max-cost": "0.01"})
    assert (wishes.needs, wishes.max_cost, wishes.ignored) == (frozenset({"vision", "tools"}), 0.01, 0)


def test_metadata_does_so_too_and_headers_win() -> None:
    wishes = asked({"x-pointsman-max-latency": "2"}, {"pointsman": {"max_latency": 9, "needs": ["pdf"]}})
    assert (wishes.needs, wishes.max_latency) == (frozenset({"pdf"}), 2.0)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-pointsman-needs": "not a capability!"},
        {"x-pointsman-needs": ",".join(f"n{number}" for number in range(40))},
        {"x-pointsman-max-cost": "nan"},
        {"x-pointsman-max-cost": "-1"},
        {"x-pointsman-max-cost": "1e999"},
        {"x-pointsman-max-cost": ["0.1"]},
        {"x-pointsman-max-latency": "soon"},
        {"x-pointsman-session": "s" * 5_000},
        {"x-pointsman-session": ""},
    ],
)
def test_what_cannot_be_read_is_ignored_and_counted(headers: dict[str, Any]) -> None:
    assert asked(headers) == Wishes(ignored=1)


@pytest.mark.parametrize("metadata", [None, "text", [], {"pointsman": "text"}, {"pointsman": {"needs": 7}}])
def test_metadata_of_any_shape_is_survived(metadata: Any) -> None:
    assert asked(metadata=metadata).needs == frozenset()


def test_a_request_without_headers_asks_for_nothing() -> None:
    assert read_wishes({}) == Wishes()
