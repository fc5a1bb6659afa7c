"""Every fault on every endpoint of a real proxy: as long as one model can serve, nothing is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import pytest
from litellm_door.proxies import Proxy

from pointsman.testing import ModelFleet

MESSAGES: list[Any] = [{"role": "user", "content": "Say something."}]

# What comes back before any content, so that another model can take over unseen.
FAULTS = [
    *("server_error_500", "server_error_502", "server_error_503", "server_error_529"),
    *("rate_limited", "rate_limited_retry_after_day", "rate_limited_retry_after_garbage", "insufficient_quota"),
    *("bad_request", "unauthorized", "payment_required", "forbidden", "model_not_found", "too_large", "unprocessable"),
    *("context_overflow", "content_filter", "hang", "reset_before_first_byte"),
]
WHOLE_FAULTS = [*FAULTS, "truncated_body", "invalid_json", "empty_answer"]
STREAM_FAULTS = [*FAULTS, "empty_answer", "clean_eof_after_first_chunk", "reset_after_first_chunk", "stream_error"]


def chat(proxy: Proxy) -> tuple[str, Any]:
    raw = proxy.client().chat.completions.with_raw_response.create(model="auto", messages=MESSAGES)
    return raw.headers["x-pointsman-model"], raw.parse().choices[0].message.content


def chat_stream(proxy: Proxy) -> tuple[str, Any]:
    raw = proxy.client().chat.completions.with_raw_response.create(model="auto", messages=MESSAGES, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in raw.parse() if chunk.choices)
    return raw.headers["x-pointsman-model"], text


def completion(proxy: Proxy) -> tuple[str, Any]:
    raw = proxy.client().completions.with_raw_response.create(model="auto", prompt="Say something.")
    return raw.headers["x-pointsman-model"], raw.parse().choices[0].text


def completion_stream(proxy: Proxy) -> tuple[str, Any]:
    raw = proxy.client().completions.with_raw_response.create(model="auto", prompt="Say something.", stream=True)
    text = "".join(chunk.choices[0].text or "" for chunk in raw.parse() if chunk.choices)
    return raw.headers["x-pointsman-model"], text


def embedding(proxy: Proxy) -> tuple[str, Any]:
    raw = proxy.client().embeddings.with_raw_response.create(model="auto", input=["one", "two"])
    return raw.headers["x-pointsman-model"].removeprefix("embed-"), raw.parse().data[1].embedding


def responses(proxy: Proxy) -> tuple[str, Any]:
    raw = proxy.client().responses.with_raw_response.create(model="auto", input="Say something.")
    return raw.headers["x-pointsman-model"], raw.parse().output_text


def responses_stream(proxy: Proxy) -> tuple[str, Any]:
    raw = proxy.client().responses.with_raw_response.create(model="auto", input="Say something.", stream=True)
    text = "".join(event.delta for event in raw.parse() if event.type == "response.output_text.delta")
    return raw.headers["x-pointsman-model"], text


def messages(proxy: Proxy) -> tuple[str, Any]:
    """As Anthropic's clients ask."""
    status, headers, body = proxy.post("/v1/messages", {"model": "auto", "messages": MESSAGES, "max_tokens": 50})
    assert status == 200, body
    return headers["x-pointsman-model"], body["content"][0]["text"]


def messages_stream(proxy: Proxy) -> tuple[str, Any]:
    """As Anthropic's clients ask."""
    asked = {"model": "auto", "messages": MESSAGES, "max_tokens": 50, "stream": True}
    headers, events = proxy.events("/v1/messages", asked)
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return headers["x-pointsman-model"], "".join(delta["text"] for delta in deltas)


ENDPOINTS: list[tuple[Callable[[Proxy], tuple[str, Any]], list[str]]] = [
    (chat, WHOLE_FAULTS),
    (chat_stream, STREAM_FAULTS),
    (completion, WHOLE_FAULTS),
    (completion_stream, STREAM_FAULTS),
    (embedding, WHOLE_FAULTS),
    (responses, WHOLE_FAULTS),
    (responses_stream, STREAM_FAULTS),
    (messages, WHOLE_FAULTS),
    (messages_stream, STREAM_FAULTS),
]


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[dict[str, dict[str, str]]]:
    """Results by endpoint and fault, printed when all are there (`pytest -s`)."""
    results: dict[str, dict[str, str]] = {}
    yield results
    sys.stdout.write("\n\n" + "\n".join(_lines(results)) + "\n")


@pytest.mark.parametrize(("ask", "faults"), ENDPOINTS, ids=lambda each: getattr(each, "__name__", ""))
def test_nothing_is_lost_while_one_model_can_serve(
    proxy: Proxy,
    fleet: ModelFleet,
    table: dict[str, dict[str, str]],
    ask: Callable[[Proxy], tuple[str, Any]],
    faults: list[str],
) -> None:
    results = table[ask.__name__] = dict(_results(proxy, fleet, ask, faults))
    lost = {fault: result for fault, result in results.items() if result != "served"}
    assert not lost


def _lines(results: dict[str, dict[str, str]]) -> Iterator[str]:
    yield (
        f"| LiteLLM {metadata.version('litellm')}: fault | "
        + " | ".join(name.replace("_", ", ") for name in results)
        + " |"
    )
    yield "|---" * (1 + len(results)) + "|"
    for fault in dict.fromkeys(fault for faults in results.values() for fault in faults):
        yield f"| `{fault}` | " + " | ".join(faults.get(fault, "-") for faults in results.values()) + " |"


def _results(
    proxy: Proxy, fleet: ModelFleet, ask: Callable[[Proxy], tuple[str, Any]], faults: list[str]
) -> Iterator[tuple[str, str]]:
    served, _ = ask(proxy)
    for fault in faults:
        result = "not met"
        for _ in range(60):  # which model comes first changes as some fall ill and others recover
            first = served
            fleet.heal()
            fleet[first].clear()
            fleet[first].fail(fault)
            try:
                served, content = ask(proxy)
            except Exception as error:  # noqa: BLE001  every loss is a row of the table
                result = f"lost: {type(error).__name__}"
                break
            if not content or any(record.fault for record in fleet[first].requests):
                result = "served" if content else "lost: empty"
                break
        yield fault, result
