"""Checks that need no label: each finds its defect, passes what is sound, and says nothing where it cannot tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from pointsman import Request
from pointsman.failover.readings import read
from pointsman.learning.answer_text import Answer, read_answer
from pointsman.learning.checks import CheckSettings, check, has_valid_calls, is_not_empty, is_whole, parses, quality_of

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
JSON: dict[str, Any] = {"type": "json_object"}
STRICT: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "trip", "schema": SCHEMA}}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}


WORDS = st.sampled_from(["choices", "message", "content", "tool_calls", "function", "name", "arguments", "text"])


class Trip(BaseModel):
    """A response format as a class."""

    city: str


def said(text: str | None, *calls: tuple[str, Any], reason: str | None = "stop") -> Answer:
    """An answer in OpenAI's form."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [{"function": {"name": name, "arguments": given}} for name, given in calls]
    value = {"choices": [{"message": message, "finish_reason": reason}]}
    return read_answer(value, read(value))


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        (said("hi"), True),
        (said(" \n\t"), False),
        (said(None, ("weather", "{}")), True),
        (said(None), False),
        (read_answer("text", read("text")), True),
        (read_answer(None, read(None)), None),
        (read_answer(AIMessage("hi"), read("hi")), True),
    ],
)
def test_something_is_in_it(answer: Answer, passes: bool | None) -> None:
    assert is_not_empty(Request(), answer) is passes


@pytest.mark.parametrize(
    ("reason", "whole"),
    [("stop", True), ("end_turn", True), ("length", False), ("MAX_TOKENS", False), ("odd", None), (None, None)],
)
def test_cut_short_is_a_defect(reason: str | None, whole: bool | None) -> None:
    assert is_whole(Request(), said("hi", reason=reason)) is whole


@pytest.mark.parametrize(
    ("wanted", "text", "passes"),
    [
        (JSON, '{"a": 1}', True),
        (JSON, '```json\n{"a": 1}\n```', False),
        (JSON, "Sure! {", False),
        (STRICT, '{"city": "Rome", "days": 2}', True),
        (STRICT, '{"city": "Rome", "days": 0}', False),
        (STRICT, '{"days": 2}', False),
        (STRICT, '{"city": "Rome", "more": 1}', False),
        (Trip, '{"city": "Rome"}', True),
        (Trip, '{"town": "Rome"}', False),
        ({"type": "text"}, "not json", None),
        (None, "not json", None),
        (JSON, "[" * 100_000, False),
        (JSON, '"' + "a" * 1_000_001 + '"', None),
    ],
)
def test_what_was_asked_for_as_json_parses_and_is_of_its_schema(wanted: Any, text: str, passes: bool | None) -> None:
    assert parses(Request(response_format=wanted), said(text)) is passes


@pytest.mark.parametrize(
    ("name", "arguments", "passes"),
    [
        ("weather", '{"city": "Rome"}', True),
        ("weather", {"city": "Rome"}, True),
        ("weather", '{"city": 7}', False),
        ("weather", "{broken", False),
        ("weather", "", False),
        ("weather", None, False),
        ("launch", '{"city": "Rome"}', False),
    ],
)
def test_tool_calls_are_of_tools_on_offer_with_arguments_of_their_schema(
    name: str, arguments: Any, passes: bool
) -> None:
    request = Request(tools=[WEATHER])
    assert has_valid_calls(request, said(None, (name, arguments))) is passes
    assert has_valid_calls(request, said(None, ("weather", '{"city": "Rome"}'), (name, arguments))) is passes


def test_tool_calls_of_other_hosts_are_read_too() -> None:
    anthropic = Request(tools=[{"name": "weather", "input_schema": SCHEMA}])
    message = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Rome"}, "id": "1"}])
    assert has_valid_calls(anthropic, read_answer(message, read("x"))) is True
    assert has_valid_calls(Request(), said(None, ("weather", "{}"))) is None
    assert has_valid_calls(anthropic, said("no call")) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "#/$defs/nowhere"},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_cannot_be_used_says_nothing(schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
    assert parses(Request(response_format=wanted), said("{}")) is None


def test_no_pattern_of_a_schema_is_run() -> None:
    # On this text the pattern would backtrack for longer than anybody lives.
    slow = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "^(a+)+$"}}}
    wanted = {"type": "json_schema", "json_schema": {"schema": slow}}
    answer = said(json.dumps({"pattern": "a" * 60 + "!"}))
    assert parses(Request(response_format=wanted), answer) is True
    assert parses(Request(response_format=wanted), said('{"pattern": 7}')) is False
    keys = {"type": "object", "patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"schema": keys}}
    assert parses(Request(response_format=wanted), said(json.dumps({"a" * 60 + "!": 1}))) is True


def test_each_defect_takes_its_share_of_what_is_left() -> None:
    settings = CheckSettings(finish_reason=0.5, parses=0.8)
    found = check(Request(response_format=JSON), said("{", reason="length"), settings)
    assert found == {"non_empty": 1.0, "finish_reason": 0.0, "parses": 0.0}
    assert quality_of(found, settings) == pytest.approx(0.1)
    assert "parses" not in check(Request(response_format=JSON), said("{"), CheckSettings(parses=0))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_checks_are_total(value: Any) -> None:
    answer = read_answer(value, read(value))
    request = Request(response_format=JSON, tools=[WEATHER])
    assert 0.0 <= quality_of(check(request, answer, CheckSettings()), CheckSettings()) <= 1.0


def test_the_answer_is_in_no_repr() -> None:
    assert "secret" not in repr(said("secret"))
