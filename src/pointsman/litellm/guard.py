"""What LiteLLM takes for an answer and is none: success without content, and streams that end without saying why."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol

from pointsman.errors import EmptyAnswerError, PointsmanError, TruncatedStreamError
from pointsman.failover.readings import Reading, read, reported
from pointsman.litellm.answers import error_in, is_empty
from pointsman.litellm.openings import opened
from pointsman.litellm.outcomes import CALL_KEY, metadata_of

# Before 1.106 it starts a synchronous stream that broke from the beginning, however often all of them have.
_LITELLM = tuple(map(int, version("litellm").split(".")[:2]))

# Methods that make one attempt: chat, text, embeddings, and what the Responses and the Messages API go through.
_WHOLE = ("_completion", "_embedding")
_AWHOLE = ("_acompletion", "_atext_completion", "_aembedding", "_ageneric_api_call_with_fallbacks_helper")
# Of these LiteLLM hands streams out as they come.
_OPENED = frozenset({"_atext_completion", "_ageneric_api_call_with_fallbacks_helper"})
# Where a stream of the Responses API keeps the chat stream that it translates.
_WITHIN = "litellm_custom_stream_wrapper"


class Told(Protocol):
    """Who is told of an answer that is none."""

    def __call__(self, metadata: Mapping[str, Any], error: PointsmanError, *, partial: bool) -> None:
        """The metadata of its call, what is wrong, and whether content had gone out."""


class AnswerGuard:
    """Stands between a LiteLLM router's attempts and its failover, which then goes on to the next deployment.

    It looks at calls that carry our key and at no others. The methods it stands in front of are LiteLLM's own business;
    where a version has other ones, answers stay unguarded.

    Args:
        host: the LiteLLM router.
        told: who hears of what was no answer.
        entry: what has to be awaited before an attempt, given its call's metadata and LiteLLM's name of the model; None
            for nothing. What that raises is the failure of an attempt that was not made.
        left: who hears, with the metadata of its call, that its caller has gone, and after how many pieces of a stream.

    Attributes:
        host: the LiteLLM router.
    """

    def __init__(
        self,
        host: Any,
        told: Told,
        entry: Callable[[Mapping[str, Any], Any], Awaitable[None] | None] | None = None,
        *,
        left: Callable[[Mapping[str, Any], int], None],
    ) -> None:
        self.host = host
        self._told = told
        self._hear = left
        self._dropped: deque[tuple[Mapping[str, Any], int]] = deque()
        self._entry = entry
        self._before: dict[str, Any] = {}

    def install(self) -> None:
        """Stand in front of each method that there is."""
        guards: dict[str, Any] = {
            **({"_completion_streaming_iterator": self._stream} if _LITELLM >= (1, 106) else {}),
            "_acompletion_streaming_iterator": self._astream,
            **{name: partial(self._complete, name) for name in _WHOLE},
            **{name: partial(self._acomplete, name) for name in _AWHOLE},
        }
        for name, guard in guards.items():
            if callable(original := getattr(self.host, name, None)):
                self._before[name] = original
                setattr(self.host, name, guard)

    def uninstall(self) -> None:
        """Stand aside."""
        for name in self._before:
            delattr(self.host, name)
        self._before = {}

    def _leaver(self, metadata: Mapping[str, Any]) -> Callable[..., None]:
        return partial(self._left, {CALL_KEY: metadata[CALL_KEY]})  # callers may use theirs again meanwhile

    def _left(self, metadata: Mapping[str, Any], pieces: int, *, dropped: bool = False) -> None:
        """Tell who has gone, and before the next attempt who dropped a stream: that comes in the middle of anything."""
        if dropped:
            self._dropped.append((metadata, pieces))
        else:
            self._hear(metadata, pieces)

    def _tell_dropped(self) -> None:
        while self._dropped:
            with contextlib.suppress(IndexError):  # another thread has told of it
                self._hear(*self._dropped.popleft())

    def _complete(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self._tell_dropped()
        return self._whole(self._before[name](*args, **kwargs), kwargs)

    async def _acomplete(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self._tell_dropped()
        if self._entry is not None and (metadata := metadata_of(kwargs)):
            first = self._entry(metadata, kwargs.get("model"))
            if first is not None:
                await first
        try:
            answer = await self._before[name](*args, **kwargs)
            if name in _OPENED and hasattr(answer, "__aiter__") and (metadata := metadata_of(kwargs)):
                self._watch_source(getattr(answer, _WITHIN, None), metadata)
                return await opened(answer, partial(self._told, metadata), self._leaver(metadata))
        except asyncio.CancelledError:
            if metadata := metadata_of(kwargs):
                self._left(metadata, 0)
            raise
        return self._whole(answer, kwargs)

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        self._watch(kwargs, opens=False)
        return self._before["_completion_streaming_iterator"](*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> Any:
        if metadata := self._watch(kwargs, opens=True):
            stream, told, leaver = kwargs["model_response"], partial(self._told, metadata), self._leaver(metadata)
            begun = []
            if (first := kwargs.get("first_chunk")) is not None:  # since 1.109 LiteLLM has read it by now
                kwargs["first_chunk"] = None
                begun = [] if first.chunk is None else [first.chunk]
            kwargs["model_response"] = await opened(stream, told, leaver, begun=begun)
        return await self._before["_acompletion_streaming_iterator"](*args, **kwargs)

    def _whole(self, answer: Any, kwargs: Mapping[str, Any]) -> Any:
        if metadata := metadata_of(kwargs):
            error: PointsmanError | None = None
            if (body := error_in(answer)) is not None:
                error = reported(body)
            elif is_empty(answer):
                error = EmptyAnswerError("the model answered with success and no content")
            if error is not None:
                self._told(metadata, error, partial=False)
                raise error
        return answer

    def _watch(self, kwargs: Mapping[str, Any], *, opens: bool) -> Mapping[str, Any]:
        """Put a guard around what LiteLLM's stream reads, if it is ours; the metadata of its call then."""
        inner = kwargs.get("initial_kwargs")
        metadata = metadata_of(inner) if isinstance(inner, Mapping) else {}
        if metadata:
            # That one is left which is opened shows there.
            left = None if opens else self._leaver(metadata)
            self._watch_source(kwargs.get("model_response"), metadata, left)
        return metadata

    def _watch_source(self, stream: Any, metadata: Mapping[str, Any], left: Callable[..., None] | None = None) -> None:
        source = getattr(stream, "completion_stream", None)
        if hasattr(stream, "chunks") and (hasattr(source, "__next__") or hasattr(source, "__anext__")):
            stream.completion_stream = _Watched(stream, source, partial(self._told, metadata), left)


