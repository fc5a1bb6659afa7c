"""`RoutedChatModel`: LangChain's ways into a chat model, each of them routed; what is chosen is pinned into the call."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, BaseRunManager, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.utils.utils import LC_ID_PREFIX

from pointsman.calling import CallLimits
from pointsman.langchain.dispatch import Dispatch
from pointsman.langchain.routed import PinnedModel, RoutedCall


class RoutedChatModel(BaseChatModel):
    """Decides where a call comes in, so that LangChain's own layers see it as a call of the model that was chosen."""

    @abstractmethod
    def _routed(self, messages: list[BaseMessage], stop: list[str] | None, given: Mapping[str, Any]) -> RoutedCall:
        """Decide who serves a call with these arguments."""

    cache: Any
    streaming: bool

    @property
    @abstractmethod
    def _dispatch(self) -> Dispatch:
        """What carries calls out."""

    @property
    @abstractmethod
    def _limits(self) -> CallLimits:
        """What a call may take."""

    # -- the public entries, where calls are routed

    def generate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Route and answer each list of messages."""
        runs, given = _split(kwargs, len(messages))
        answer = super().generate
        if len(messages) == 1:
            return answer(messages, callbacks=callbacks, **runs[0], **self._pinned(messages[0], stop, given))
        return _joined(
            [
                answer([each], callbacks=callbacks, **run, **self._pinned(each, stop, given))
                for each, run in zip(messages, runs, strict=True)
            ]
        )

    async def agenerate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """Route and answer each list of messages."""
        runs, given = _split(kwargs, len(messages))
        answer = super().agenerate
        if len(messages) == 1:
            return await answer(messages, callbacks=callbacks, **runs[0], **self._pinned(messages[0], stop, given))
        calls = [
            answer([each], callbacks=callbacks, **run, **self._pinned(each, stop, given))
            for each, run in zip(messages, runs, strict=True)
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return _joined(results)

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Route and stream; other models take over until the first content, nothing is repeated after it."""
        messages = self._convert_input(input).to_messages()
        yield from super().stream(messages, config, **self._pinned(messages, stop, kwargs))

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Route and stream; other models take over until the first content, nothing is repeated after it."""
        messages = self._convert_input(input).to_messages()
        chunks: Any = super().astream(messages, config, **self._pinned(messages, stop, kwargs))
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    def _chat_model_stream_v3(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        messages = self._convert_input(input).to_messages()
        return super()._chat_model_stream_v3(messages, config, **self._pinned(messages, stop, kwargs))

    async def _achat_model_stream_v3(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        messages = self._convert_input(input).to_messages()
        return await super()._achat_model_stream_v3(messages, config, **self._pinned(messages, stop, kwargs))

    def _pinned(self, messages: list[BaseMessage], stop: list[str] | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """A call's keyword arguments with a decision in them."""
        if isinstance(given.get("model"), PinnedModel):
            return {**given, "stop": stop} if stop else dict(given)
        return self._routed(messages, stop, given).shown()

    # -- what LangChain's base class calls in between

    def _call_of(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]) -> RoutedCall:
        """The routed call that a public entry made; one is made now if somebody came in by the back door."""
        pinned = kwargs.get("model")
        return pinned.routed if isinstance(pinned, PinnedModel) else self._routed(messages, stop, kwargs)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self._is_plain(run_manager, kwargs):
            return _named(self._generate(messages, stop, **kwargs), run_manager)
        return super()._generate_with_cache(messages, stop, run_manager, **kwargs)

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self._is_plain(run_manager, kwargs):
            return _named(await self._agenerate(messages, stop, **kwargs), run_manager)
        return await super()._agenerate_with_cache(messages, stop, run_manager, **kwargs)

    def _is_plain(self, run_manager: BaseRunManager | None, kwargs: Mapping[str, Any]) -> bool:
        """Whether all that LangChain does at this point has been done by the child: nothing is cached, nobody listens."""
        listened = run_manager is None or bool(run_manager.handlers)
        return (
            not listened
            and self.cache is False
            and self.rate_limiter is None
            and not self.streaming
            and "stream" not in kwargs
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager  # the run is ours: a second one for the child would count its usage twice
        return self._dispatch.generate(self._call_of(messages, stop, kwargs), messages, self._limits)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del run_manager  # likewise
        return await self._dispatch.agenerate(self._call_of(messages, stop, kwargs), messages, self._limits)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        del run_manager  # likewise
        return self._dispatch.stream(self._call_of(messages, stop, kwargs), messages, self._limits)

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        del run_manager  # likewise
        return self._dispatch.astream(self._call_of(messages, stop, kwargs), messages, self._limits)


def _named(result: ChatResult, run_manager: BaseRunManager | None) -> ChatResult:
    """Give messages that have no id the one of their run."""
    for index, generation in enumerate(result.generations):
        if generation.message.id is None and run_manager is not None:
            generation.message.id = f"{LC_ID_PREFIX}-{run_manager.run_id}-{index}"
    return result


_RUN = ("tags", "metadata", "run_name", "run_id")


def _split(given: Mapping[str, Any], count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Take the arguments of LangChain's run out of a call's; a run id serves one run only."""
    rest = dict(given)
    run = {name: rest.pop(name) for name in _RUN if name in rest}
    return [run, *({**run, "run_id": None} for _ in range(count - 1))], rest


def _joined(results: Sequence[Any]) -> LLMResult:
    if len(results) == 1:
        only: LLMResult = results[0]
        return only
    return LLMResult(
        generations=[each for result in results for each in result.generations],
        run=[info for result in results for info in result.run or ()],
    )
