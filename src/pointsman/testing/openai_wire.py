"""OpenAI's manners: chat completions, legacy completions, and what its other endpoints share with them."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .answers import Answer, BadRequestError, answer_text
from .messages import prompt_size
from .refusals import Refusal
from .validation import check_chat, check_values
from .wire import Chunks, Envelope, Headers, Json, TextFormat, WireFormat, argument_pieces, event, pieces_of

if TYPE_CHECKING:
    from .faults import Fault
    from .limits import Allowance
    from .models import ServedModel

__all__ = ["ChatFormat", "CompletionFormat", "OpenAIFormat", "model_entry", "prompt_of", "texts_of"]


def model_entry(name: str, created: int) -> Json:
    """Make the entry of a model in `/v1/models`."""
    return {"id": name, "object": "model", "created": created, "owned_by": "pointsman-testing"}


def texts_of(value: Any) -> list[str]:
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


def prompt_of(body: Json) -> tuple[str, int, int]:
    """Join the texts of a request that has no messages; also its size."""
    texts = texts_of(body.get("prompt", body.get("input")))
    return "\n".join(texts), *prompt_size([{"content": text} for text in texts])


class OpenAIFormat(WireFormat):
    """Keys, headers and errors as OpenAI has them."""

    key_headers: ClassVar[Mapping[str, str]] = {"authorization": "Bearer "}
    half_event = b'data: {"id": "chatcm'
    broken_event = b'data: {"id": "chatcmpl-1", "choices": [oops\n\n'
    broken_body = b'{"id": "chatcmpl-1", "choices": [oops'

    def headers(self, request_id: str) -> Headers:
        """Make the request's id and the time that it took."""
        return [("x-request-id", f"req_{request_id}"), ("openai-processing-ms", "1")]

    def limit_headers(self, allowances: Sequence[Allowance]) -> Headers:
        """Make the x-ratelimit headers."""
        headers: Headers = []
        for allowance in allowances:
            headers.append((f"x-ratelimit-limit-{allowance.unit}", str(allowance.limit)))
            headers.append((f"x-ratelimit-remaining-{allowance.unit}", str(allowance.remaining)))
            headers.append((f"x-ratelimit-reset-{allowance.unit}", f"{allowance.reset_seconds:.3f}s"))
        return headers

    def error(self, refusal: Refusal, envelope: Envelope | None = None) -> tuple[int, Json]:  # noqa: ARG002
        """Make OpenAI's error object."""
        return refusal.status, {
            "error": {
                "message": refusal.message,
                "type": refusal.error_type,
                "param": refusal.param,
                "code": refusal.code,
            }
        }

    def failed_body(self, fault: Fault, envelope: Envelope) -> Json:
        """Make the error object that some servers send with a 200."""
        return self.error(Refusal.of_fault(fault), envelope)[1]

    def failed_events(self, fault: Fault, envelope: Envelope, sent: Sequence[bytes]) -> bytes:  # noqa: ARG002
        """Make the event that carries the error object."""
        return event(self.failed_body(fault, envelope))


class _CompletionLike(OpenAIFormat, TextFormat):
    """Chat completions and legacy ones: choices, a finish reason, `[DONE]`."""

    prefix: ClassVar[str]
    whole_name: ClassVar[str]
    chunk_name: ClassVar[str]

    @abstractmethod
    def choice(self, envelope: Envelope, answer: Answer) -> Json:
        """Make the one choice of a whole answer."""

    @abstractmethod
    def choices(self, envelope: Envelope, answer: Answer) -> tuple[list[Json], Json]:
        """Make the choices of a stream's chunks, and the last one, which has the finish reason."""

    def whole(self, envelope: Envelope, answer: Answer) -> Json:
        """Write the completion."""
        choices = [self.choice(envelope, answer)]
        return self._object(envelope, self.whole_name, choices) | {"usage": _usage(envelope, answer)}

    def chunks(self, envelope: Envelope, answer: Answer) -> Chunks:
        """Write the chunks, usage after the finish reason if it was asked for."""
        include_usage = (envelope.request.get("stream_options") or {}).get("include_usage") is True
        more = {"usage": None} if include_usage else {}
        choices, last = self.choices(envelope, answer)
        before = [event(self._object(envelope, self.chunk_name, [choice]) | more) for choice in choices]
        ending = event(self._object(envelope, self.chunk_name, [last]) | more)
        if include_usage:
            ending += event(self._object(envelope, self.chunk_name, []) | {"usage": _usage(envelope, answer)})
        return Chunks(before, ending + b"data: [DONE]\n\n")

    def _object(self, envelope: Envelope, name: str, choices: list[Json]) -> Json:
        return {
            "id": f"{self.prefix}-{envelope.request_id}",
            "object": name,
            "created": envelope.created,
            "model": envelope.model.name,
            "system_fingerprint": "fp_pointsman",
            "choices": choices,
        }


