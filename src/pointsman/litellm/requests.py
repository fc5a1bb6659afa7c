"""From the arguments of a LiteLLM call, or the body of a request to the proxy, to a pointsman `Request`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.types import Request

# OpenAI's parameters, which models may or may not take. What LiteLLM adds for itself is none of a model's business.
_PARAMETERS = frozenset(
    (
        *("temperature", "top_p", "n", "stop", "seed", "max_tokens", "max_completion_tokens", "max_output_tokens"),
        *("presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "reasoning_effort"),
        *("parallel_tool_calls", "tool_choice"),
    )
)
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
EMBEDDING = frozenset({"embedding.text"})


def request_for(
    body: Mapping[str, Any],
    *,
    model: str | None,
    messages: Any = None,
    text_input: Any = None,
    embeds: bool = False,
    needs: frozenset[str] = frozenset(),
    **more: Any,
) -> Request:
    """Read what a call needs.

    Args:
        body: the call's keyword arguments, or the request's JSON.
        model: the pool or model that is asked for.
        messages: the prompt, where it is not `body["messages"]`.
        text_input: `input` of an embedding or of the Responses API, or the prompt of a text completion.
        embeds: whether it is to be embedded: then each part of it has the whole window to itself.
        needs: capabilities on top of those that the body implies.
        **more: further fields of the request.
    """
    parameters = {name: value for name, value in body.items() if value is not None and name in _PARAMETERS}
    limit: int | None = None
    if parameters:
        limit = next((value for name in _LIMITS if isinstance(value := parameters.get(name), int)), None)
    if embeds:
        return Request(model=model, needs=needs, messages=_longest(text_input), **more)
    prompt = messages if messages is not None else body.get("messages")
    if not prompt and text_input is not None:
        prompt = _as_messages(text_input)
    system = body.get("system") or body.get("instructions")
    if system and isinstance(prompt, list):  # Anthropic's and the Responses API's place for it
        prompt = [{"role": "system", "content": system}, *prompt]
    tools = body.get("tools") or body.get("functions") or ()
    return Request(
        model=model,
        messages=prompt or None,
        needs=needs,
        tools=tools if isinstance(tools, Sequence) and not isinstance(tools, str) else (),
        response_format=_wanted_format(body),
        parameters=parameters,
        max_output_tokens=limit if limit is not None and limit >= 0 else None,
        **more,
    )


def _wanted_format(body: Mapping[str, Any]) -> Any:
    wanted = body.get("response_format")
    if wanted is None:
        text = body.get("text")  # the Responses API
        wanted = text.get("format") if isinstance(text, Mapping) else None
    if isinstance(wanted, Mapping) and wanted.get("type") == "text":
        return None
    return wanted


def _as_messages(value: Any) -> list[dict[str, Any]]:
    """A prompt or the Responses API's input as messages, as far as their size and media matter."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if isinstance(value, list) and value and all(isinstance(each, Mapping) and "role" in each for each in value):
        return [dict(each) for each in value]
    if isinstance(value, list):
        return [{"role": "user", "content": [_part(each) for each in value]}]
    return [{"role": "user", "content": str(value)}]


def _part(value: Any) -> Any:
    return value if isinstance(value, str | Mapping) else str(value)


def _longest(value: Any) -> list[dict[str, Any]] | None:
    """The longest of several texts decides whether they fit."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    longest = max((each for each in texts if isinstance(each, str)), key=len, default=None)
    return None if longest is None else [{"role": "user", "content": longest}]
