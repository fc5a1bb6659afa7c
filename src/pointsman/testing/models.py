"""What a model server serves, and what it remembers of each request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RequestRecord", "ServedModel"]


@dataclass(frozen=True)
class ServedModel:
    """A model as its server plays it.

    Args:
        name: The model id that clients send.
        input_price_per_1m: USD per million prompt tokens; for generated configurations, nobody is charged.
        output_price_per_1m: USD per million completion tokens.
        latency: Seconds before the first byte of an answer, or (low, high) to draw from.
        seconds_per_chunk: Seconds between the chunks of a stream.
        quality: The probability that the answer to a gradable prompt is right, over easy and hard ones.
        skills: Other qualities for some kinds of prompt, `{"code": 0.95}`; the kinds are those of `templates`.
        context_window: Tokens; a longer prompt is answered 400 context_length_exceeded.
        max_output_tokens: The limit of a completion when the request sets none or a higher one.
        embedding_dimensions: Length of an embedding, unless the request sets `dimensions`.
        requires_key: The key that is expected as bearer token, or as `x-api-key` where Anthropic's clients send that;
            None takes every request.
        rate_limit_rpm: Requests per 60 seconds; beyond it 429 with Retry-After. None sends no x-ratelimit headers.
        rate_limit_tpm: Tokens (of prompts) per 60 seconds, likewise.
        aliases: Other ids it answers to, as one address that serves several models.
    """

    name: str
    input_price_per_1m: float = 1.0
    output_price_per_1m: float = 3.0
    latency: float | tuple[float, float] = 0.0
    seconds_per_chunk: float = 0.0
    quality: float = 0.8
    skills: Mapping[str, float] = field(default_factory=dict, hash=False)
    context_window: int = 16_000
    max_output_tokens: int = 4096
    embedding_dimensions: int = 8
    requires_key: str | None = field(default=None, repr=False)
    rate_limit_rpm: int | None = None
    rate_limit_tpm: int | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, value in (("quality", self.quality), *self.skills.items()):
            if not 0 <= value <= 1:
                raise ValueError(f"{self.name}: {what} is a probability from 0 to 1, not {value!r}")
        if not self.name:
            raise ValueError("a served model needs a name")
        if self.context_window < 1 or self.embedding_dimensions < 1 or self.max_output_tokens < 1:
            raise ValueError(f"{self.name}: window, output limit and embedding dimensions are at least 1")

    def quality_at(self, kind: str) -> float:
        """Say how good the model is at a kind of prompt."""
        return self.skills.get(kind, self.quality)


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request as its server saw it: metadata, and the body only if the fleet was told to keep bodies.

    Args:
        path: `/v1/chat/completions`, `/v1/responses`, `/v1/messages` and so on.
        model: The model id that the client sent.
        stream: Whether it asked for a stream.
        prompt_tokens: Tokens of the prompt as the server counts them.
        prompt_bytes: Bytes of the prompt's text.
        status: The status sent; None if none was (yet): a hang, a reset before the first byte.
        fault: The name of the fault that was played, if any.
        seconds: From the complete request to the end of the answer; None while it is under way.
        headers: A harmless few of the request's headers.
        has_key: Whether a header with a key came with it; its value is never kept.
        fields: The names of the body's fields.
        body: The parsed body, if kept.
    """

    path: str
    model: str | None = None
    stream: bool = False
    prompt_tokens: int = 0
    prompt_bytes: int = 0
    status: int | None = None
    fault: str | None = None
    seconds: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    has_key: bool = False
    fields: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = field(default=None, repr=False)
