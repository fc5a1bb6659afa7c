"""`Dispatch`: carries routed calls to chat models, in the four ways in which they are called."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from pointsman.calling import CallLimits
from pointsman.errors import MissingCredentialError, MissingDependencyError, ModelLoadError, NoEligibleModelsError
from pointsman.failover.steps import Attempt, CallRecord
from pointsman.langchain.children import Children
from pointsman.langchain.messages import RecordWriter, as_chunk, read_chunk, read_result, with_record
from pointsman.langchain.routed import Options, RoutedCall
from pointsman.router import Router
from pointsman.types import Outcome, Request


@dataclass(slots=True)  # not frozen: it is made for each call, and that would take three times as long
class Dispatch:
    """A router and the chat models it routes to."""

    router: Router
    models: Children

    def route(
        self, messages: list[BaseMessage], model: str | None, options: Options, requirements: Mapping[str, Any]
    ) -> RoutedCall:
        """Decide who serves a call; what cannot be built is passed over.

        Raises:
            NoEligibleModelsError: E4101 or E4102.
            MissingDependencyError: E4401, if nothing is left because packages are missing.
            MissingCredentialError: E4402, if nothing is left because keys are missing.
            ModelLoadError: E4403, if nothing is left because models could not be loaded.
        """
        request = self._request(messages, model, options, requirements)
        missing: Exception | None = None
        while True:
            try:
                decision = self.router.decide(request)
            except NoEligibleModelsError:
                if missing is not None:
                    raise missing from None
                raise
            try:
                return RoutedCall(decision, self.models.of(decision.spec), options)
            except (MissingDependencyError, MissingCredentialError, ModelLoadError) as error:
                if error.__cause__ is not None:  # a model that does not load is ill; one without a key is not set up
                    self.router.observe(decision, Outcome(error=error))
                missing = missing or error
                request = request.replace(exclude=frozenset(request.exclude) | {decision.model})

    def _request(
        self, messages: list[BaseMessage], model: str | None, options: Options, requirements: Mapping[str, Any]
    ) -> Request:
        tools, response_format = options.rest.get("tools") or (), options.rest.get("response_format")
        homes: frozenset[str] = frozenset()
        if options.tools is not None:
            tools, homes = options.tools, options.tools.providers
            response_format = response_format or options.tools.arguments.get("response_format")
        if options.structure is not None and (child := self.models.reference) is not None:
            asked = options.structure.for_child(child).arguments
            tools = [*tools, *asked.get("tools", ())]
            response_format = response_format or asked.get("response_format")
        facts: dict[str, Any] = dict(requirements)
        if homes:  # tools that run at a provider are at home there
            facts["prefer_providers"] = frozenset(facts.get("prefer_providers", ())) | homes
        facts["messages"] = messages
        facts["parameters"] = (
            {**facts["parameters"], **options.parameters} if "parameters" in facts else options.parameters
        )
        if model is not None:
            facts["model"] = model
        if tools:
            facts["tools"] = tools
        if response_format is not None:
            facts["response_format"] = response_format
        if absent := self.models.absent:
            facts["exclude"] = absent | frozenset(facts["exclude"]) if facts.get("exclude") else absent
        return Request(**facts)

    # -- whole answers

    def generate(self, call: RoutedCall, messages: list[BaseMessage], limits: CallLimits) -> ChatResult:
        """Answer, with other models if need be."""

        def perform(attempt: Attempt) -> ChatResult:
            return self._answer(call, messages, attempt)

        record = self.router.execute(
            call.decision,
            perform,
            dialect="openai",
            reader=read_result,
            honours_timeout=self.models.all_take_timeout,
            **limits,
        )
        return with_record(record.value, record)

    async def agenerate(self, call: RoutedCall, messages: list[BaseMessage], limits: CallLimits) -> ChatResult:
        """Answer, with other models if need be."""

        async def perform(attempt: Attempt) -> ChatResult:
            return await self._aanswer(call, messages, attempt)

        record = await self.router.aexecute(call.decision, perform, dialect="openai", reader=read_result, **limits)
        return with_record(record.value, record)

    def _answer(self, call: RoutedCall, messages: list[BaseMessage], attempt: Attempt) -> ChatResult:
        with self.models.lease(attempt.spec) as child:
            messages, arguments = call.fitted(child, attempt, messages)
            # Through the child's cache and rate limiter, without a run of its own.
            return child._generate_with_cache(messages, run_manager=None, **arguments)  # noqa: SLF001

    async def _aanswer(self, call: RoutedCall, messages: list[BaseMessage], attempt: Attempt) -> ChatResult:
        async with self.models.alease(attempt.spec) as child:
            messages, arguments = call.fitted(child, attempt, messages)
            return await child._agenerate_with_cache(messages, run_manager=None, **arguments)  # noqa: SLF001

    # -- streams

    def stream(
        self, call: RoutedCall, messages: list[BaseMessage], limits: CallLimits
    ) -> Iterator[ChatGenerationChunk]:
        """Stream, with other models until the first content."""

        def perform(attempt: Attempt) -> Iterator[ChatGenerationChunk]:
            return leased(attempt) if self.models.limited else opened(self.models.of(attempt.spec), attempt)

        def leased(attempt: Attempt) -> Iterator[ChatGenerationChunk]:
            with self.models.lease(attempt.spec) as child, contextlib.ExitStack() as at_the_end:
                chunks: Any = opened(child, attempt)
                if hasattr(chunks, "close"):
                    at_the_end.callback(chunks.close)
                yield from chunks

        def opened(child: BaseChatModel, attempt: Attempt) -> Iterator[ChatGenerationChunk]:
            fitted, arguments = call.fitted(child, attempt, messages)
            if not child._should_stream(async_api=False, **{**arguments, "stream": True}):  # noqa: SLF001
                return _chunks(self._answer(call, messages, attempt))
            if child.rate_limiter is not None:
                child.rate_limiter.acquire(blocking=True)
            return child._stream(fitted, **arguments)  # noqa: SLF001  its own stream, without a run of its own

        chunks = self.router.stream(
            call.decision,
            perform,
            dialect="openai",
            reader=read_chunk,
            **limits,
        )
        writer = RecordWriter()
        with contextlib.closing(chunks):
            for chunk in chunks:
                yield from writer.feed(chunk)
        yield writer.finish(_ended(chunks.record))

    async def astream(
        self, call: RoutedCall, messages: list[BaseMessage], limits: CallLimits
    ) -> AsyncIterator[ChatGenerationChunk]:
        """Stream, with other models until the first content."""

        async def perform(attempt: Attempt) -> AsyncIterator[ChatGenerationChunk]:
            if self.models.limited:
                return leased(attempt)
            async with self.models.alease(attempt.spec) as child:
                return await opened(child, attempt)

        async def leased(attempt: Attempt) -> AsyncIterator[ChatGenerationChunk]:
            async with self.models.alease(attempt.spec) as child:
                chunks: Any = await opened(child, attempt)
                async with contextlib.aclosing(chunks):
                    async for chunk in chunks:
                        yield chunk

        async def opened(child: BaseChatModel, attempt: Attempt) -> AsyncIterator[ChatGenerationChunk]:
            fitted, arguments = call.fitted(child, attempt, messages)
            if not child._should_stream(async_api=True, **{**arguments, "stream": True}):  # noqa: SLF001
                return _achunks(await self._aanswer(call, messages, attempt))
            if child.rate_limiter is not None:
                await child.rate_limiter.aacquire(blocking=True)
            return child._astream(fitted, **arguments)  # noqa: SLF001  likewise

        chunks = self.router.astream(call.decision, perform, dialect="openai", reader=read_chunk, **limits)
        writer = RecordWriter()
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                for ready in writer.feed(chunk):
                    yield ready
        yield writer.finish(_ended(chunks.record))


def _ended(record: CallRecord | None) -> CallRecord:
    if record is None:
        raise RuntimeError("the stream ended without a record")
    return record


def _chunks(result: ChatResult) -> Iterator[ChatGenerationChunk]:
    for generation in result.generations[:1]:
        yield as_chunk(generation.message, generation.generation_info)


async def _achunks(result: ChatResult) -> AsyncIterator[ChatGenerationChunk]:
    for chunk in _chunks(result):
        yield chunk
