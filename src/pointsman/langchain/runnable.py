"""`RunnableRouter`, which routes to whole chains, and `RouteRunnable`, which only says who would serve."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import patch_config
from pydantic import ConfigDict, Field, SkipValidation, model_validator

from pointsman.arguments import expect, expect_mapping
from pointsman.calling import CallLimits
from pointsman.decision import RoutingDecision
from pointsman.errors import ConfigError
from pointsman.failover.steps import Attempt, CallRecord
from pointsman.langchain.children import Children
from pointsman.langchain.fields import refuse_unknown
from pointsman.langchain.messages import RECORD, RecordWriter, facts_of, messages_of, read_output
from pointsman.langchain.requirements import merged, read_requirements
from pointsman.router import Router
from pointsman.types import Request


class RouteRunnable(RunnableSerializable[Any, RoutingDecision]):
    """Decides and calls nothing: prompt in, `RoutingDecision` out.

    Args:
        router: who decides.
        requirements: fields of `pointsman.Request` that hold for every call.
    """

    router: Router = Field(repr=False, exclude=True)
    requirements: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        refuse_unknown(cls, values)
        return values

    def __init__(self, router: Router, **fields: Any) -> None:
        expect(router, Router, "router", "a pointsman.Router")
        if fields.get("requirements"):
            fields["requirements"] = read_requirements(fields["requirements"])
        super().__init__(**{"router": router, **fields})

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> RoutingDecision:
        """Decide who would serve this input; keyword arguments are further requirements."""
        wishes = merged(self.requirements, read_requirements(kwargs)) if kwargs else self.requirements
        return self._call_with_config(lambda value: self.router.decide(_request(value, wishes)), input, config)


class RunnableRouter(RunnableSerializable[Any, Any]):
    """Routes each input to one of several Runnables, whole chains too, and fails over between them.

    Args:
        router: who decides.
        runnables: the Runnable behind each model, by its name or key.
        requirements: fields of `pointsman.Request` that hold for every call.
        timeout: seconds per attempt.
        deadline: seconds per call, all attempts together.
        max_cost: USD per call, all attempts together.

    Raises:
        ModelNotFoundError: E4001, for a name that is not registered.
    """

    router: Router = Field(repr=False, exclude=True)
    runnables: SkipValidation[Mapping[str, Runnable[Any, Any]]] = Field(repr=False, exclude=True)
    requirements: dict[str, Any] = Field(default_factory=dict)
    timeout: float | None = None
    deadline: float | None = None
    max_cost: float | None = None

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        refuse_unknown(cls, values)
        return values

    def __init__(self, router: Router, runnables: Mapping[str, Runnable[Any, Any]], **fields: Any) -> None:
        expect(router, Router, "router", "a pointsman.Router")
        expect_mapping(runnables, "runnables")
        if fields.get("requirements"):
            fields["requirements"] = read_requirements(fields["requirements"])
        if not runnables:
            raise ConfigError("no Runnable was given", hint="pass {name of a registered model: Runnable}")
        by_key: Mapping[str, Runnable[Any, Any]] = runnables
        if not isinstance(runnables, Children):  # these are keyed so already, and built only when they are used
            for name, runnable in runnables.items():
                expect(runnable, Runnable, f"the Runnable behind {name!r}", "a Runnable")
            by_key = {router.registry.get_model(name).key: runnable for name, runnable in runnables.items()}
        super().__init__(**{"router": router, "runnables": by_key, **fields})

    def require(self, **requirements: Any) -> RunnableRouter:
        """A copy whose calls need more: fields of `pointsman.Request`."""
        return self.model_copy(update={"requirements": merged(self.requirements, read_requirements(requirements))})

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Route and answer."""
        return self._call_with_config(self._invoke, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Route and answer."""
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Route and stream; others take over until the first content."""
        yield from self._transform_stream_with_config(iter([input]), self._stream, config, **kwargs)

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Route and stream; others take over until the first content."""

        async def inputs() -> AsyncIterator[Any]:
            yield input

        chunks = self._atransform_stream_with_config(inputs(), self._astream, config, **kwargs)
        async for chunk in chunks:
            yield chunk

    def _decide(self, value: Any) -> RoutingDecision:
        if isinstance(self.runnables, Children):
            others = self.runnables.absent
        else:
            others = frozenset(spec.key for spec in self.router.registry if spec.key not in self.runnables)
        wishes = merged(self.requirements, {"exclude": others}) if others else self.requirements
        return self.router.decide(_request(value, wishes))

    @property
    def _limits(self) -> CallLimits:
        return {"deadline": self.deadline, "timeout": self.timeout, "max_cost": self.max_cost}

    def _invoke(
        self, value: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> Any:
        def perform(attempt: Attempt) -> Any:
            return self.runnables[attempt.model].invoke(value, _child_config(config, run_manager, attempt), **kwargs)

        decision = self._decide(value)
        record = self.router.execute(decision, perform, dialect="openai", reader=read_output, **self._limits)
        return _noted(record)

    async def _ainvoke(
        self, value: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> Any:
        async def perform(attempt: Attempt) -> Any:
            runnable = self.runnables[attempt.model]
            return await runnable.ainvoke(value, _child_config(config, run_manager, attempt), **kwargs)

        decision = self._decide(value)
        record = await self.router.aexecute(decision, perform, dialect="openai", reader=read_output, **self._limits)
        return _noted(record)

    def _stream(
        self, inputs: Iterator[Any], run_manager: CallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> Iterator[Any]:
        for value in inputs:

            def perform(attempt: Attempt, value: Any = value) -> Iterator[Any]:
                return self.runnables[attempt.model].stream(
                    value, _child_config(config, run_manager, attempt), **kwargs
                )

            chunks = self.router.stream(
                self._decide(value), perform, dialect="openai", reader=read_output, **self._limits
            )
            writer = _OutputWriter()
            with contextlib.closing(chunks):
                for chunk in chunks:
                    yield from writer.feed(chunk)
            yield from writer.finish(chunks.record)

    async def _astream(
        self,
        inputs: AsyncIterator[Any],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        async for value in inputs:

            def perform(attempt: Attempt, value: Any = value) -> AsyncIterator[Any]:
                return self.runnables[attempt.model].astream(
                    value, _child_config(config, run_manager, attempt), **kwargs
                )

            chunks = self.router.astream(
                self._decide(value), perform, dialect="openai", reader=read_output, **self._limits
            )
            writer = _OutputWriter()
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    for ready in writer.feed(chunk):
                        yield ready
            for ready in writer.finish(chunks.record):
                yield ready


class _OutputWriter:
    """Writes the record into the last chunk of a stream of messages; streams of anything else pass as they are."""

    def __init__(self) -> None:
        self._writer: RecordWriter | None = None

    def feed(self, chunk: Any) -> Iterator[Any]:
        if not isinstance(chunk, AIMessageChunk):
            yield chunk
            return
        self._writer = self._writer or RecordWriter()
        for ready in self._writer.feed(ChatGenerationChunk(message=chunk)):
            yield ready.message

    def finish(self, record: CallRecord | None) -> Iterator[Any]:
        if self._writer is not None and record is not None:
            yield self._writer.finish(record).message


def _request(value: Any, wishes: Mapping[str, Any]) -> Request:
    return Request(**{**wishes, "messages": messages_of(value)})


def _child_config(config: RunnableConfig, run_manager: Any, attempt: Attempt) -> RunnableConfig:
    """The config of one attempt's run: beneath ours, and saying which decision it carries out."""
    child = patch_config(config, callbacks=run_manager.get_child(f"model:{attempt.model}"))
    child["metadata"] = {
        **child.get("metadata", {}),
        "pointsman_decision": attempt.decision.id,
        "pointsman_model": attempt.model,
    }
    return child


def _noted(record: CallRecord) -> Any:
    value = record.value
    if isinstance(value, AIMessage):
        return value.model_copy(update={"response_metadata": {**value.response_metadata, RECORD: facts_of(record)}})
    return value
