"""LangChain and LiteLLM on the native endpoints of a model server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import litellm
import openai
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from pointsman.testing import ModelFleet, ServedModel, serve

QUESTION = "Tell me about trains and points."


class Joke(BaseModel):
    """A joke."""

    setup: str
    funny: int


@tool
def get_weather(city: str) -> str:
    """Say how the weather is."""
    return f"sunny in {city}"


@pytest.fixture
def chat(fleet: ModelFleet) -> ChatOpenAI:
    key = SecretStr("made-up")
    return ChatOpenAI(model="cheap", base_url=fleet["cheap"].url, api_key=key, use_responses_api=True, max_retries=0)


def test_langchain_speaks_the_responses_api(chat: ChatOpenAI, fleet: ModelFleet) -> None:
    said = chat.invoke(QUESTION)
    assert "trains and points" in said.text
    assert said.response_metadata["status"] == "completed"
    assert "".join(chunk.text for chunk in chat.stream(QUESTION)) == said.text
    assert isinstance(chat.with_structured_output(Joke).invoke("A joke."), Joke)
    assert {record.path for record in fleet["cheap"].requests} == {"/v1/responses"}


def test_langchain_s_tools_come_and_go_through_the_responses_api(chat: ChatOpenAI) -> None:
    question = HumanMessage("How is the weather in Rome?")
    called = chat.bind_tools([get_weather]).invoke([question])
    (call,) = called.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Rome"})
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    assert "sunny in Rome" in chat.bind_tools([get_weather]).invoke([question, called, result]).text


@pytest.fixture
def known() -> Iterator[ModelFleet]:
    """Models that LiteLLM knows: of a strange one it makes up the stream of a response from a whole one."""
    with serve([ServedModel("gpt-4o-mini"), ServedModel("claude-sonnet-4-5")], seed=7, life_limit=300) as own:
        yield own


async def test_litellm_passes_responses_on_to_an_openai_deployment(known: ModelFleet) -> None:
    server = known["gpt-4o-mini"]
    asked: Any = {"model": "openai/gpt-4o-mini", "api_base": server.url, "api_key": "x", "input": QUESTION}
    whole: Any = await litellm.aresponses(**asked)
    events = [event async for event in await litellm.aresponses(**asked, stream=True)]
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert said == whole.output[0].content[0].text
    assert events[-1].type == "response.completed"
    assert [(each.path, each.stream) for each in server.requests] == [("/v1/responses", False), ("/v1/responses", True)]


@pytest.mark.parametrize("fault", ["stream_error_after_3_chunks", "clean_eof_after_3_chunks"])
async def test_litellm_raises_where_a_stream_of_responses_breaks_off(known: ModelFleet, fault: str) -> None:
    server = known["gpt-4o-mini"]
    server.fail(fault)
    asked: Any = {"model": "openai/gpt-4o-mini", "api_base": server.url, "api_key": "x", "input": QUESTION}
    said: list[str] = []

    async def listen() -> None:
        async for event in await litellm.aresponses(**asked, stream=True):
            said.extend([event.delta] if event.type == "response.output_text.delta" else [])

    with pytest.raises(openai.APIError):
        await listen()
    assert said == ["This", " is"]


async def test_litellm_passes_messages_on_to_an_anthropic_deployment(known: ModelFleet) -> None:
    server = known["claude-sonnet-4-5"]
    messages = [{"role": "user", "content": QUESTION}]
    asked: Any = {"model": "anthropic/claude-sonnet-4-5", "api_base": server.url.removesuffix("/v1"), "api_key": "x"}
    asked |= {"max_tokens": 100, "messages": messages}
    whole: Any = await litellm.anthropic_messages(**asked)
    stream: Any = await litellm.anthropic_messages(**asked, stream=True)
    raw = b"".join([chunk async for chunk in stream]).decode()
    chat: Any = await litellm.acompletion(**asked)
    assert whole["content"][0]["text"] == chat.choices[0].message.content
    assert raw.count("event: message_stop") == 1
    assert [(each.path, each.stream) for each in server.requests] == [
        ("/v1/messages", False),
        ("/v1/messages", True),
        ("/v1/messages", False),
    ]


async def test_litellm_translates_messages_for_an_openai_deployment_into_responses(fleet: ModelFleet) -> None:
    server = fleet["cheap"]
    messages = [{"role": "user", "content": QUESTION}]
    asked: Any = {"api_base": server.url, "api_key": "x", "max_tokens": 100, "messages": messages}
    whole: Any = await litellm.anthropic_messages(model="openai/cheap", **asked)
    assert (whole["stop_reason"], "trains" in whole["content"][0]["text"]) == ("end_turn", True)
    assert [record.path for record in server.requests] == ["/v1/responses"]


async def test_litellm_raises_what_the_native_endpoints_refuse(fleet: ModelFleet) -> None:
    server = fleet["cheap"]
    server.fail("rate_limited")
    with pytest.raises(litellm.exceptions.RateLimitError):
        await litellm.aresponses(model="openai/cheap", api_base=server.url, api_key="x", input="hi", num_retries=0)
    server.fail("server_error_529")
    messages: Any = [{"role": "user", "content": "hi"}]
    base = server.url.removesuffix("/v1")
    with pytest.raises(litellm.exceptions.InternalServerError):
        await litellm.acompletion(model="anthropic/cheap", api_base=base, api_key="x", messages=messages, num_retries=0)
