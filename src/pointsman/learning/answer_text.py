"""What an answer says, whatever type it came in: its text, its tool calls, why it ended. For judges and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pointsman.failover.readings import Reading, field


class ToolCall(NamedTuple):
    """One tool call: the tool's name, its arguments as they came, as text or as an object."""

    name: str | None
    arguments: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; never kept.

    Attributes:
        value: what the call returned; None for a stream, whose chunks have gone to the caller.
        text: its text; None where there is none to be read.
        tool_calls: the tools it calls.
        finish_reason: as the provider said.
    """

    value: Any
    text: str | None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None

    def __str__(self) -> str:
        return self.text or ""

    def __repr__(self) -> str:
        length = None if self.text is None else len(self.text)
        return f"Answer(<{length} characters>, tool_calls={len(self.tool_calls)}, {self.finish_reason!r})"


def read_answer(value: Any, reading: Reading) -> Answer:
    """Read text, OpenAI's and LiteLLM's responses, and LangChain's messages; of anything else the value alone."""
    if isinstance(value, str):
        return Answer(value, value, (), reading.finish_reason)
    choices = field(value, "choices")
    message = field(choices[0], "message") if isinstance(choices, list) and choices else value
    content, calls = field(message, "content"), field(message, "tool_calls")
    return Answer(value, _text(content, message), _calls(calls), reading.finish_reason)


def _text(content: Any, message: Any) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = [each if isinstance(each, str) else field(each, "text") for each in content]
        return "".join(part for part in parts if isinstance(part, str))
    # OpenAI answers a tool call with `content: null`.
    return "" if content is None and field(message, "role") is not None else None


def _calls(calls: Any) -> tuple[ToolCall, ...]:
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        return ()
    found = []
    for call in calls:
        function = field(call, "function")
        source = call if function is None else function
        arguments = field(source, "arguments")
        name = field(source, "name")
        given = field(source, "args") if arguments is None else arguments
        found.append(ToolCall(name if isinstance(name, str) else None, _plain(given)))
    return tuple(found)


def _plain(arguments: Any) -> Any:
    return dict(arguments) if isinstance(arguments, Mapping) else arguments
