"""What the real `openai` client gets from a healthy model server."""

from __future__ import annotations

import json
import math
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from pointsman.testing import ModelFleet, ServedModel, gradable_prompts, grade, serve

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me about trains and points."}]
MAGIC: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "magic_function",
        "parameters": {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]},
    },
}
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(fleet: ModelFleet) -> openai.OpenAI:
    return openai.OpenAI(base_url=fleet["cheap"].url, api_key="sk-made-up", max_retries=0)


def test_a_completion_has_text_usage_and_a_finish_reason(client: openai.OpenAI, fleet: ModelFleet) -> None:
    answer = client.chat.completions.create(model="cheap", messages=QUESTION)
    assert "trains and points" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == math.ceil(len("Tell me about trains and points.") / 4)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    (record,) = fleet["cheap"].requests
    assert (record.path, record.model, record.stream, record.status) == ("/v1/chat/completions", "cheap", False, 200)
    assert (record.prompt_tokens, record.prompt_bytes) == (answer.usage.prompt_tokens, 32)
    assert record.has_key
    assert "sk-made-up" not in repr(record)
    assert record.seconds is not None


async def test_the_async_client_gets_the_same_answer(client: openai.OpenAI, fleet: ModelFleet) -> None:
    async with openai.AsyncOpenAI(base_url=fleet["cheap"].url, api_key="sk-made-up", max_retries=0) as async_client:
        later = await async_client.chat.completions.create(model="cheap", messages=QUESTION)
    now = client.chat.completions.create(model="cheap", messages=QUESTION)
    assert later.choices[0].message.content == now.choices[0].message.content
    assert later.id != now.id


def test_a_stream_opens_with_the_role_ends_with_usage_and_adds_up_to_the_completion(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="cheap", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].choices[0].delta.content == ""
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    whole = client.chat.completions.create(model="cheap", messages=QUESTION)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_stream_options_has_no_usage_chunk(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="cheap", messages=QUESTION, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_a_question_about_a_tool_is_answered_by_a_call_with_arguments_from_the_text(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="cheap",
        messages=[{"role": "user", "content": "What is the value of magic_function(3)? Use the tool."}],
        tools=[MAGIC],
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    calls = [call for call in answer.choices[0].message.tool_calls or () if call.type == "function"]
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("magic_function", {"input": 3})
    ]


def test_a_streamed_tool_call_adds_up_to_the_whole_one(client: openai.OpenAI) -> None:
    name, arguments = "", ""
    for chunk in client.chat.completions.create(
        model="cheap",
        messages=[{"role": "user", "content": "How is the weather in San Francisco, today?"}],
        tools=[MAGIC, WEATHER],
        stream=True,
    ):
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.index == 0
            assert call.function is not None
            name += call.function.name or ""
            arguments += call.function.arguments or ""
    assert (name, json.loads(arguments)) == ("get_weather", {"city": "San Francisco"})


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", []),
        ("none", []),
        ("required", ["magic_function"]),
        ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
    ],
)
def test_tool_choice_is_obeyed(client: openai.OpenAI, choice: Any, called: list[str]) -> None:
    answer = client.chat.completions.create(
        model="cheap", messages=[{"role": "user", "content": "Hello!"}], tools=[MAGIC, WEATHER], tool_choice=choice
    )
    calls = answer.choices[0].message.tool_calls or ()
    assert [call.function.name for call in calls if call.type == "function"] == called


def test_the_result_of_a_tool_is_in_the_answer(client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "magic_function", "arguments": '{"input": 3}'}}
    answer = client.chat.completions.create(
        model="cheap",
        messages=[
            {"role": "user", "content": "What is the value of magic_function(3)? Use the tool."},
            {"role": "assistant", "content": None, "tool_calls": [call]},  # type: ignore[list-item]
            {"role": "tool", "tool_call_id": "call_1", "content": "five"},
        ],
        tools=[MAGIC],
    )
    assert "five" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"


