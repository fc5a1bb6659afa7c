"""What a healthy model server refuses, as OpenAI would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.testing import FakeClock, ModelFleet, ServedModel, serve


def post(fleet: ModelFleet, body: Any, path: str = "/chat/completions", key: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.post(next(iter(fleet.values())).url + path, json=body, headers=headers)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


def chat(content: Any, **more: Any) -> dict[str, Any]:
    return {"model": "cheap", "messages": [{"role": "user", "content": content}], **more}


def test_a_prompt_beyond_the_window_is_refused_and_one_that_fills_it_is_cut() -> None:
    with serve([ServedModel("cheap", context_window=100)]) as fleet:
        full = post(fleet, chat("abcd" * 100))
        over = post(fleet, chat("abcd" * 100 + "e"))
    assert (full.status_code, full.json()["choices"][0]["finish_reason"]) == (200, "length")
    assert (over.status_code, over.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 100 tokens" in over.json()["error"]["message"]


def test_a_key_is_demanded_where_one_is_required() -> None:
    with serve([ServedModel("cheap", requires_key="sk-right")]) as fleet:
        statuses = [post(fleet, chat("hi"), key=key).status_code for key in (None, "sk-wrong", "sk-right")]
        listing = httpx.get(fleet["cheap"].url + "/models")
        records = fleet["cheap"].requests
    assert (*statuses, listing.status_code) == (401, 401, 200, 401)
    assert [record.has_key for record in records] == [False, True, True, False]
    assert "sk-" not in repr(records) + repr(fleet) + repr(fleet["cheap"].model)


def test_a_rate_limit_refuses_tells_when_and_ends_with_the_window() -> None:
    clock = FakeClock()
    with serve([ServedModel("cheap", rate_limit_rpm=2, rate_limit_tpm=1000)], clock=clock) as fleet:
        first = post(fleet, chat("hi"))
        clock.advance(20)
        statuses = [post(fleet, chat("hi")).status_code for _ in range(2)]
        refused = post(fleet, chat("hi"))
        clock.advance(40)
        again = post(fleet, chat("hi"))
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-tokens"] == "999"
    assert statuses == [200, 429]
    assert (refused.headers["retry-after"], refused.json()["error"]["code"]) == ("40", "rate_limit_exceeded")
    assert again.status_code == 200


def test_another_model_another_path_another_method_are_refused(fleet: ModelFleet) -> None:
    missing = post(fleet, {**chat("hi"), "model": "gpt-5"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    assert httpx.get(fleet["cheap"].url + "/models/gpt-5").json()["error"]["code"] == "model_not_found"
    assert post(fleet, {}, path="/audio/speech").status_code == 404
    assert httpx.get(fleet["cheap"].url + "/chat/completions").status_code == 405
    assert httpx.delete(fleet["cheap"].url + "/models").status_code == 405


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "no role"}]}, "messages[0].role"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"n": 2}, "n"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {"name": "not a name"}}]}, "tools"),
        ({"stop": 7}, "stop"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_bad_parameter_is_named(fleet: ModelFleet, more: dict[str, Any], param: str) -> None:
    answer = post(fleet, chat("hi") | more)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_bytes_that_are_no_json_and_bytes_that_are_no_http_are_refused(fleet: ModelFleet) -> None:
    url = fleet["cheap"].url + "/chat/completions"
    assert httpx.post(url, content=b"{oops").status_code == 400
    assert httpx.post(url, content=b"[" * 100_000).status_code == 400
    assert httpx.post(url, json=chat("hi"), headers={"x-long": "a" * 100_000}).status_code in {400, 431}
    assert post(fleet, chat("hi")).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "function", "name", "text", "role"]), inner)
    ),
    max_leaves=6,
)
FIELDS = [
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "stream_options",
    "stop",
    "input",
    "prompt",
    "max_tokens",
    "dimensions",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.dictionaries(st.sampled_from(FIELDS), JSON),
    path=st.sampled_from(["/chat/completions", "/completions", "/embeddings"]),
    has_messages=st.booleans(),
)
def test_whatever_the_body_the_answer_is_http(
    fleet: ModelFleet, client: httpx.Client, body: dict[str, Any], path: str, has_messages: bool
) -> None:
    whole = chat("use the tool") | body if has_messages else {"model": "cheap"} | body
    if has_messages:
        whole["messages"] = chat("use the tool")["messages"]
    assert client.post(fleet["cheap"].url + path, json=whole).status_code in {200, 400}
