"""What an answer, or a chunk of one, says of itself: content, tool calls, why it ended, tokens spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pointsman.errors import ReportedError

# No answer is longer; a count beyond this is a server's mistake, and some are no numbers a float can hold.
_MOST_TOKENS = 10**9


class Reading(NamedTuple):
    """The facts that failover needs of a response or a chunk, whatever its type.

    Attributes:
        content: whether there is text or other output.
        tool_call: whether a tool call is in it.
        finish_reason: why it ended, where it says so.
        says_why_it_ends: whether this kind of answer names a finish reason when it is complete.
        input_tokens: as the provider counted, likewise `output_tokens`.
        cost: USD, where the host worked it out.
        cached: whether it came from a cache.
        judged: whether emptiness means anything; False for values of an unknown type.
        error: what the provider reports in place of an answer, under a status that said success.
        headers: what the provider's headers are in, where that is not the answer itself; False if they are nowhere.
    """

    content: bool = False
    tool_call: bool = False
    finish_reason: str | None = None
    says_why_it_ends: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    cached: bool = False
    judged: bool = True
    error: Any = None
    headers: Any = None

    @property
    def meaningful(self) -> bool:
        """Whether a caller could use it: OpenAI's first chunk is an empty role chunk, which nobody can."""
        return self.content or self.tool_call or self.finish_reason is not None or not self.judged

    @property
    def empty(self) -> bool:
        """Whether a whole answer is of no use though it claims success."""
        usable = self.content or self.tool_call or not self.judged
        return not usable and self.finish_reason in (None, "stop", "end_turn", "tool_calls")


Reader = Callable[[Any], Reading]


def read(value: Any) -> Reading:
    """Read OpenAI's and LiteLLM's responses and chunks (objects or dictionaries) and plain text; total."""
    if isinstance(value, str):
        return Reading(content=bool(value))
    choices = field(value, "choices")
    if not isinstance(choices, list):
        error = value.get("error") if isinstance(value, Mapping) else None
        return Reading(error=error) if error else Reading(judged=False)
    usage = field(value, "usage")
    tokens_in, tokens_out = (
        _tokens(usage, "prompt_tokens", "input_tokens"),
        _tokens(usage, "completion_tokens", "output_tokens"),
    )
    first = choices[0] if choices else None
    part = field(first, "message")
    is_chunk = part is None
    if part is None:
        part = field(first, "delta")
    reason = field(first, "finish_reason")
    error = _error(value, first, reason)
    if error is not None:
        return Reading(says_why_it_ends=is_chunk, error=error)
    hidden = _hidden(value)
    return Reading(
        content=_has_content(part) or bool(field(first, "text")),  # its place in legacy completions
        tool_call=bool(field(part, "tool_calls") or field(part, "function_call")),
        finish_reason=reason if isinstance(reason, str) else None,
        says_why_it_ends=is_chunk,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost=_cost(hidden),
        cached=hidden.get("cache_hit") is True,
    )


def _error(value: Any, choice: Any, reason: Any) -> Any:
    """What is reported beside or inside of the choices; objects are asked only where something looks wrong."""
    if reason == "error":  # OpenRouter's way to end a stream that broke
        return field(choice, "error") or field(value, "error") or {"type": "server_error"}
    if type(value) is dict or choice is None:
        return field(value, "error") or field(choice, "error") or None
    return None


def _has_content(part: Any) -> bool:
    return bool(
        field(part, "content")  # the usual one; a generator over the names would take longer than all of them
        or field(part, "reasoning_content")
        or field(part, "reasoning")  # its name at vLLM, Ollama and OpenRouter
        or field(part, "refusal")
        or field(part, "audio")
        or field(part, "images")
    )


def reported(body: Any, model: str = "the provider") -> ReportedError:
    """The error to raise for one that arrived under a status of success; of its words only the code is repeated."""
    code = field(body, "code") or field(body, "type")
    named = f" ({str(code)[:64]})" if isinstance(code, str | int) else ""
    error = ReportedError(f"{model} said success and then reported an error{named}")
    error.body = body
    return error


def field(value: Any, name: str) -> Any:
    """A field of a mapping or an object, None if there is none."""
    if type(value) is dict:  # by far the most common, and much cheaper to tell than any mapping
        return value.get(name)
    found = getattr(value, name, None)
    return value.get(name) if found is None and isinstance(value, Mapping) else found


def _tokens(usage: Any, *names: str) -> int | None:
    for name in names:
        count = field(usage, name)
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MOST_TOKENS:
            return count
    return None


def _hidden(value: Any) -> Mapping[str, Any]:
    hidden = getattr(value, "_hidden_params", None)
    return hidden if isinstance(hidden, Mapping) else {}


def _cost(hidden: Mapping[str, Any]) -> float | None:
    cost = hidden.get("response_cost")
    return float(cost) if isinstance(cost, int | float) and cost > 0 else None
