"""What tells one endpoint's wire format from another's: how requests are read, and answers, errors and breaks written.

A format reads a request as the chat request that asks for the same, so that every endpoint gives the same answer to the
same prompt and counts the same tokens; and it writes the answer as one body or as the chunks of a stream. A chunk is
what one piece of content needs, be it one event or several, so that faults that count chunks mean the same everywhere:
the first chunk has no content, each further one brings a piece.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from .answers import Answer, answer_chat, shortened
from .messages import prompt_size

if TYPE_CHECKING:
    from .faults import Fault
    from .limits import Allowance
    from .models import ServedModel
    from .refusals import Refusal

__all__ = [
    "Chunks",
    "Envelope",
    "Headers",
    "Json",
    "TextFormat",
    "WireFormat",
    "argument_pieces",
    "encode",
    "event",
    "pieces_of",
]

Json = dict[str, Any]
Headers = list[tuple[str, str]]

_PIECE = re.compile(r"\s*\S{1,12}|\s+")  # what one chunk of a stream carries
_ARGUMENTS_PIECE = 8


def encode(value: Any) -> bytes:
    """Write JSON as a body."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def event(value: Any, name: str | None = None) -> bytes:
    """Write one event of a stream, with a name where the format names its events."""
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + encode(value) + b"\n\n"


def pieces_of(answer: Answer) -> list[str]:
    """Cut the text of an answer into what the chunks of a stream carry."""
    return _PIECE.findall(answer.text)


def argument_pieces(arguments: str) -> list[str]:
    """Cut the arguments of a tool call likewise."""
    return [arguments[start : start + _ARGUMENTS_PIECE] for start in range(0, len(arguments), _ARGUMENTS_PIECE)]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What surrounds an answer: ids, the model, the request and its size."""

    request_id: str
    model: ServedModel
    request: Json
    prompt_tokens: int
    created: int = field(default_factory=lambda: int(time.time()))

    def id_of(self, prefix: str, n: int) -> str:
        """Make the id of the n-th part of this answer."""
        return f"{prefix}_{hashlib.sha256(f'{self.request_id} {n}'.encode()).hexdigest()[:24]}"


@dataclass(frozen=True, slots=True)
class Chunks:
    """A stream: its chunks before the one that says why it ends, and all from there on."""

    before: list[bytes]
    ending: bytes


class WireFormat(ABC):
    """One endpoint's way to read and write; has no state."""

    path: ClassVar[str]
    key_headers: ClassVar[Mapping[str, str]]  # by name, what stands before the key
    half_event: ClassVar[bytes]  # a stream that was cut in the middle of an event
    broken_event: ClassVar[bytes]  # an event that is no JSON
    broken_body: ClassVar[bytes]  # a body that is none

    @abstractmethod
    def prompt(self, body: Json) -> tuple[str, int, int]:
        """Find (text, bytes, tokens) of a request's prompt, however malformed it is."""

    @abstractmethod
    def check(self, body: Json) -> None:
        """Check a request as the provider does.

        Raises:
            BadRequestError: With the name of the parameter that is wrong.
        """

    @abstractmethod
    def reply(self, envelope: Envelope, seed: int, fault: Fault | None) -> Json | Chunks:
        """Answer a request that was found well-formed, or as far as the fault lets it.

        Raises:
            BadRequestError: What was asked for is found impossible only now.
        """

    @abstractmethod
    def headers(self, request_id: str) -> Headers:
        """Make the headers of every answer to a call."""

    @abstractmethod
    def limit_headers(self, allowances: Sequence[Allowance]) -> Headers:
        """Say in headers what is left of the limits."""

    @abstractmethod
    def error(self, refusal: Refusal, envelope: Envelope | None = None) -> tuple[int, Json]:
        """Make (status, body) of an HTTP error."""

    @abstractmethod
    def failed_body(self, fault: Fault, envelope: Envelope) -> Json:
        """Make a body that tells of an error though its status is 200."""

    @abstractmethod
    def failed_events(self, fault: Fault, envelope: Envelope, sent: Sequence[bytes]) -> bytes:
        """Make what tells of an error in a stream of which these chunks were sent."""

    def has_key(self, headers: Mapping[str, str]) -> bool:
        """Say whether a key came with a request."""
        return any(name in headers for name in self.key_headers)

    def accepts(self, headers: Mapping[str, str], key: str) -> bool:
        """Say whether this key did."""
        return any(headers.get(name) == before + key for name, before in self.key_headers.items())

    def spoilt_body(self, fault: Fault, envelope: Envelope) -> bytes | None:
        """Make what a fault puts in the place of a body; None where it leaves it."""
        if fault.kind == "invalid_json":
            return self.broken_body
        return encode(self.failed_body(fault, envelope)) if fault.kind == "stream_error" else None

    def last_words(self, fault: Fault, envelope: Envelope, sent: Sequence[bytes]) -> bytes:
        """Make what still comes of a stream that a fault breaks off after these chunks."""
        if fault.kind == "cut":
            return self.half_event
        if fault.kind == "invalid_json":
            return self.broken_event
        return self.failed_events(fault, envelope, sent) if fault.kind == "stream_error" else b""


class TextFormat(WireFormat):
    """A format whose answers are an assistant's."""

    @abstractmethod
    def chat(self, body: Json) -> Json:
        """Read a request, however malformed, as the chat request that asks for the same."""

    @abstractmethod
    def whole(self, envelope: Envelope, answer: Answer) -> Json:
        """Write an answer as one body."""

    @abstractmethod
    def chunks(self, envelope: Envelope, answer: Answer) -> Chunks:
        """Write an answer as a stream."""

    def prompt(self, body: Json) -> tuple[str, int, int]:
        """Find (text, bytes, tokens) of the messages, of whatever else they are made of."""
        asked = self.chat(body)
        raw = asked.get("messages")
        messages = [message for message in raw if isinstance(message, dict)] if isinstance(raw, list) else []
        return "\n".join(map(_said, messages)), *prompt_size(messages, asked.get("tools"))

    def say(self, asked: Json, model: ServedModel, seed: int) -> Answer:
        """Answer without regard to limits."""
        return answer_chat(asked, model, seed)

    def reply(self, envelope: Envelope, seed: int, fault: Fault | None) -> Json | Chunks:
        """Answer within the limits, whole or as a stream."""
        asked, model = self.chat(envelope.request), envelope.model
        answer = self.say(asked, model, seed)
        room = max(1, model.context_window - envelope.prompt_tokens)
        most = asked.get("max_completion_tokens") or asked.get("max_tokens") or model.max_output_tokens
        answer = shortened(answer, stop=asked.get("stop"), max_tokens=min(most, room, model.max_output_tokens))
        if fault is not None and fault.kind == "empty":
            answer = Answer("")
        elif fault is not None and fault.kind == "filtered":
            answer = Answer(answer.text[: len(answer.text) // 2], finish_reason="content_filter")
        is_stream = envelope.request.get("stream") is True
        return self.chunks(envelope, answer) if is_stream else self.whole(envelope, answer)


def _said(message: Json) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
