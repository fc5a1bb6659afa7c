"""What a healthy model server says through Anthropic's Messages API, over raw HTTP and to the real `anthropic` client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testing.native import MESSAGES, Seen, ask

from pointsman.testing import FakeClock, ModelFleet, ServedModel, gradable_prompts, serve

QUESTION = "Tell me about trains and points."
MAGIC = {
    "name": "magic_function",
    "input_schema": {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]},
}
WEATHER = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
USE = {"type": "tool_use", "id": "toolu_1", "name": "magic_function", "input": {"input": 3}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "five"}]}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def url(fleet: ModelFleet) -> str:
    return fleet["cheap"].url + "/messages"


def whole(http: httpx.Client, url: str, said: str = QUESTION, **more: Any) -> dict[str, Any]:
    seen = ask(http, url, MESSAGES.body(said, **more))
    assert seen.status == 200, seen.body
    message: dict[str, Any] = json.loads(seen.body)
    return message


def stream(http: httpx.Client, url: str, said: str = QUESTION, **more: Any) -> Seen:
    return ask(http, url, MESSAGES.body(said, stream=True, **more))


def used(message: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(block["name"], block["input"]) for block in message["content"] if block["type"] == "tool_use"]


def test_a_message_has_text_usage_and_a_stop_reason(http: httpx.Client, url: str, fleet: ModelFleet) -> None:
    message = whole(http, url)
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "cheap")
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert "trains and points" in message["content"][0]["text"]
    (record,) = fleet["cheap"].requests
    assert (record.path, record.model, record.stream, record.status) == ("/v1/messages", "cheap", False, 200)
    assert (record.prompt_tokens, record.prompt_bytes, record.has_key) == (message["usage"]["input_tokens"], 32, False)
    assert fleet["cheap"].calls == 1


def test_an_answer_and_its_tokens_are_those_of_a_chat_completion(http: httpx.Client, url: str) -> None:
    for prompt in gradable_prompts(10, seed=3):
        message = whole(http, url, prompt.text, system="Be brief.")
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt.text}]
        body = {"model": "cheap", "messages": messages}
        chat = http.post(url.replace("/messages", "/chat/completions"), json=body).json()
        assert message["content"][0]["text"] == chat["choices"][0]["message"]["content"]
        assert message["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]
        assert message["usage"]["output_tokens"] == chat["usage"]["completion_tokens"]


def test_a_stream_has_the_sequence_of_events_and_adds_up_to_the_message(http: httpx.Client, url: str) -> None:
    seen = stream(http, url)
    assert [event["type"] for event in seen.events] == seen.names
    assert seen.names == [
        "message_start",
        "content_block_start",
        "ping",
        *["content_block_delta"] * seen.names.count("content_block_delta"),
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = whole(http, url)
    said = "".join(event["delta"]["text"] for event in seen.events if event["type"] == "content_block_delta")
    assert said == message["content"][0]["text"]
    start, delta = seen.events[0]["message"], seen.events[-2]
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert start["usage"]["input_tokens"] == message["usage"]["input_tokens"]
    assert delta["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert delta["usage"]["output_tokens"] == message["usage"]["output_tokens"]


def test_tools_that_are_asked_for_are_used_whole_and_streamed(http: httpx.Client, url: str) -> None:
    said, tools = "magic_function(3), and the weather in Rome?", [MAGIC, WEATHER]
    message = whole(http, url, said, tools=tools)
    expected = [("magic_function", {"input": 3}), ("get_weather", {"city": "Rome"})]
    assert (message["stop_reason"], used(message)) == ("tool_use", expected)
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(used(whole(http, url, said, tools=tools, tool_choice=one))) == 1
    events = stream(http, url, said, tools=tools).events
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    parts = [
        "".join(event["delta"]["partial_json"] for event in events if "delta" in event and event.get("index") == index)
        for index in range(len(starts))
    ]
    assert [(start["name"], json.loads(part)) for start, part in zip(starts, parts, strict=True)] == expected
    assert [event["index"] for event in events if event["type"] == "content_block_stop"] == [0, 1]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "auto"}, []),
        ({"type": "none"}, []),
        ({"type": "any"}, ["magic_function"]),
        ({"type": "tool", "name": "get_weather"}, ["get_weather"]),
    ],
)
def test_tool_choice_is_obeyed(http: httpx.Client, url: str, choice: Any, called: list[str]) -> None:
    message = whole(http, url, "Hello!", tools=[MAGIC, WEATHER], tool_choice=choice)
    assert [name for name, _ in used(message)] == called


def test_the_result_of_a_tool_is_in_the_answer(http: httpx.Client, url: str) -> None:
    messages = [
        {"role": "user", "content": "What is magic_function(3)? Use the tool."},
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, USE]},
        {"role": "user", "content": [RESULT]},
    ]
    message = whole(http, url, tools=[MAGIC], messages=messages)
    assert "five" in message["content"][0]["text"]
    assert message["stop_reason"] == "end_turn"


def test_a_schema_is_followed(http: httpx.Client, url: str) -> None:
    schema = {"type": "object", "properties": {"setup": {"type": "string"}}, "required": ["setup"]}
    message = whole(http, url, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert set(json.loads(message["content"][0]["text"])) == {"setup"}


def test_max_tokens_and_stop_sequences_end_the_answer_and_say_so(http: httpx.Client, url: str) -> None:
    short = whole(http, url, max_tokens=2)
    assert (short["stop_reason"], short["content"][0]["text"]) == ("max_tokens", "This is ")
    stopped = whole(http, url, stop_sequences=["nowhere", "cheap"])
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "cheap")
    assert stopped["content"][0]["text"] == "This is "


def test_either_key_is_accepted_and_errors_have_anthropics_shape() -> None:
    with serve([ServedModel("cheap", requires_key="sk-right")]) as own:
        url = own["cheap"].url + "/messages"
        keys = [{}, {"x-api-key": "sk-wrong"}, {"x-api-key": "sk-right"}, {"authorization": "Bearer sk-right"}]
        answers = [httpx.post(url, json=MESSAGES.body("hi"), headers=key) for key in keys]
        elsewhere = httpx.post(own["cheap"].url + "/responses", json={}, headers={"x-api-key": "sk-right"})
        records = own["cheap"].requests
    assert [answer.status_code for answer in answers] == [401, 401, 200, 200]
    assert answers[0].json()["error"] == {"type": "authentication_error", "message": "invalid x-api-key"}
    assert answers[0].json()["type"] == "error"
    assert elsewhere.status_code == 401
    assert [record.has_key for record in records] == [False, True, True, True, False]
    assert "sk-" not in repr(records)


def test_limits_are_told_in_anthropics_headers() -> None:
    clock = FakeClock()
    with serve([ServedModel("cheap", rate_limit_rpm=2, rate_limit_tpm=1000)], clock=clock) as own:
        url = own["cheap"].url + "/messages"
        first, _, refused = (httpx.post(url, json=MESSAGES.body("hi")) for _ in range(3))
    assert first.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert first.headers["anthropic-ratelimit-requests-remaining"] == "1"
    assert first.headers["anthropic-ratelimit-tokens-remaining"] == "999"
    assert first.headers["anthropic-ratelimit-requests-reset"] == "2023-11-14T22:14:20Z"
    assert "x-ratelimit-limit-requests" not in first.headers
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.json()["error"]["type"] == "rate_limit_error"


def test_a_prompt_beyond_the_window_another_model_and_another_method_are_refused(fleet: ModelFleet) -> None:
    url = fleet["good"].url + "/messages"
    over = httpx.post(url, json=MESSAGES.body("abcd" * 501) | {"model": "good"})
    assert over.json()["error"]["message"] == "prompt is too long: 501 tokens > 500 maximum"
    missing = httpx.post(url, json=MESSAGES.body("hi") | {"model": "claude-9"})
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "model: claude-9")
    assert httpx.post(url, content=b"{oops").json()["error"]["type"] == "invalid_request_error"
    assert (httpx.get(url).status_code, httpx.get(url).json()["type"]) == (405, "error")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: "),
        ({"messages": []}, "messages: at least one message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0: all messages must have non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text.text"),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
        ({"messages": [{"role": "assistant", "content": [USE]}]}, "`tool_use` ids were found without"),
        ({"temperature": 1.5}, "temperature: "),
        ({"stop_sequences": "x"}, "stop_sequences: "),
        ({"tools": [{"type": "function", "function": {"name": "of_chat"}}]}, "tools.0.custom.name"),
        ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
        (
            {"tools": [{"name": "f", "input_schema": {"type": "object", "required": 7}}]},
            "input_schema: JSON schema is invalid",
        ),
        ({"tool_choice": "auto"}, "tool_choice: "),
        ({"tool_choice": {"type": "any"}}, "tool_choice: may only be specified while providing tools"),
        ({"tool_choice": {"type": "tool", "name": "g"}, "tools": [MAGIC]}, "Tool choice 'g' not found"),
        ({"stream": "yes"}, "stream: "),
    ],
)
def test_a_bad_parameter_is_named(http: httpx.Client, url: str, more: dict[str, Any], said: str) -> None:
    answer = http.post(url, json=MESSAGES.body("hi") | more)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert said in answer.json()["error"]["message"]


def test_anthropics_client_is_content(fleet: ModelFleet) -> None:
    anthropic = pytest.importorskip("anthropic")
    asked: Any = {"model": "cheap", "max_tokens": 200, "messages": [{"role": "user", "content": "Weather in Rome?"}]}
    with anthropic.Anthropic(base_url=fleet["cheap"].url.removesuffix("/v1"), api_key="sk-made-up") as client:
        message = client.messages.create(**asked)
        with client.messages.stream(**asked) as said:
            assert "".join(said.text_stream) == message.content[0].text
            assert said.get_final_message().usage.output_tokens == message.usage.output_tokens
        with client.messages.stream(**asked, tools=[WEATHER]) as called:
            block = called.get_final_message().content[0]
    assert (block.name, block.input) == ("get_weather", {"city": "Rome"})
    record = fleet["cheap"].requests[0]
    assert record.has_key
    assert "anthropic-version" in record.headers


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "role", "content", "text", "name", "id", "input_schema"]), inner)
    ),
    max_leaves=6,
)
FIELDS = [
    "messages",
    "system",
    "tools",
    "tool_choice",
    "max_tokens",
    "stop_sequences",
    "output_config",
    "output_format",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(more=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_the_body_the_answer_is_http(http: httpx.Client, url: str, more: dict[str, Any]) -> None:
    assert ask(http, url, MESSAGES.body("use the tool") | more).status in {200, 400}