class ChatFormat(_CompletionLike):
    """`POST /v1/chat/completions`."""

    path = "/v1/chat/completions"
    prefix = "chatcmpl"
    whole_name = "chat.completion"
    chunk_name = "chat.completion.chunk"

    def chat(self, body: Json) -> Json:
        """Take the request as it is."""
        return body

    def check(self, body: Json) -> None:
        """Check parameters, messages and tools."""
        check_values(body)
        check_chat(body)

    def choice(self, envelope: Envelope, answer: Answer) -> Json:
        """Make the message."""
        message: Json = {"role": "assistant", "content": answer.text, "refusal": None}
        if answer.tool_calls:
            message["content"] = None
            message["tool_calls"] = [
                {
                    "id": envelope.id_of("call", n),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for n, call in enumerate(answer.tool_calls)
            ]
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}

    def choices(self, envelope: Envelope, answer: Answer) -> tuple[list[Json], Json]:
        """Make the deltas: the role, then text or tool calls piece by piece."""
        deltas: list[Json] = [
            {"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None},
            *({"content": piece} for piece in pieces_of(answer)),
            *itertools.chain.from_iterable(_call_deltas(envelope, answer, n) for n in range(len(answer.tool_calls))),
        ]
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas]
        return choices, {"index": 0, "delta": {}, "logprobs": None, "finish_reason": answer.finish_reason}


class CompletionFormat(_CompletionLike):
    """`POST /v1/completions`."""

    path = "/v1/completions"
    prefix = "cmpl"
    whole_name = chunk_name = "text_completion"

    def chat(self, body: Json) -> Json:
        """Take the request as it is: what counts has the names that chat gives it."""
        return body

    def prompt(self, body: Json) -> tuple[str, int, int]:
        """Find the prompt's texts."""
        return prompt_of(body)

    def check(self, body: Json) -> None:
        """Check the parameters."""
        check_values(body)

    def say(self, asked: Json, model: ServedModel, seed: int) -> Answer:
        """Answer the one prompt."""
        prompts = texts_of(asked.get("prompt"))
        if len(prompts) != 1:
            raise BadRequestError("Invalid 'prompt': expected one text.", "prompt")
        return Answer(answer_text(prompts[0], model, seed))

    def choice(self, envelope: Envelope, answer: Answer) -> Json:  # noqa: ARG002
        """Make the text."""
        return {"text": answer.text, "index": 0, "logprobs": None, "finish_reason": answer.finish_reason}

    def choices(self, envelope: Envelope, answer: Answer) -> tuple[list[Json], Json]:  # noqa: ARG002
        """Make the pieces."""
        blank: Json = {"index": 0, "logprobs": None}
        choices = [{"text": piece, **blank, "finish_reason": None} for piece in pieces_of(answer)]
        return choices, {"text": "", **blank, "finish_reason": answer.finish_reason}


def _usage(envelope: Envelope, answer: Answer) -> Json:
    return {
        "prompt_tokens": envelope.prompt_tokens,
        "completion_tokens": answer.tokens,
        "total_tokens": envelope.prompt_tokens + answer.tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _call_deltas(envelope: Envelope, answer: Answer, n: int) -> list[Json]:
    call = answer.tool_calls[n]
    function = {"name": call.name, "arguments": ""}
    first = {"index": n, "id": envelope.id_of("call", n), "type": "function", "function": function}
    rest = [{"index": n, "function": {"arguments": piece}} for piece in argument_pieces(call.arguments)]
    return [{"tool_calls": [delta]} for delta in (first, *rest)]
