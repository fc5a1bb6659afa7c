"""OpenAI's wire format: requests checked as OpenAI checks them, answers as one body or as events of a stream."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import re
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from .answers import Answer, BadRequestError
from .messages import prompt_size

__all__ = [
    "Envelope",
    "embedding_body",
    "embedding_inputs",
    "error_body",
    "event",
    "model_entry",
    "prompt_of",
]

Json = dict[str, Any]

_PIECE = re.compile(r"\s*\S{1,12}|\s+")  # what one chunk of a stream carries


def encode(value: Any) -> bytes:
    """Write JSON as a body."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def event(value: Any) -> bytes:
    """Write one event of a stream."""
    return b"data: " + encode(value) + b"\n\n"


def error_body(message: str, error_type: str | None, code: str | None, param: str | None = None) -> Json:
    """Make OpenAI's error object."""
    return {"error": {"message": message, "type": error_type, "param": param, "code": code}}


def model_entry(name: str, created: int) -> Json:
    """Make the entry of a model in `/v1/models`."""
    return {"id": name, "object": "model", "created": created, "owned_by": "pointsman-testing"}


def prompt_of(path: str, body: Json) -> tuple[str, int, int]:
    """Find (text, bytes, tokens) of a request's prompt, whatever endpoint it is for and however malformed."""
    if path.endswith("/chat/completions"):
        raw = body.get("messages")
        messages = [message for message in raw if isinstance(message, dict)] if isinstance(raw, list) else []
        text = "\n".join(map(_said, messages))
        return text, *prompt_size(messages, body.get("tools"))
    texts = embedding_inputs(body.get("prompt", body.get("input")))
    return "\n".join(texts), *prompt_size([{"content": text} for text in texts])


def _said(message: Json) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def embedding_inputs(value: Any) -> list[str]:
    """Read what `input` and `prompt` may be: a text, texts, token ids, lists of token ids."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return []
    if value and all(isinstance(item, int) for item in value):
        return [" ".join(map(str, value))]
    return [
        item if isinstance(item, str) else " ".join(map(str, item)) for item in value if isinstance(item, (str, list))
    ]


def embedding_body(model: str, body: Json, dimensions: int, prompt_tokens: int) -> Json:
    """Make the answer to an embeddings request: equal texts are equal, texts that share words are near.

    Raises:
        BadRequestError: There is nothing to embed.
    """
    texts = embedding_inputs(body.get("input"))
    if not texts or not all(texts):
        raise BadRequestError("Invalid 'input': expected a text or an array of texts, none of them empty.", "input")
    dimensions = body.get("dimensions") or dimensions
    vectors: list[Any] = [_embedding(model, text, dimensions) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() for vector in vectors]
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)],
        "model": model,
        "usage": {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens},
    }


def _embedding(model: str, text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [text]:
        noise = hashlib.shake_256(f"{model}\x00{word}".encode("utf-8", "surrogatepass")).digest(dimensions)
        vector = [sum(pair) for pair in zip(vector, ((byte - 127.5) / 127.5 for byte in noise), strict=True)]
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What surrounds an answer: ids, the model's name, usage."""

    path: str
    request_id: str
    model: str
    prompt_tokens: int
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def is_chat(self) -> bool:
        """Say whether this is a chat completion and not a legacy one."""
        return self.path.endswith("/chat/completions")

    def usage(self, answer: Answer) -> Json:
        """Make the usage object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": answer.tokens,
            "total_tokens": self.prompt_tokens + answer.tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    def body(self, answer: Answer) -> Json:
        """Make the whole answer as one body."""
        if not self.is_chat:
            choice: Json = {"text": answer.text, "index": 0, "logprobs": None, "finish_reason": answer.finish_reason}
            return self._object("text_completion", [choice]) | {"usage": self.usage(answer)}
        message: Json = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.tool_calls:
            message["content"] = None
            message["tool_calls"] = [
                {
                    "id": self._call_id(n),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for n, call in enumerate(answer.tool_calls)
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        return self._object("chat.completion", [choice]) | {"usage": self.usage(answer)}

    def events(self, answer: Answer, *, include_usage: bool) -> tuple[list[bytes], list[bytes]]:
        """Make a stream's events: (before the one with the finish reason, from it to [DONE])."""
        more = {"usage": None} if include_usage else {}
        if self.is_chat:
            name = "chat.completion.chunk"
            deltas = [{"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None}]
            deltas += [{"content": piece} for piece in _PIECE.findall(answer.text)]
            deltas += itertools.chain.from_iterable(self._call_deltas(n, answer) for n in range(len(answer.tool_calls)))
            choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas]
            last: Json = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": answer.finish_reason}
        else:
            name = "text_completion"
            pieces = _PIECE.findall(answer.text)
            choices = [{"text": piece, "index": 0, "logprobs": None, "finish_reason": None} for piece in pieces]
            last = {"text": "", "index": 0, "logprobs": None, "finish_reason": answer.finish_reason}
        before = [event(self._object(name, [choice]) | more) for choice in choices]
        ending = [event(self._object(name, [last]) | more)]
        if include_usage:
            ending.append(event(self._object(name, []) | {"usage": self.usage(answer)}))
        return before, [*ending, b"data: [DONE]\n\n"]

    def _call_deltas(self, n: int, answer: Answer) -> list[Json]:
        call = answer.tool_calls[n]
        first = {
            "index": n,
            "id": self._call_id(n),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        pieces = [call.arguments[start : start + 8] for start in range(0, len(call.arguments), 8)]
        rest = [{"index": n, "function": {"arguments": piece}} for piece in pieces]
        return [{"tool_calls": [delta]} for delta in (first, *rest)]

    def _call_id(self, n: int) -> str:
        return f"call_{hashlib.sha256(f'{self.request_id} {n}'.encode()).hexdigest()[:24]}"

    def _object(self, name: str, choices: list[Json]) -> Json:
        return {
            "id": f"{'chatcmpl' if self.is_chat else 'cmpl'}-{self.request_id}",
            "object": name,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "fp_pointsman",
            "choices": choices,
        }
