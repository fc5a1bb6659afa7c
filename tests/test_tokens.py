"""Bytes bound the count from above; the count is only made when the bound does not decide."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import make_spec

from pointsman import ModelRegistry, Request, Router
from pointsman.eligibility.tokens import PromptSize


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    size = PromptSize(Request(messages=text))
    assert size.count() <= size.upper


def test_tools_schemas_and_tool_calls_count() -> None:
    bare = PromptSize(Request(messages="hi")).upper
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert PromptSize(Request(messages="hi", tools=[tool])).upper > bare + 40
    assert PromptSize(Request(messages="hi", response_format={"type": "json_object"})).upper > bare
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "x" * 100}}]}
    assert PromptSize(Request(messages=[call])).upper > 100


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"content": None},
        {"content": 5},
        {"content": [None, 5, {"type": 3}, {"type": "text", "text": 7}]},
        {"content": [{}]},
    ],
)
def test_odd_messages_are_measured_too(message: dict[str, object]) -> None:
    assert PromptSize(Request(messages=[message])).upper >= 0


def test_a_prompt_whose_bytes_fit_is_never_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: PromptSize) -> int:
        raise AssertionError("counted although the bytes decide")

    monkeypatch.setattr(PromptSize, "count", forbidden)
    registry = ModelRegistry([make_spec("m", context_window=128_000)])
    assert Router(registry, "weighted").decide(Request(messages="word " * 20_000)).model == "openai:m"


def test_only_a_count_excludes() -> None:
    # 16,000 bytes of ordinary text are more than the window of 8,000, their 4,000 tokens are not.
    registry = ModelRegistry([make_spec("m", context_window=8_000)])
    decision = Router(registry, "weighted").decide(Request(messages="hello " * 2_700))
    assert decision.model == "openai:m"


def test_foreign_tokenizers_get_a_margin() -> None:
    text = "hello " * 7_000
    tokens = PromptSize(Request(messages=text)).count()
    window = tokens + 1_024 + 100
    registry = ModelRegistry(
        [make_spec("own", context_window=window), make_spec("foreign", provider="anthropic", context_window=window)]
    )
    decision = Router(registry, "weighted").decide(Request(messages=text))
    assert decision.eligible == ("openai:own",)
    assert decision.excluded["anthropic:foreign"].check == "context window"