class _Watched:
    """A provider's stream that fails at its end if it was no answer; everything else of it is as it was."""

    def __init__(self, stream: Any, source: Any, told: Callable[..., None], left: Callable[..., None] | None) -> None:
        self._stream = stream
        self._source = source
        self._told = told
        self._left = left
        self._pieces = 0
        self._usable = any(_is_usable(read(chunk)) for chunk in stream.chunks)
        self._says_why = bool(stream.chunks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._source)
        except StopIteration:
            self._left = None
            self._judge()
            raise
        except Exception:
            self._left = None  # LiteLLM tells of it
            raise
        self._pieces += 1
        self._look(chunk)
        return chunk

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await anext(self._source)
        except StopAsyncIteration:
            self._judge()
            raise
        self._look(chunk)
        return chunk

    def __del__(self) -> None:
        if self._left is not None:
            self._left(self._pieces, dropped=True)

    def _look(self, chunk: Any) -> None:
        if not self._usable:
            reading = read(chunk)
            self._usable = _is_usable(reading)
            self._says_why |= reading.says_why_it_ends

    def _judge(self) -> None:
        reason = getattr(self._stream, "received_finish_reason", None)
        error: PointsmanError | None = None
        if self._says_why and reason is None:
            error = TruncatedStreamError("the stream ended without a finish reason")
        elif Reading(content=self._usable, finish_reason=reason).empty:
            error = EmptyAnswerError("the stream ended without content")
        if error is not None:
            self._told(error, partial=self._usable)
            raise error


def _is_usable(reading: Reading) -> bool:
    return reading.content or reading.tool_call or not reading.judged
