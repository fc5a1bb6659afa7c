"""What LiteLLM takes for an answer and is none: success without content, and streams that end without saying why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Protocol

from pointsman.errors import EmptyAnswerError, PointsmanError, TruncatedStreamError
from pointsman.failover.readings import Reading, read, reported
from pointsman.litellm.answers import error_in, is_empty
from pointsman.litellm.openings import opened
from pointsman.litellm.outcomes import metadata_of

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

    Attributes:
        host: the LiteLLM router.
    """

    def __init__(self, host: Any, told: Told) -> None:
        self.host = host
        self._told = told
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

    def _complete(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._whole(self._before[name](*args, **kwargs), kwargs)

    async def _acomplete(self, name: str, *args: Any, **kwargs: Any) -> Any:
        answer = await self._before[name](*args, **kwargs)
        if name in _OPENED and hasattr(answer, "__aiter__") and (metadata := metadata_of(kwargs)):
            self._watch_source(getattr(answer, _WITHIN, None), metadata)
            return await opened(answer, partial(self._told, metadata))
        return self._whole(answer, kwargs)

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        self._watch(kwargs)
        return self._before["_completion_streaming_iterator"](*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> Any:
        if metadata := self._watch(kwargs):
            kwargs["model_response"] = await opened(kwargs["model_response"], partial(self._told, metadata))
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

    def _watch(self, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put a guard around what LiteLLM's stream reads, if it is ours; the metadata of its call then."""
        inner = kwargs.get("initial_kwargs")
        metadata = metadata_of(inner) if isinstance(inner, Mapping) else {}
        if metadata:
            self._watch_source(kwargs.get("model_response"), metadata)
        return metadata

    def _watch_source(self, stream: Any, metadata: Mapping[str, Any]) -> None:
        source = getattr(stream, "completion_stream", None)
        if hasattr(stream, "chunks") and (hasattr(source, "__next__") or hasattr(source, "__anext__")):
            stream.completion_stream = _Watched(stream, source, partial(self._told, metadata))


class _Watched:
    """A provider's stream that fails at its end if it was no answer; everything else of it is as it was."""

    def __init__(self, stream: Any, source: Any, told: Callable[..., None]) -> None:
        self._stream = stream
        self._source = source
        self._told = told
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
            self._judge()
            raise
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
