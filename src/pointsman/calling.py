"""Carrying requests out: run, stream and ask, each sync and async, over the one generator of failover."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypedDict, Unpack

from pointsman import caller, drivers
from pointsman.calls import CallLedger, CallSettings
from pointsman.catalog.parameters import Dialect
from pointsman.decision import RoutingDecision
from pointsman.failover import Failover
from pointsman.readings import Reader, read
from pointsman.steps import CallRecord
from pointsman.streams import AsyncRoutedStream, RoutedStream
from pointsman.types import Clock, Messages, Request


class CallLimits(TypedDict, total=False):
    """Limits of one call; what is not given is as the router's settings say.

    Keys:
        deadline: seconds for everything, waits included; for a stream, until its first content.
        timeout: seconds per attempt, and between two chunks of a stream.
        max_cost: USD for everything.
        attempts: how many calls to models at most.
        retries: how often a model is asked again when nothing else is left.
    """

    deadline: float | None
    timeout: float | None
    max_cost: float | None
    attempts: int | None
    retries: int | None


class Calling(ABC):
    """What a router does with a decision: the calls.

    Attributes:
        calls: limits of a call, unless it names its own.
        clock: where time comes from.
    """

    calls: CallSettings
    clock: Clock
    _failover: Failover

    @abstractmethod
    def decide(self, request: Request | str) -> RoutingDecision:
        """Choose who serves; makes no call."""

    def run(
        self,
        request: Request | str,
        call: drivers.SyncCall,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        honours_timeout: bool = False,
        **limits: Unpack[CallLimits],
    ) -> Any:
        """Choose, call, fail over; the answer is what `call(attempt)` returned.

        Args:
            request: what is needed.
            call: makes one attempt; gets an `Attempt` with `.spec`, `.messages`, `.parameters`, `.timeout`.
            dialect: whose parameter names `call` wants: the provider's, or OpenAI's for callers that rename.
            reader: reads tokens and emptiness from the response, where it is of an unusual type.
            honours_timeout: whether `call` gives up by itself at `attempt.timeout`; else it runs in a thread that is
                left behind when it hangs.
            **limits: see `CallLimits`.

        Raises:
            AllModelsFailedError: E4201, with every cause.
            NoEligibleModelsError: E4101 or E4102, before any call.
        """
        decision = self.decide(request)
        return self.execute(
            decision, call, dialect=dialect, reader=reader, honours_timeout=honours_timeout, **limits
        ).value

    async def arun(
        self,
        request: Request | str,
        call: drivers.AsyncCall,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        **limits: Unpack[CallLimits],
    ) -> Any:
        """Like `run`, with a coroutine function."""
        return (await self.aexecute(self.decide(request), call, dialect=dialect, reader=reader, **limits)).value

    def stream(
        self,
        request: Request | RoutingDecision | str,
        call: drivers.SyncCall,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        honours_timeout: bool = False,
        **limits: Unpack[CallLimits],
    ) -> RoutedStream:
        """Like `run`, for a `call` that returns an iterable of chunks; fails over until the first meaningful chunk.

        A decision that was made before is carried out as it is.

        Raises:
            StreamInterruptedError: E4203, if the stream breaks after that; it says what was delivered.
        """
        decision = request if isinstance(request, RoutingDecision) else self.decide(request)
        steps = self._steps(decision, dialect, limits)
        return RoutedStream(
            decision,
            lambda done: drivers.stream(steps, call, self.clock, reader, guarded=not honours_timeout, on_done=done),
        )

    def astream(
        self,
        request: Request | RoutingDecision | str,
        call: drivers.AsyncStreamCall,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        **limits: Unpack[CallLimits],
    ) -> AsyncRoutedStream:
        """Like `stream`, for an async generator function, or a coroutine function that returns an async iterable."""
        decision = request if isinstance(request, RoutingDecision) else self.decide(request)
        steps = self._steps(decision, dialect, limits)
        return AsyncRoutedStream(decision, lambda done: drivers.astream(steps, call, self.clock, reader, on_done=done))

    def execute(
        self,
        decision: RoutingDecision,
        call: drivers.SyncCall,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        honours_timeout: bool = False,
        **limits: Unpack[CallLimits],
    ) -> CallRecord:
        """Carry out a decision that was made before; the record holds the answer and every attempt."""
        steps = self._steps(decision, dialect, limits)
        return drivers.run(steps, call, self.clock, reader, guarded=not honours_timeout)

    async def aexecute(
        self,
        decision: RoutingDecision,
        call: drivers.AsyncCall,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        **limits: Unpack[CallLimits],
    ) -> CallRecord:
        """Like `execute`, with a coroutine function."""
        return await drivers.arun(self._steps(decision, dialect, limits), call, self.clock, reader)

    def steps(
        self, decision: RoutingDecision, *, dialect: Dialect = "openai", **limits: Unpack[CallLimits]
    ) -> drivers.Steps:
        """A decision as the steps of failover, for hosts that make the calls themselves; see `pointsman.steps`."""
        return self._steps(decision, dialect, limits)

    def _steps(self, decision: RoutingDecision, dialect: Dialect, limits: CallLimits) -> drivers.Steps:
        ledger = CallLedger(self.calls.with_changes(**limits), self.clock)
        return self._failover.steps(decision, ledger, dialect)

    # -- calling through LiteLLM

    def ask(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> str:
        """One answer's text, through LiteLLM; see `run`."""
        response = self.run(_asked(prompt), caller.complete, dialect="openai", honours_timeout=True, **limits)
        return caller.text_of(response)

    async def aask(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> str:
        """One answer's text, through LiteLLM; see `arun`."""
        return caller.text_of(await self.arun(_asked(prompt), caller.acomplete, dialect="openai", **limits))

    def ask_stream(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> Iterator[str]:
        """One answer's text as it comes, through LiteLLM; see `stream`."""
        chunks = self.stream(_asked(prompt), caller.complete_stream, dialect="openai", honours_timeout=True, **limits)
        return (text for chunk in chunks if (text := caller.chunk_text(chunk)))

    async def aask_stream(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> AsyncIterator[str]:
        """One answer's text as it comes, through LiteLLM; see `astream`."""
        async for chunk in self.astream(_asked(prompt), caller.acomplete_stream, dialect="openai", **limits):
            if text := caller.chunk_text(chunk):
                yield text


def _asked(prompt: str | Messages | Request) -> Request:
    return prompt if isinstance(prompt, Request) else Request(messages=prompt)
