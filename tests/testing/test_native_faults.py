"""What a client sees of every fault on the Responses and the Messages endpoint, over raw HTTP and through their clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import get_args

import httpx
import openai
import pytest
from testing.native import MESSAGES, RESPONSES, Native, Seen, ask

from pointsman.testing import FAULTS, Fault, ModelFleet
from pointsman.testing.faults import FaultKind

SAID = "one two three four five six seven eight nine ten"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


def pieces(seen: Seen, native: Native) -> int:
    return seen.names.count(native.content)


def is_broken_off(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    """The first chunk opens the stream, each further one brings a piece of content; the end is not said."""
    assert not set(seen.names) & set(native.ending)
    if stream and fault.chunks:
        assert tuple(seen.names[: len(native.opening)]) == native.opening
        assert pieces(seen, native) == fault.chunks - 1
        if fault.chunks == 1:
            assert set(seen.names[len(native.opening) :]) <= {"error", "response.failed"}


def is_status(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    quota = fault.code == "insufficient_quota" and native is MESSAGES
    assert (seen.status, seen.error) == (400 if quota else fault.status, None)
    body = json.loads(seen.body)
    if native is RESPONSES:
        assert body["error"]["code"] == fault.code
        assert seen.headers["x-request-id"].startswith("req_")
    else:
        assert body["type"] == "error"
        assert body["error"].keys() == {"type", "message"}
        assert body["request_id"] == seen.headers["request-id"]
    for name, value in fault.headers:
        assert seen.headers[name] == value


def is_hang(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert (seen.status, seen.error) == (None, "ReadTimeout")


def is_slow(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert (seen.status, seen.body, seen.error) == (200 if stream else None, "", "ReadTimeout")


def is_reset(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert seen.error == "ReadError"
    assert (seen.status is None) == (fault.chunks == 0)
    is_broken_off(fault, seen, native, stream)


def is_stall(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert seen.error == "ReadTimeout"
    is_broken_off(fault, seen, native, stream)


def is_clean_eof(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert seen.error == (None if stream else "RemoteProtocolError")
    assert seen.body
    is_broken_off(fault, seen, native, stream)


def is_cut(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert seen.error == "RemoteProtocolError"
    with pytest.raises(ValueError, match=r"Unterminated string|Expecting"):
        json.loads(seen.data[-1] if stream else seen.body)


def is_stream_error(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert (seen.status, seen.error) == (200, None)
    told = seen.events[-1] if stream else json.loads(seen.body)
    if native is MESSAGES:
        assert (told["type"], told["error"]["type"]) == ("error", "overloaded_error")
        assert not stream or seen.names[-1] == "error"
    else:
        failed = told["response"] if stream else told
        assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
        assert not stream or seen.names[-2:] == ["error", "response.failed"]
        assert [event["sequence_number"] for event in seen.events] == list(range(len(seen.events)))
    is_broken_off(fault, seen, native, stream)


def is_empty(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert (seen.status, seen.error, pieces(seen, native)) == (200, None, 0)
    if native is MESSAGES:
        told = seen.events[-2]["delta"] if stream else json.loads(seen.body)
        assert told["stop_reason"] == "end_turn"
        assert told.get("content", []) == []
    else:
        told = seen.events[-1]["response"] if stream else json.loads(seen.body)
        assert (told["status"], told["output"]) == ("completed", [])


def is_filtered(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert (seen.status, seen.error) == (200, None)
    if native is MESSAGES:
        told = seen.events[-2]["delta"] if stream else json.loads(seen.body)
        assert told["stop_reason"] == "refusal"
    else:
        told = seen.events[-1]["response"] if stream else json.loads(seen.body)
        assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
        assert not stream or seen.names[-1] == "response.incomplete"


def is_invalid_json(fault: Fault, seen: Seen, native: Native, stream: bool) -> None:
    assert (seen.status, seen.error) == (200, None)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(seen.data[-1] if stream else seen.body)


PROMISES: dict[str, Callable[[Fault, Seen, Native, bool], None]] = {
    "status": is_status,
    "hang": is_hang,
    "slow": is_slow,
    "reset": is_reset,
    "stall": is_stall,
    "clean_eof": is_clean_eof,
    "cut": is_cut,
    "stream_error": is_stream_error,
    "empty": is_empty,
    "filtered": is_filtered,
    "invalid_json": is_invalid_json,
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("native", [RESPONSES, MESSAGES], ids=["responses", "messages"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_shows_what_it_promises(
    fleet: ModelFleet, http: httpx.Client, fault: Fault, native: Native, stream: bool
) -> None:
    # Only what is silence is waited for; its end is this timeout.
    read = 0.5 if fault.kind in {"hang", "slow", "stall"} else 30
    url = fleet["cheap"].url + native.path
    seen = ask(http, url, native.body(SAID, stream=stream), fault.name, read)
    record = fleet["cheap"].requests[-1]
    assert (record.path, record.fault, record.status) == ("/v1" + native.path, fault.name, seen.status)
    PROMISES[fault.kind](fault, seen, native, stream)


def test_every_kind_of_fault_has_its_counterpart() -> None:
    assert set(get_args(FaultKind)) == set(PROMISES)


@pytest.mark.parametrize("native", [RESPONSES, MESSAGES], ids=["responses", "messages"])
@pytest.mark.parametrize(
    "fault", ["reset_after_50_chunks", "clean_eof_after_50_chunks", "stream_error_after_50_chunks"]
)
def test_a_fault_beyond_the_end_strikes_before_it_is_said_why_it_ends(
    fleet: ModelFleet, http: httpx.Client, native: Native, fault: str
) -> None:
    seen = ask(http, fleet["cheap"].url + native.path, native.body(SAID, stream=True), fault)
    assert "ten" in seen.body
    assert not set(seen.names) & set(native.ending)


@pytest.mark.parametrize(
    ("fault", "status", "kind", "said"),
    [
        ("bad_request", 400, "invalid_request_error", "Invalid value"),
        ("unauthorized", 401, "authentication_error", "invalid x-api-key"),
        ("payment_required", 402, "billing_error", "credit balance is too low"),
        ("insufficient_quota", 400, "invalid_request_error", "credit balance is too low"),
        ("forbidden", 403, "permission_error", "permission"),
        ("model_not_found", 404, "not_found_error", "model: cheap"),
        ("too_large", 413, "request_too_large", "maximum size"),
        ("rate_limited", 429, "rate_limit_error", "rate limit"),
        ("server_error_500", 500, "api_error", "Internal server error"),
        ("server_error_529", 529, "overloaded_error", "Overloaded"),
        ("context_overflow", 400, "invalid_request_error", "prompt is too long: 4097 tokens > 4096 maximum"),
        ("content_filter", 400, "invalid_request_error", "content filtering policy"),
    ],
)
def test_anthropics_errors_have_its_types_and_words(
    fleet: ModelFleet, http: httpx.Client, fault: str, status: int, kind: str, said: str
) -> None:
    seen = ask(http, fleet["cheap"].url + "/messages", MESSAGES.body(SAID), fault)
    error = json.loads(seen.body)["error"]
    assert (seen.status, error["type"]) == (status, kind)
    assert said in error["message"]


def test_words_of_one_s_own_are_kept(fleet: ModelFleet, http: httpx.Client) -> None:
    fleet["cheap"].fail(Fault.http_error(529, message="Come back at noon."))
    for native in (RESPONSES, MESSAGES):
        seen = ask(http, fleet["cheap"].url + native.path, native.body(SAID))
        assert (seen.status, json.loads(seen.body)["error"]["message"]) == (529, "Come back at noon.")


def test_openais_client_raises_the_error_of_a_stream_and_returns_a_response_that_failed(fleet: ModelFleet) -> None:
    fleet["cheap"].fail(Fault.stream_error(3))
    with openai.OpenAI(base_url=fleet["cheap"].url, api_key="made-up", max_retries=0) as client:
        stream = client.responses.create(model="cheap", input=SAID, stream=True)
        seen: list[str] = []
        with pytest.raises(openai.APIError, match="had an error while processing"):
            seen.extend(event.type for event in stream)
        assert seen.count("response.output_text.delta") == 2
        whole = client.responses.create(model="cheap", input=SAID)
    assert whole.error is not None
    assert (whole.status, whole.error.code, whole.output) == ("failed", "server_error", [])


def test_anthropics_client_raises_its_own_errors(fleet: ModelFleet) -> None:
    anthropic = pytest.importorskip("anthropic")
    server = fleet["cheap"]
    with anthropic.Anthropic(base_url=server.url.removesuffix("/v1"), api_key="made-up", max_retries=0) as client:

        def create(**more: object) -> object:
            return client.messages.create(
                model="cheap", max_tokens=100, messages=[{"role": "user", "content": SAID}], **more
            )

        expected = {
            "unauthorized": anthropic.AuthenticationError,
            "rate_limited_retry_after_0": anthropic.RateLimitError,
            "server_error_529": anthropic.InternalServerError,
            "context_overflow": anthropic.BadRequestError,
            "reset_before_first_byte": anthropic.APIConnectionError,
        }
        for fault, error in expected.items():
            server.fail(fault)
            with pytest.raises(error):
                create()
        server.fail(Fault.stream_error(3))
        with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            list(create(stream=True))  # type: ignore[call-overload]
