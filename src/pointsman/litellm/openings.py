"""The opening of a stream, held back until it says something: up to there another deployment takes over unseen.

LiteLLM hands a stream out as soon as the provider has said 200. Then most of its endpoints go nowhere else any more,
though nothing has been delivered, and the status and the headers of the answer are sent.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import anyio

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
# How the frames of a Messages stream begin and end; where a line begins, a text that speaks of it cannot stand.
_STARTED, _STOPPED, _BROKEN = (
    re.compile(rb'^(?:event:\s*%b\b|data:\s*\{\s*"type"\s*:\s*"%b")' % (kind, kind), re.MULTILINE)
    for kind in (b"message_start", b"message_stop", b"error")
)
# Who waits for a model that thinks for minutes has to hear its pings, or something on the way hangs up.
_LONGEST_HOLD = 10.0
_TAIL_BYTES = 2_048  # enough for the last event, whatever follows it


async def opened(
    stream: Any,
    gave_up: Callable[..., None],
    left: Callable[..., None],
    monotonic: Callable[[], float] = time.monotonic,
    *,
    begun: Sequence[Any] = (),
) -> Any:
    """The stream from its beginning, as soon as it has said something, or has announced that it will for ten seconds.

    Args:
        stream: an asynchronous iterator of chunks, events or frames.
        gave_up: hears of the error, and of whether content had gone out.
        left: hears that the caller has gone, how many pieces there were by then, and whether the stream was just dropped.
        monotonic: where the time comes from.
        begun: pieces that somebody has read of it already.

    Raises:
        Exception: what ended the stream before that, as a failure of the attempt.
    """
    try:
        return _Opened(stream, await _opening(stream, monotonic, begun), gave_up, left)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):  # or the provider goes on for nobody
            await _close(stream)
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, this attempt has failed
        cause = unwrapped(error)
        gave_up(cause, partial=False)
        await _close(stream)
        raise cause from error.__cause__


async def _close(stream: Any) -> None:
    if (close := getattr(stream, "aclose", None)) is not None:
        await close()


async def _opening(stream: Any, monotonic: Callable[[], float], begun: Sequence[Any]) -> list[Any]:
    held = list(begun)
    if any(_says_something(piece, held) for piece in begun):
        return held
    latest = None
    async for piece in stream:
        held.append(piece)
        if _says_something(piece, held):
            return held
        if latest is None:
            latest = monotonic() + _LONGEST_HOLD
        elif monotonic() >= latest:
            return held
    raise EmptyAnswerError(_NO_ANSWER)


class _Opened:
    """A stream whose opening has been read already; for everybody else it is what it was."""

    def __init__(self, stream: Any, held: list[Any], gave_up: Callable[..., None], left: Callable[..., None]) -> None:
        self._stream = stream
        self._held = held[::-1]
        self._gave_up = gave_up
        self._left = left
        self._pieces = len(held)
        self._is_over = False
        self._last: Any = None
        # The end of a Messages stream as it came, for frames may be cut anywhere; None for every other kind.
        opening = b"".join(each for each in held if isinstance(each, bytes))
        self._tail = opening[-_TAIL_BYTES:] if _STARTED.search(opening) else None

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
            self._is_over = True
            self._judge()
            raise
        except asyncio.CancelledError:
            self._leave()
            raise
        except Exception as error:  # noqa: BLE001  told, and raised again
            self._is_over = True
            # LiteLLM's own wrapper asks for a continuation, which begins with the deployment that broke.
            cause = unwrapped(error)
            self._gave_up(cause, partial=True)
            raise cause from error.__cause__
        self._pieces += 1
        if self._tail is not None and isinstance(self._last, bytes):
            self._tail = (self._tail + self._last)[-_TAIL_BYTES:]
        return self._last

    async def aclose(self) -> None:
        """Close the stream; before its end that is leaving it."""
        self._leave()
        await _close(self._stream)

    def __del__(self) -> None:
        self._leave(dropped=True)

    def _leave(self, *, dropped: bool = False) -> None:
        if not self._is_over:
            self._is_over = True
            if not self._has_ended():
                self._left(self._pieces, dropped=dropped)

    def _has_ended(self) -> bool:
        """Whether its last event has come, after which many callers read no further."""
        if self._tail is not None:
            return _STOPPED.search(self._tail) is not None
        return _text(field(self._last, "type")) in _ENDS

    def _judge(self) -> None:
        """Say how a provider's own stream of events ended; of chat LiteLLM sees it, or the guard within."""
        if self._tail is not None:
            is_cut = not self._has_ended()
            if is_cut and _BROKEN.search(self._tail):  # the caller has it
                self._gave_up(ReportedError("the stream ended with an error"), partial=True)
                return
        else:  # before 1.106 LiteLLM does not look
            is_cut = _text(field(self._last, "type")).startswith("response.") and not self._has_ended()
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
