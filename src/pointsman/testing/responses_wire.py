"""OpenAI's Responses API: `POST /v1/responses`, whole and as its sequence of numbered, typed events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .openai_wire import OpenAIFormat
from .refusals import Refusal
from .responses_input import check_responses, read_responses
from .wire import Chunks, Envelope, Json, TextFormat, argument_pieces, event, pieces_of

if TYPE_CHECKING:
    from .answers import Answer
    from .faults import Fault

__all__ = ["ResponsesFormat"]

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ECHOED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_Event = tuple[str, Json]


class ResponsesFormat(OpenAIFormat, TextFormat):
    """`POST /v1/responses`."""

    path = "/v1/responses"
    half_event = b'event: response.output_text.delta\ndata: {"type": "response.outp'
    broken_event = b'event: response.output_text.delta\ndata: {"type": "response.output_text.delta", "delta": oops\n\n'
    broken_body = b'{"id": "resp_1", "object": "response", "output": [oops'

    def chat(self, body: Json) -> Json:
        """Read instructions and items as messages."""
        return read_responses(body)

    def check(self, body: Json) -> None:
        """Check parameters, items and tools."""
        check_responses(body)

    def error(self, refusal: Refusal, envelope: Envelope | None = None) -> tuple[int, Json]:
        """Make OpenAI's error object; this endpoint has words of its own for an overflow."""
        status, body = super().error(refusal, envelope)
        if refusal.overflow:
            message = "Your input exceeds the context window of this model. Please adjust your input and try again."
            body["error"] |= {"message": message, "param": "input"}
        return status, body

    def failed_body(self, fault: Fault, envelope: Envelope) -> Json:
        """Make a response that failed."""
        error = {"code": fault.error_type, "message": fault.message}
        return _response(envelope, "failed") | {"error": error}

    def failed_events(self, fault: Fault, envelope: Envelope, sent: Sequence[bytes]) -> bytes:
        """Make the error event, and the response that failed."""
        error = {"type": fault.error_type, "code": fault.error_type, "message": fault.message, "param": None}
        events: list[_Event] = [
            ("error", {"error": error}),
            ("response.failed", {"response": self.failed_body(fault, envelope)}),
        ]
        return _Numbered(sum(chunk.count(b"\n\n") for chunk in sent)).write(events)

    def whole(self, envelope: Envelope, answer: Answer) -> Json:
        """Write the response."""
        reason = _INCOMPLETE.get(answer.finish_reason)
        return _response(envelope, "incomplete" if reason else "completed") | {
            "completed_at": None if reason else envelope.created,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": _output(envelope, answer),
            "usage": {
                "input_tokens": envelope.prompt_tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": answer.tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": envelope.prompt_tokens + answer.tokens,
            },
        }

    def chunks(self, envelope: Envelope, answer: Answer) -> Chunks:
        """Write the events: the response begins, each item begins, grows and is done, the response is."""
        begun = {"response": _response(envelope, "in_progress")}
        end = self.whole(envelope, answer)
        chunks: list[list[_Event]] = [[("response.created", begun), ("response.in_progress", begun)]]
        done: list[_Event] = []  # of the item before; it is sent with whatever comes next
        for index, item in enumerate(end["output"]):
            grow = _grow_message if item["type"] == "message" else _grow_call
            *growing, finished = grow(item, index, answer)
            growing[0] = done + growing[0]
            chunks += growing
            done = finished
        numbered = _Numbered()
        before = [numbered.write(chunk) for chunk in chunks]
        return Chunks(before, numbered.write([*done, (f"response.{end['status']}", {"response": end})]))


class _Numbered:
    """Events as bytes, each with the next sequence number."""

    def __init__(self, start: int = 0) -> None:
        self._numbers = itertools.count(start)

    def write(self, events: Sequence[_Event]) -> bytes:
        return b"".join(
            event({"type": name, "sequence_number": next(self._numbers), **fields}, name) for name, fields in events
        )


def _response(envelope: Envelope, status: str) -> Json:
    asked = envelope.request
    echoed = {name: usual if asked.get(name) is None else asked[name] for name, usual in _ECHOED.items()}
    return {
        "id": f"resp_{envelope.request_id}",
        "object": "response",
        "created_at": envelope.created,
        "status": status,
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": envelope.model.name,
        "output": [],
        "service_tier": "default",
        "usage": None,
        **echoed,
    }


def _output(envelope: Envelope, answer: Answer) -> list[Json]:
    if answer.tool_calls:
        return [
            {
                "id": envelope.id_of("fc", n),
                "type": "function_call",
                "status": "completed",
                "arguments": call.arguments,
                "call_id": envelope.id_of("call", n),
                "name": call.name,
            }
            for n, call in enumerate(answer.tool_calls)
        ]
    if not answer.text:
        return []
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
    return [
        {
            "id": envelope.id_of("msg", 0),
            "type": "message",
            "status": "incomplete" if answer.finish_reason in _INCOMPLETE else "completed",
            "content": [part],
            "role": "assistant",
        }
    ]


def _grow_message(item: Json, index: int, answer: Answer) -> Iterator[list[_Event]]:
    part = item["content"][0]
    at: Json = {"item_id": item["id"], "output_index": index, "content_index": 0}
    opening: list[_Event] = [
        _added(index, item | {"status": "in_progress", "content": []}),
        ("response.content_part.added", {**at, "part": part | {"text": ""}}),
    ]
    for piece in pieces_of(answer):
        yield [*opening, ("response.output_text.delta", {**at, "delta": piece, "logprobs": []})]
        opening = []
    yield [
        ("response.output_text.done", {**at, "text": part["text"], "logprobs": []}),
        ("response.content_part.done", {**at, "part": part}),
        _done(index, item),
    ]


def _grow_call(item: Json, index: int, answer: Answer) -> Iterator[list[_Event]]:  # noqa: ARG001
    at: Json = {"item_id": item["id"], "output_index": index}
    yield [_added(index, item | {"status": "in_progress", "arguments": ""})]
    for piece in argument_pieces(item["arguments"]):
        yield [("response.function_call_arguments.delta", {**at, "delta": piece})]
    arguments = {"arguments": item["arguments"], "name": item["name"]}
    yield [("response.function_call_arguments.done", {**at, **arguments}), _done(index, item)]


def _added(index: int, item: Json) -> _Event:
    return "response.output_item.added", {"output_index": index, "item": item}


def _done(index: int, item: Json) -> _Event:
    return "response.output_item.done", {"output_index": index, "item": item}
