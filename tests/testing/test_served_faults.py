"""What a client sees of every fault, over raw HTTP and through the real `openai` client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import get_args

import httpx
import openai
import pytest
from testing import seen

from pointsman.testing import FAULTS, Fault, ModelFleet, ServedModel, serve
from pointsman.testing.faults import FaultKind

SAID = "one two three four five six seven eight nine ten"


class Seen(seen.Seen):
    """What came of a chat, whole or as a stream."""

    @property
    def events(self) -> list[str]:
        return [line.removeprefix("data: ") for line in self.body.splitlines() if line.startswith("data: ")]

    @property
    def is_finished(self) -> bool:
        return '"finish_reason":"' in self.body


Ask = Callable[..., Seen]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with httpx.Client() as client:

        def ask(fleet: ModelFleet, *, stream: bool, fault: str | None = None, said: str = SAID) -> Seen:
            body = {"model": "cheap", "stream": stream, "messages": [{"role": "user", "content": said}]}
            # Only what is silence is waited for; its end is this timeout.
            is_silence = fault in FAULTS and FAULTS[fault].kind in {"hang", "slow", "stall"}
            url = fleet["cheap"].url + "/chat/completions"
            return seen.watch(client, url, body, Seen(), fault, 0.5 if is_silence else 30)

        yield ask


def is_status(fault: Fault, seen: Seen, stream: bool) -> None:
    assert (seen.status, seen.error) == (fault.status, None)
    assert json.loads(seen.body)["error"]["code"] == fault.code
    for name, value in fault.headers:
        assert seen.headers[name] == value


def is_hang(fault: Fault, seen: Seen, stream: bool) -> None:
    assert (seen.status, seen.error) == (None, "ReadTimeout")


def is_slow(fault: Fault, seen: Seen, stream: bool) -> None:
    assert (seen.status, seen.body, seen.error) == (200 if stream else None, "", "ReadTimeout")


def is_reset(fault: Fault, seen: Seen, stream: bool) -> None:
    assert seen.error == "ReadError"
    assert len(seen.events) == (fault.chunks if stream else 0)
    assert (seen.status is None) == (fault.chunks == 0)
    assert not seen.is_finished


def is_stall(fault: Fault, seen: Seen, stream: bool) -> None:
    assert seen.error == "ReadTimeout"
    assert len(seen.events) == (fault.chunks if stream else 0)
    assert not seen.is_finished


def is_clean_eof(fault: Fault, seen: Seen, stream: bool) -> None:
    assert seen.error == (None if stream else "RemoteProtocolError")
    assert len(seen.events) == (fault.chunks if stream else 0)
    assert seen.body
    assert not seen.is_finished
    assert "[DONE]" not in seen.events


def is_cut(fault: Fault, seen: Seen, stream: bool) -> None:
    assert seen.error == "RemoteProtocolError"
    assert seen.body
    with pytest.raises(ValueError, match="Unterminated string"):
        json.loads(seen.events[-1] if stream else seen.body)


def is_stream_error(fault: Fault, seen: Seen, stream: bool) -> None:
    assert (seen.status, seen.error) == (200, None)
    assert "error" in json.loads(seen.events[-1] if stream else seen.body)
    assert len(seen.events) == (fault.chunks + 1 if stream else 0)
    assert not seen.is_finished


def is_empty(fault: Fault, seen: Seen, stream: bool) -> None:
    assert '"finish_reason":"stop"' in seen.body
    assert '"content":""' in seen.body
    assert "one" not in seen.body


def is_filtered(fault: Fault, seen: Seen, stream: bool) -> None:
    assert '"finish_reason":"content_filter"' in seen.body


def is_invalid_json(fault: Fault, seen: Seen, stream: bool) -> None:
    assert (seen.status, seen.error) == (200, None)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(seen.events[-1] if stream else seen.body)


PROMISES: dict[str, Callable[[Fault, Seen, bool], None]] = {
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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_shows_what_it_promises(fleet: ModelFleet, ask: Ask, fault: Fault, stream: bool) -> None:
    seen = ask(fleet, stream=stream, fault=fault.name)
    assert fleet["cheap"].requests[-1].fault == fault.name
    assert fleet["cheap"].requests[-1].status == seen.status
    PROMISES[fault.kind](fault, seen, stream)


def test_every_kind_of_fault_is_among_the_named_ones() -> None:
    assert {fault.kind for fault in FAULTS.values()} == set(get_args(FaultKind)) == set(PROMISES)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("server_error_500", openai.InternalServerError),
        ("server_error_529", openai.InternalServerError),
        ("rate_limited", openai.RateLimitError),
        ("insufficient_quota", openai.RateLimitError),
        ("bad_request", openai.BadRequestError),
        ("unauthorized", openai.AuthenticationError),
        ("forbidden", openai.PermissionDeniedError),
        ("model_not_found", openai.NotFoundError),
        ("unprocessable", openai.UnprocessableEntityError),
        ("context_overflow", openai.BadRequestError),
        ("reset_before_first_byte", openai.APIConnectionError),
    ],
)
def test_the_openai_client_raises_its_own_error(fleet: ModelFleet, name: str, error: type[openai.OpenAIError]) -> None:
    with openai.OpenAI(base_url=fleet["cheap"].url, api_key="made-up", max_retries=0) as client:
        fleet["cheap"].fail(name)
        with pytest.raises(error) as raised:
            client.chat.completions.create(model="cheap", messages=[{"role": "user", "content": SAID}])
        assert getattr(raised.value, "code", FAULTS[name].code) == FAULTS[name].code


def test_the_openai_client_raises_an_error_event_of_a_stream(fleet: ModelFleet) -> None:
    fleet["cheap"].fail(Fault.stream_error(3))
    with openai.OpenAI(base_url=fleet["cheap"].url, api_key="made-up", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="cheap", messages=[{"role": "user", "content": SAID}], stream=True
        )
        assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", "This", " is"]
        with pytest.raises(openai.APIError, match="had an error while processing"):
            next(stream)


def test_a_fault_ends_after_its_times_and_at_heal(fleet: ModelFleet, ask: Ask) -> None:
    fleet["cheap"].fail(Fault.server_error(503), times=2)
    assert [ask(fleet, stream=False).status for _ in range(3)] == [503, 503, 200]
    fleet["cheap"].fail("rate_limited")
    assert [ask(fleet, stream=False).status for _ in range(3)] == [429, 429, 429]
    fleet["cheap"].heal()
    assert ask(fleet, stream=False).status == 200
    assert fleet["cheap"].calls == 7


def test_a_script_is_played_in_order_before_the_standing_fault(fleet: ModelFleet, ask: Ask) -> None:
    fleet["cheap"].fail(Fault.server_error(500))
    fleet["cheap"].script("rate_limited", None, Fault.reset())
    assert [ask(fleet, stream=False).status for _ in range(4)] == [429, 200, None, 500]


def test_a_fault_with_a_probability_strikes_that_share_and_the_same_requests_again(ask: Ask) -> None:
    def struck() -> list[int | None]:
        with serve([ServedModel("cheap")], seed=3) as own:
            own["cheap"].fail(Fault.server_error(500), probability=0.3)
            return [ask(own, stream=False).status for _ in range(60)]

    statuses = struck()
    assert 8 <= statuses.count(500) <= 28
    assert statuses == struck()


def test_a_poison_text_fails_on_every_server_and_only_that_request(fleet: ModelFleet, ask: Ask) -> None:
    assert ask(fleet, stream=False, said="please [[fault:server_error_500]] now").status == 500
    assert ask(fleet, stream=False, said="please now").status == 200


def test_an_unknown_fault_is_refused_with_the_names(fleet: ModelFleet, ask: Ask) -> None:
    seen = ask(fleet, stream=False, fault="earthquake")
    assert seen.status == 400
    assert "no fault is named 'earthquake'" in seen.body
    with pytest.raises(KeyError, match="server_error_503"):
        fleet["cheap"].fail("earthquake")


@pytest.mark.parametrize(
    "fault", ["reset_after_50_chunks", "clean_eof_after_50_chunks", "stream_error_after_50_chunks"]
)
def test_a_fault_beyond_the_end_strikes_before_the_finish_reason(fleet: ModelFleet, ask: Ask, fault: str) -> None:
    seen = ask(fleet, stream=True, fault=fault)
    assert "ten" in seen.body
    assert not seen.is_finished


def test_every_fault_is_found_by_its_name_and_no_two_share_one() -> None:
    assert all(Fault.named(name) == fault == FAULTS[fault.name] for name, fault in FAULTS.items())
    assert Fault.named("server_error_507").status == 507
    assert Fault.named("slow_first_token_0.2").seconds == 0.2
    assert Fault.named("stall_after_7_chunks") == Fault.stall_after_chunks(7)
    assert Fault.rate_limited("12").headers == (("retry-after", "12"),)


@pytest.mark.parametrize(
    "wrong", [lambda: Fault.http_error(200), lambda: Fault.slow_first_token(-1), lambda: Fault.clean_eof(0)]
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: Callable[[], Fault]) -> None:
    with pytest.raises(ValueError, match="not"):
        wrong()
