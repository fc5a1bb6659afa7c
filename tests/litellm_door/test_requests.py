"""What a call needs, read from the body that LiteLLM was given."""

from __future__ import annotations

from typing import Any, cast

from pointsman.litellm.requests import request_for

MESSAGES = [{"role": "user", "content": "hi"}]


def test_tools_format_and_limits_are_read() -> None:
    body = {"messages": MESSAGES, "tools": [{"type": "function"}], "max_completion_tokens": 50, "stop": ["x"]}
    request = request_for({**body, "response_format": {"type": "json_object"}}, model="auto")
    assert request.tools
    assert request.response_format == {"type": "json_object"}
    assert request.max_output_tokens == 50
    assert request.parameters["stop"] == ["x"]


def test_plain_text_is_no_wish_for_a_format() -> None:
    assert request_for({"messages": MESSAGES, "response_format": {"type": "text"}}, model=None).response_format is None


def test_what_litellm_adds_for_itself_is_no_parameter() -> None:
    body = {"messages": MESSAGES, "litellm_call_id": "x", "metadata": {"a": 1}, "api_key": "secret"}
    assert request_for(body, model=None).parameters == {}


def test_the_responses_api_s_input_and_instructions_are_the_prompt() -> None:
    request = request_for(
        {"instructions": "Be brief.", "text": {"format": {"type": "json_schema"}}}, model=None, text_input="hi"
    )
    assert [message["role"] for message in cast("list[Any]", request.messages)] == ["system", "user"]
    assert request.response_format == {"type": "json_schema"}


def test_of_texts_to_be_embedded_the_longest_decides() -> None:
    request = request_for({}, model=None, text_input=["short", "much longer"], embeds=True)
    assert request.messages == [{"role": "user", "content": "much longer"}]


def test_tokens_to_be_embedded_are_survived() -> None:
    assert request_for({}, model=None, text_input=[[1, 2], [3]], embeds=True).messages is None
