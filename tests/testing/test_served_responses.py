"""What the real `openai` client gets from a healthy model server through the Responses API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.responses import FunctionToolParam, ResponseFunctionToolCall
from pydantic import BaseModel
from testing.native import RESPONSES, ask

from pointsman.testing import ModelFleet, ServedModel, gradable_prompts, serve

QUESTION = "Tell me about trains and points."
MAGIC: FunctionToolParam = {
    "type": "function",
    "name": "magic_function",
    "parameters": {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]},
    "strict": False,
}
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
CALL = {"type": "function_call", "call_id": "call_1", "name": "magic_function", "arguments": '{"input": 3}'}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "five"}


class Joke(BaseModel):
    setup: str
    funny: int


@pytest.fixture
def client(fleet: ModelFleet) -> openai.OpenAI:
    return openai.OpenAI(base_url=fleet["cheap"].url, api_key="sk-made-up", max_retries=0)


def calls_of(response: Any) -> list[tuple[str, Any]]:
    calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
    return [(call.name, json.loads(call.arguments)) for call in calls]


def test_a_response_has_text_usage_and_a_status(client: openai.OpenAI, fleet: ModelFleet) -> None:
    response = client.responses.create(model="cheap", input=QUESTION)
    assert "trains and points" in response.output_text
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    (record,) = fleet["cheap"].requests
    assert (record.path, record.model, record.stream, record.status) == ("/v1/responses", "cheap", False, 200)
    assert (record.prompt_tokens, record.prompt_bytes, record.has_key) == (response.usage.input_tokens, 32, True)
    assert fleet["cheap"].calls == 1


def test_an_answer_and_its_tokens_are_those_of_a_chat_completion(client: openai.OpenAI) -> None:
    for prompt in gradable_prompts(10, seed=3):
        response = client.responses.create(model="cheap", instructions="Be brief.", input=prompt.text)
        chat = client.chat.completions.create(
            model="cheap",
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt.text}],
        )
        assert response.output_text == chat.choices[0].message.content
        assert response.usage is not None
        assert chat.usage is not None
        assert (response.usage.input_tokens, response.usage.output_tokens) == (
            chat.usage.prompt_tokens,
            chat.usage.completion_tokens,
        )


def test_a_stream_has_the_sequence_of_events_and_adds_up_to_the_response(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="cheap", input=QUESTION, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    names = [event.type for event in events]
    deltas = names.count("response.output_text.delta")
    assert names == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    last = events[-1]
    assert last.type == "response.completed"
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    whole = client.responses.create(model="cheap", input=QUESTION)
    assert said == last.response.output_text == whole.output_text
    assert last.response.usage == whole.usage


def test_a_question_about_a_tool_is_answered_by_a_call_whole_and_streamed(client: openai.OpenAI) -> None:
    asked: Any = {"model": "cheap", "input": "magic_function(3), and the weather in Rome?", "tools": [MAGIC, WEATHER]}
    expected = [("magic_function", {"input": 3}), ("get_weather", {"city": "Rome"})]
    assert calls_of(client.responses.create(**asked)) == expected
    assert len(calls_of(client.responses.create(**asked, parallel_tool_calls=False))) == 1
    with client.responses.stream(**asked) as stream:
        names = [event.type for event in stream]
        assert calls_of(stream.get_final_response()) == expected
    assert names.count("response.function_call_arguments.done") == 2
    assert names.count("response.output_item.done") == 2
    assert names.count("response.function_call_arguments.delta") > 2


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", []),
        ("none", []),
        ("required", ["magic_function"]),
        ({"type": "function", "name": "get_weather"}, ["get_weather"]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]},
            ["get_weather"],
        ),
    ],
)
def test_tool_choice_is_obeyed(client: openai.OpenAI, choice: Any, called: list[str]) -> None:
    response = client.responses.create(model="cheap", input="Hello!", tools=[MAGIC, WEATHER], tool_choice=choice)
    assert [name for name, _ in calls_of(response)] == called


def test_the_output_of_a_function_is_in_the_answer(client: openai.OpenAI) -> None:
    items: Any = [{"role": "user", "content": "What is magic_function(3)? Use the tool."}, CALL, OUTPUT]
    response = client.responses.create(model="cheap", input=items, tools=[MAGIC])
    assert "five" in response.output_text


def test_what_was_put_out_can_be_put_in_again(client: openai.OpenAI) -> None:
    first = client.responses.create(model="cheap", input=QUESTION)
    items: Any = [{"role": "user", "content": QUESTION}, *first.output, {"role": "user", "content": "And about rails?"}]
    assert "rails" in client.responses.create(model="cheap", input=items).output_text


def test_a_schema_is_followed_and_json_object_needs_the_word(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(model="cheap", input=QUESTION, text_format=Joke).output_parsed
    assert isinstance(parsed, Joke)
    wanted: Any = {"format": {"type": "json_object"}}
    response = client.responses.create(model="cheap", input="A joke as JSON with 'setup' and 'end' keys.", text=wanted)
    assert set(json.loads(response.output_text)) == {"setup", "end"}
    with pytest.raises(openai.BadRequestError, match="the word 'json'"):
        client.responses.create(model="cheap", input=QUESTION, text=wanted)


def test_max_output_tokens_make_a_response_incomplete(client: openai.OpenAI) -> None:
    response = client.responses.create(model="cheap", input=QUESTION, max_output_tokens=2)
    assert (response.status, response.output_text) == ("incomplete", "This is ")
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    *_, last = client.responses.create(model="cheap", input=QUESTION, max_output_tokens=2, stream=True)
    assert last.type == "response.incomplete"


def test_a_prompt_beyond_the_window_is_refused_in_the_words_of_this_endpoint(fleet: ModelFleet) -> None:
    client = openai.OpenAI(base_url=fleet["good"].url, api_key="sk-made-up", max_retries=0)
    with pytest.raises(openai.BadRequestError, match="exceeds the context window") as raised:
        client.responses.create(model="good", input="abcd" * 501)
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "input")


def test_keys_and_limits_are_those_of_every_endpoint() -> None:
    model = ServedModel("cheap", requires_key="sk-right", rate_limit_rpm=2)
    with serve([model]) as own, httpx.Client(base_url=own["cheap"].url) as http:

        def post(key: str, path: str, body: dict[str, Any]) -> httpx.Response:
            return http.post(path, json=body, headers={"authorization": f"Bearer {key}"})

        assert post("sk-wrong", "/responses", RESPONSES.body("hi")).status_code == 401
        first = post("sk-right", "/responses", RESPONSES.body("hi"))
        chat = post(
            "sk-right", "/chat/completions", {"model": "cheap", "messages": [{"role": "user", "content": "hi"}]}
        )
        refused = post("sk-right", "/responses", RESPONSES.body("hi"))
    assert (first.status_code, first.headers["x-ratelimit-remaining-requests"]) == (200, "1")
    assert (chat.status_code, refused.status_code) == (200, 429)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"input": None}, "input"),
        ({"input": [{"role": "king", "content": "hi"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": "hi"}, OUTPUT]}, "input"),
        ({"input": [{"role": "user", "content": "hi"}, CALL]}, "input"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": [{"type": "function", "name": "not a name"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "function": {"name": "of_chat"}}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": {"enum": []}}]}, "tools[0].parameters"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_bad_parameter_is_named(fleet: ModelFleet, more: dict[str, Any], param: str) -> None:
    answer = httpx.post(fleet["cheap"].url + "/responses", json=RESPONSES.body("hi") | more)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "role", "content", "text", "name", "format", "call_id"]), inner)
    ),
    max_leaves=6,
)
FIELDS = ["input", "instructions", "tools", "tool_choice", "text", "max_output_tokens", "metadata", "stream_options"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(more=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_the_body_the_answer_is_http(fleet: ModelFleet, more: dict[str, Any]) -> None:
    with httpx.Client() as http:
        seen = ask(http, fleet["cheap"].url + "/responses", RESPONSES.body("use the tool") | more)
    assert seen.status in {200, 400}
