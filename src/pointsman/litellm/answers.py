"""What is an answer: whether a success, of any of LiteLLM's kinds, has anything in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litellm.types.llms.openai import ResponsesAPIResponse
from litellm.types.utils import EmbeddingResponse, ModelResponse, TextCompletionResponse

from pointsman.failover.readings import Reading, field, read


def is_empty(answer: Any, reading: Reading | None = None) -> bool:
    """Whether this is an answer, of any of LiteLLM's kinds, and there is nothing in it; `reading` if it was read before."""
    if isinstance(answer, ModelResponse | TextCompletionResponse):
        return (read(answer) if reading is None else reading).empty
    if isinstance(answer, EmbeddingResponse):
        return not answer.data
    if isinstance(answer, ResponsesAPIResponse):
        return answer.status in (None, "completed") and not any(says_something(each) for each in answer.output)
    if isinstance(answer, Mapping) and answer.get("type") == "message":
        ended_well = answer.get("stop_reason") in (None, "end_turn")
        return ended_well and not any(says_something(each) for each in answer.get("content") or ())
    return False


def error_in(answer: Any) -> Any:
    """The error that the provider reports in place of an answer, though its status said success; None without one."""
    if isinstance(answer, ResponsesAPIResponse) and answer.status == "failed":
        return answer.error or {"type": "failed"}
    if isinstance(answer, Mapping) and answer.get("type") == "error":
        return answer.get("error") or {"type": "error"}
    return None


def says_something(block: Any) -> bool:
    """A block of the Responses or the Messages API: a message says what its parts say, and a tool call enough."""
    kind = field(block, "type")
    if kind == "message":
        return any(says_something(part) for part in field(block, "content") or ())
    if kind in ("thinking", "reasoning"):
        return bool(field(block, "thinking") or field(block, "summary") or field(block, "content"))
    return kind not in ("text", "output_text") or bool(field(block, "text"))