def test_two_tools_that_are_asked_for_are_called_at_once_unless_forbidden(client: openai.OpenAI) -> None:
    def called(**options: Any) -> int:
        answer = client.chat.completions.create(
            model="cheap",
            messages=[{"role": "user", "content": "magic_function(3), and the weather in Rome?"}],
            tools=[MAGIC, WEATHER],
            **options,
        )
        return len(answer.choices[0].message.tool_calls or ())

    assert (called(), called(parallel_tool_calls=False)) == (2, 1)


def test_a_json_schema_is_followed_and_json_object_needs_the_word(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"setup": {"type": "string"}, "funny": {"type": "integer", "minimum": 4}},
        "required": ["setup", "funny"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="cheap",
        messages=QUESTION,
        response_format={"type": "json_schema", "json_schema": {"name": "joke", "schema": schema, "strict": True}},
    )
    instance = json.loads(answer.choices[0].message.content or "")
    assert set(instance) == {"setup", "funny"}
    assert instance["funny"] >= 4
    answer = client.chat.completions.create(
        model="cheap",
        messages=[{"role": "user", "content": "A joke as JSON with 'setup' and 'punchline' keys."}],
        response_format={"type": "json_object"},
    )
    assert set(json.loads(answer.choices[0].message.content or "")) == {"setup", "punchline"}
    with pytest.raises(openai.BadRequestError, match="the word 'json'"):
        client.chat.completions.create(model="cheap", messages=QUESTION, response_format={"type": "json_object"})


def test_embeddings_have_unit_length_in_both_encodings_and_near_texts_are_near(client: openai.OpenAI) -> None:
    texts = ["a red train", "a red tram", "quantum chromodynamics lecture"]
    packed = client.embeddings.create(model="cheap", input=texts)  # the client asks for base64 by itself
    plain = client.embeddings.create(model="cheap", input=texts, encoding_format="float")
    vectors = [item.embedding for item in plain.data]
    for vector, other in zip(vectors, (item.embedding for item in packed.data), strict=True):
        assert vector == pytest.approx(other, abs=1e-6)
        assert math.hypot(*vector) == pytest.approx(1.0)
    assert [len(vector) for vector in vectors] == [8, 8, 8]
    assert _dot(vectors[0], vectors[1]) > _dot(vectors[0], vectors[2])
    assert len(client.embeddings.create(model="cheap", input="x", dimensions=3).data[0].embedding) == 3


def test_legacy_completions_and_models_are_served(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="cheap", prompt="What is the capital of Greece?")
    assert answer.choices[0].text
    pieces = client.completions.create(model="cheap", prompt="What is the capital of Greece?", stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == answer.choices[0].text
    assert [model.id for model in client.models.list()] == ["cheap"]
    assert client.models.retrieve("cheap").owned_by == "pointsman-testing"


def test_max_tokens_and_stop_end_the_answer(client: openai.OpenAI) -> None:
    short = client.chat.completions.create(model="cheap", messages=QUESTION, max_completion_tokens=2).choices[0]
    assert (short.finish_reason, short.message.content) == ("length", "This is ")
    stopped = client.chat.completions.create(model="cheap", messages=QUESTION, stop=["cheap"]).choices[0]
    assert (stopped.finish_reason, stopped.message.content) == ("stop", "This is ")


def test_the_same_seed_gives_the_same_answers_over_http_and_another_seed_others() -> None:
    prompts = gradable_prompts(40, seed=3)

    def answers(seed: int) -> list[str | None]:
        with (
            serve([ServedModel("m", quality=0.5)], seed=seed) as own,
            openai.OpenAI(base_url=own["m"].url, api_key="made-up", max_retries=0) as client,
        ):
            return [
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt.text}])
                .choices[0]
                .message.content
                for prompt in prompts
            ]

    first = answers(7)
    assert answers(7) == first
    assert answers(8) != first
    right = sum(grade(prompt, answer or "") for prompt, answer in zip(prompts, first, strict=True))
    assert 10 <= right <= 30


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
