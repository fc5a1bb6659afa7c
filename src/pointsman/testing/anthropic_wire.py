"""Anthropic's Messages API: `POST /v1/messages`, whole and as its named events, with Anthropic's headers and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from .anthropic_input import check_messages, read_messages
from .faults import FAULTS
from .wire import Chunks, Envelope, Headers, Json, TextFormat, argument_pieces, event, pieces_of

if TYPE_CHECKING:
    from .answers import Answer
    from .faults import Fault
    from .limits import Allowance
    from .refusals import Refusal

__all__ = ["MessagesFormat"]

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_NO_CREDIT = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase "
    "credits."
)
_USUAL = {fault.message for fault in FAULTS.values()}
_WORDS = {
    "500": "Internal server error",
    "billing_not_active": _NO_CREDIT,
    "content_filter": "Output blocked by content filtering policy",
    "insufficient_quota": _NO_CREDIT,
    "invalid_api_key": "invalid x-api-key",
    "overloaded": "Overloaded",
    "rate_limit_exceeded": "This request would exceed your organization's rate limit. Please try again later.",
    "request_too_large": "Request exceeds the maximum size",
    "unsupported_country_region_territory": "Your API key does not have permission to use the specified resource",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class MessagesFormat(TextFormat):
    """`POST /v1/messages`."""

    path = "/v1/messages"
    key_headers: ClassVar[Mapping[str, str]] = {"x-api-key": "", "authorization": "Bearer "}
    half_event = b'event: content_block_delta\ndata: {"type": "content_bl'
    broken_event = b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": oops\n\n'
    broken_body = b'{"id": "msg_1", "type": "message", "content": [oops'

    def chat(self, body: Json) -> Json:
        """Read the system prompt and blocks as messages."""
        return read_messages(body)

    def check(self, body: Json) -> None:
        """Check parameters, messages and tools."""
        check_messages(body)

    def headers(self, request_id: str) -> Headers:
        """Make the request's id and the organization's."""
        return [("request-id", f"req_{request_id}"), ("anthropic-organization-id", "pointsman-testing")]

    def limit_headers(self, allowances: Sequence[Allowance]) -> Headers:
        """Make the anthropic-ratelimit headers; the tokens that are limited are those of prompts."""
        headers: Headers = []
        for allowance in allowances:
            resets_at = datetime.fromtimestamp(allowance.resets_at, UTC).isoformat(timespec="seconds")
            for unit in (allowance.unit, "input-tokens") if allowance.unit == "tokens" else (allowance.unit,):
                headers.append((f"anthropic-ratelimit-{unit}-limit", str(allowance.limit)))
                headers.append((f"anthropic-ratelimit-{unit}-remaining", str(allowance.remaining)))
                headers.append((f"anthropic-ratelimit-{unit}-reset", resets_at.replace("+00:00", "Z")))
        return headers

    def error(self, refusal: Refusal, envelope: Envelope | None = None) -> tuple[int, Json]:
        """Make Anthropic's error object, in its words where they differ."""
        status = 400 if refusal.code == "insufficient_quota" else refusal.status
        message = refusal.message  # a fault's own, unless it is the one that every such fault has
        if message in _USUAL:
            message = _WORDS.get(refusal.code or str(status), message)
        if refusal.overflow:
            tokens, window = refusal.overflow
            message = f"prompt is too long: {tokens} tokens > {window} maximum"
        elif refusal.code == "model_not_found" and envelope is not None:
            message = f"model: {envelope.request.get('model')}"
        kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return status, _error(kind, message, envelope)

    def failed_body(self, fault: Fault, envelope: Envelope) -> Json:  # noqa: ARG002
        """Make the error object that comes inside a 200."""
        return _error("overloaded_error", "Overloaded", envelope)

    def failed_events(self, fault: Fault, envelope: Envelope, sent: Sequence[bytes]) -> bytes:  # noqa: ARG002
        """Make the error event."""
        return event(self.failed_body(fault, envelope), "error")

    def whole(self, envelope: Envelope, answer: Answer) -> Json:
        """Write the message."""
        return _message(envelope) | {
            "content": _content(envelope, answer),
            **_stop(answer),
            "usage": _usage(envelope, answer.tokens),
        }

    def chunks(self, envelope: Envelope, answer: Answer) -> Chunks:
        """Write the events: the message starts, each block starts, grows and stops, the message does."""
        start = _message(envelope) | {"usage": _usage(envelope, min(1, answer.tokens))}
        before = [_event({"type": "message_start", "message": start})]
        done = b""  # of the block before; it is sent with whatever comes next
        for index, block in enumerate(_content(envelope, answer)):
            growing = list(_grow(block, index, answer))
            growing[0] = done + growing[0]
            before += growing
            done = _event({"type": "content_block_stop", "index": index})
        usage = _usage(envelope, answer.tokens)
        delta = {"type": "message_delta", "delta": _stop(answer), "usage": usage}
        return Chunks(before, done + _event(delta) + _event({"type": "message_stop"}))


def _event(value: Json) -> bytes:
    return event(value, value["type"])


def _error(kind: str, message: str, envelope: Envelope | None) -> Json:
    request_id = None if envelope is None else f"req_{envelope.request_id}"
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def _message(envelope: Envelope) -> Json:
    return {
        "id": f"msg_{envelope.request_id}",
        "type": "message",
        "role": "assistant",
        "model": envelope.model.name,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop(answer: Answer) -> Json:
    reason = "stop_sequence" if answer.stop_sequence else _STOP_REASONS[answer.finish_reason]
    return {"stop_reason": reason, "stop_sequence": answer.stop_sequence}


def _usage(envelope: Envelope, output_tokens: int) -> Json:
    return {
        "input_tokens": envelope.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _content(envelope: Envelope, answer: Answer) -> list[Json]:
    if answer.tool_calls:
        return [
            {
                "type": "tool_use",
                "id": envelope.id_of("toolu", n),
                "name": call.name,
                "input": json.loads(call.arguments),
            }
            for n, call in enumerate(answer.tool_calls)
        ]
    return [{"type": "text", "text": answer.text}] if answer.text else []


def _grow(block: Json, index: int, answer: Answer) -> Iterator[bytes]:
    is_text = block["type"] == "text"
    empty: Json = {"text": ""} if is_text else {"input": {}}
    start = {"type": "content_block_start", "index": index, "content_block": block | empty}
    opening = _event(start) + (_event({"type": "ping"}) if index == 0 else b"")
    if is_text:
        for piece in pieces_of(answer):
            delta = {"type": "text_delta", "text": piece}
            yield opening + _event({"type": "content_block_delta", "index": index, "delta": delta})
            opening = b""
        return
    yield opening
    for piece in argument_pieces(answer.tool_calls[index].arguments):
        delta = {"type": "input_json_delta", "partial_json": piece}
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
