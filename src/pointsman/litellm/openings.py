"""The opening of a stream, held back until it says something: up to there another deployment takes over unseen.

LiteLLM hands a stream out as soon as the provider has said 200. Then most of its endpoints go nowhere else any more,
though nothing has been delivered, and the status and the headers of the answer are sent.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from pointsman.errors import EmptyAnswerError, ReportedError, TruncatedStreamError
from pointsman.failover.readings import field, read, reported
from pointsman.litellm.answers import is_empty, says_something
from pointsman.litellm.outcomes import unwrapped

# Events of the Responses and the Messages API that announce, or close, what may turn out to be nothing.
_ANNOUNCED = frozenset(
    {"response.created", "response.in_progress", "response.queued", "message_start", "content_block_stop", "ping"}
)
_ITEMS = {
    "response.output_item.added": "item",
    "response.output_item.done": "item",
    "content_block_start": "content_block",
}
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FAILURES = frozenset({"error", "response.failed"})
_NO_ANSWER = "the stream ended without content"


async def opened(stream: Any, gave_up: Callable[..., None]) -> Any:
    """The stream from its beginning, as soon as it has said something.

    Args:
        stream: an asynchronous iterator of chunks, events or frames.
        gave_up: hears of the error, and of whether content had gone out.

    Raises:
        Exception: what ended the stream before that, as a failure of the attempt.
    """
    try:
        return _Opened(stream, await _opening(stream), gave_up)
    except Exception as error:  # noqa: BLE001  whatever it is, this attempt has failed
        cause = unwrapped(error)
        gave_up(cause, partial=False)
        if hasattr(stream, "aclose"):
            await stream.aclose()
        raise cause from error.__cause__


async def _opening(stream: Any) -> list[Any]:
    held: list[Any] = []
    async for piece in stream:
        held.append(piece)
        if _says_something(piece, held):
            return held
    raise EmptyAnswerError(_NO_ANSWER)


class _Opened:
    """A stream whose opening has been read already; for everybody else it is what it was."""

    def __init__(self, stream: Any, held: list[Any], gave_up: Callable[..., None]) -> None:
        self._stream = stream
        self._held = held[::-1]
        self._gave_up = gave_up
        self._last: Any = None

    @property
    def __class__(self) -> type:
        """LiteLLM asks some streams for their class."""
        return type(self._stream)

    @__class__.setter
    def __class__(self, value: type) -> None:
        raise TypeError("the class of a stream stays as it is")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._held:
            self._last = self._held.pop()
            return self._last
        try:
            self._last = await anext(self._stream)
        except StopAsyncIteration:
            self._judge()
            raise
        except Exception as error:  # noqa: BLE001  told, and raised again
            # LiteLLM's own wrapper asks for a continuation, which begins with the deployment that broke.
            cause = unwrapped(error)
            self._gave_up(cause, partial=True)
            raise cause from error.__cause__
        return self._last

    def _judge(self) -> None:
        """Say how a provider's own stream of events ended; of chat LiteLLM sees it, or the guard within."""
        kind = _text(field(self._last, "type"))
        if isinstance(self._last, bytes):
            if b"event: error" in self._last:  # the caller has it
                self._gave_up(ReportedError("the stream ended with an error"), partial=True)
                return
            is_cut = b"message_stop" not in self._last
        else:  # before 1.106 LiteLLM does not look
            is_cut = kind.startswith("response.") and kind not in _ENDS
        if is_cut:
            error = TruncatedStreamError("the stream ended without its last event")
            self._gave_up(error, partial=True)
            raise error


def _says_something(piece: Any, held: list[Any]) -> bool:
    """Whether a caller could use this piece of a stream.

    Raises:
        EmptyAnswerError: it is the end of a stream that has said nothing.
        ReportedError: the provider reports an error.
    """
    if isinstance(piece, bytes | str):
        # Frames may be cut anywhere; the held ones are few.
        return any(_event_says_something(event) for event in _events(held))
    if field(piece, "type") is not None:
        return _event_says_something(piece)
    reading = read(piece)
    if reading.error is not None:
        raise reported(reading.error)
    return reading.content or reading.tool_call or not reading.judged or (reading.meaningful and not reading.empty)


def _event_says_something(event: Any) -> bool:
    kind = _text(field(event, "type"))
    if kind in _FAILURES:
        response = field(event, "response")
        raise reported(field(event, "error") or field(response, "error") or {"type": kind})
    if kind in _ITEMS:
        return says_something(field(event, _ITEMS[kind]))
    if kind == "message_delta":
        reason = field(field(event, "delta"), "stop_reason")
        if reason == "end_turn":
            raise EmptyAnswerError(_NO_ANSWER)
        return reason is not None
    if kind == "response.completed":
        if is_empty(response := field(event, "response")):
            raise EmptyAnswerError(_NO_ANSWER)
        return response is not None
    if "delta" in kind:
        return _has_text(field(event, "delta"))
    return kind not in _ANNOUNCED and not kind.endswith((".added", ".done"))


def _has_text(delta: Any) -> bool:
    """Text, arguments of a tool call, thoughts: strings, bare or one level down."""
    if isinstance(delta, str):
        return bool(delta)
    return isinstance(delta, Mapping) and any(
        isinstance(value, str) and value for name, value in delta.items() if name != "type"
    )


def _text(kind: Any) -> str:
    return str(getattr(kind, "value", kind))


def _events(frames: list[Any]) -> Iterator[Any]:
    """The server-sent events that are whole."""
    text = "".join(each.decode(errors="replace") if isinstance(each, bytes) else each for each in frames)
    whole, _, _ = text.replace("\r\n", "\n").rpartition("\n\n")
    for line in whole.split("\n"):
        if line.startswith("data:"):
            try:
                event = json.loads(line[5:])
            except ValueError:
                continue
            if isinstance(event, Mapping):
                yield event
