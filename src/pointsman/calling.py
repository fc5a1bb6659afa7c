"""Carrying requests out: run, stream and ask, each sync and async, over the one generator of failover."""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Self, TypedDict, Unpack, get_args

from pointsman import caller
from pointsman.arguments import expect, expect_callable
from pointsman.catalog.parameters import Dialect
from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.errors import InvalidRequestError
from pointsman.failover import drivers
from pointsman.failover.blame import Blame
from pointsman.failover.calls import CallLedger, CallSettings, ChangedSettings, RetryScope
from pointsman.failover.plan import Failover
from pointsman.failover.readings import Reader, read
from pointsman.failover.steps import CallRecord
from pointsman.failover.streams import AsyncRoutedStream, RoutedStream
from pointsman.recall import Place, Recall, Reply, named
from pointsman.types import Clock, Messages, Request

_DIALECTS = get_args(Dialect)


class CallLimits(TypedDict, total=False):
    """Limits of one call; what is not given is as the router's settings say.

    Keys:
        deadline: seconds for everything, waits included; for a stream, until its first content.
        timeout: seconds per attempt, and between two chunks of a stream.
        max_cost: USD for everything.
        attempts: how many calls to models at most.
        retries: how often a model is asked again when nothing else is left.
        retry_scope: who may be asked after a failure: `any`, the same `provider`, or the same `model`'s deployments.
        retry_wait: tenacity's strategy (or a function of its `RetryCallState`) for the pause before a model is asked
            again; a server's own hint is the least.
        retry_stop: likewise, for when to stop asking again; it takes the place of `retries`.
    """

    deadline: float | None
    timeout: float | None
    ttft_timeout: float | None
    idle_timeout: float | None
    max_cost: float | None
    attempts: int | None
    retries: int | None
    retry_scope: RetryScope | None
    retry_wait: Callable[[Any], float] | None
    retry_stop: Callable[[Any], bool] | None


class Calling(ABC):
    """What a router does with a decision: the calls.

    Attributes:
        calls: limits of a call, unless it names its own.
        clock: where time comes from.
    """

    calls: CallSettings
    clock: Clock
    _changed: ChangedSettings
    _failover: Failover
    _recall: Recall | None = None

    @abstractmethod
    def decide(self, request: Request | str) -> RoutingDecision:
        """Choose who serves; makes no call."""

    @abstractmethod
    def close(self) -> None:
        """Write what waits and give back what is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        request: Request | str,
        call: drivers.SyncCall | None = None,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        honours_timeout: bool = False,
        **limits: Unpack[CallLimits],
    ) -> Any:
        """Choose, call, fail over; the answer is what `call(attempt)` returned.

        Args:
            request: what is needed.
            call: makes one attempt; gets an `Attempt` with `.spec`, `.messages`, `.parameters`, `.timeout`. Without
                it, LiteLLM does, or a model's own implementation; both answer in OpenAI's form.
            dialect: whose parameter names `call` wants: the provider's, or OpenAI's for callers that rename.
            reader: reads tokens and emptiness from the response, where it is of an unusual type.
            honours_timeout: whether `call` gives up by itself at `attempt.timeout`; else it runs in a thread that is
                left behind when it hangs.
            **limits: see `CallLimits`.

        Raises:
            AllModelsFailedError: E4201, with every cause.
            NoEligibleModelsError: E4101 or E4102, before any call.
        """
        return self.reply(
            request, call, dialect=dialect, reader=reader, honours_timeout=honours_timeout, **limits
        ).value

    async def arun(
        self,
        request: Request | str,
        call: drivers.AsyncCall | None = None,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        **limits: Unpack[CallLimits],
    ) -> Any:
        """Like `run`, with a coroutine function."""
        return (await self.areply(request, call, dialect=dialect, reader=reader, **limits)).value

    def reply(
        self,
        request: Request | str,
        call: drivers.SyncCall | None = None,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        honours_timeout: bool = False,
        **limits: Unpack[CallLimits],
    ) -> Reply:
        """Like `run`, but says beside the answer who gave it, whether it comes from the cache, and what it took.

        With a `call` of one's own, answers come from the cache for requests with `cache=True` alone: what such a
        function does beside calling is not known here.
        """
        asked = _asked(request)
        made_by = call
        if call is None:
            call, dialect, honours_timeout = caller.complete, "openai", True

        def make(left: float | None) -> Reply:
            record = self.execute(
                self.decide(asked),
                call,
                dialect=dialect,
                reader=reader,
                honours_timeout=honours_timeout,
                **_within(limits, left),
            )
            return Reply(record.value, record.spec.key, record=record)

        recall, place = self._place(asked, "response", made_by)
        return make(None) if recall is None or place is None else recall.run(place, make, self._deadline(limits))

    async def areply(
        self,
        request: Request | str,
        call: drivers.AsyncCall | None = None,
        *,
        dialect: Dialect = "provider",
        reader: Reader = read,
        **limits: Unpack[CallLimits],
    ) -> Reply:
        """Like `reply`, with a coroutine function."""
        asked = _asked(request)
        made_by = call
        if call is None:
            call, dialect = caller.acomplete, "openai"

        async def make(left: float | None) -> Reply:
            record = await self.aexecute(
                self.decide(asked), call, dialect=dialect, reader=reader, **_within(limits, left)
            )
            return Reply(record.value, record.spec.key, record=record)

        recall, place = self._place(asked, "response", made_by)
        if recall is None or place is None:
            return await make(None)
        return await recall.arun(place, make, self._deadline(limits))

    def _place(self, request: Request, form: str, call: Any = None) -> tuple[Recall | None, Place | None]:
        """The cache, and where the request's answer is kept in it; nothing if it is not to be."""
        recall = self._recall
        if recall is None or (call is not None and request.cache is not True):
            return None, None
        return recall, recall.place(request, form if call is None else named(call))

    def _deadline(self, limits: CallLimits) -> float | None:
        given = limits.get("deadline")
        return self.calls.deadline if given is None else given

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
        settings = self._changed.of(self.calls, limits)
        steps = self._steps(decision, dialect, settings, streamed=True)
        expect_callable(call, "call")
        guarded = not honours_timeout and settings.limits_time
        return RoutedStream(
            decision,
            lambda done: drivers.stream(steps, call, self.clock, reader, guarded=guarded, on_done=done),
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
        steps = self._steps(decision, dialect, self._changed.of(self.calls, limits), streamed=True)
        expect_callable(call, "call")
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
        settings = self._changed.of(self.calls, limits)
        steps = self._steps(decision, dialect, settings)
        expect_callable(call, "call")
        if inspect.iscoroutinefunction(call):
            raise InvalidRequestError("the call is a coroutine function", field="call", hint="await arun(...) takes it")
        return drivers.run(steps, call, self.clock, reader, guarded=not honours_timeout and settings.limits_time)

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
        steps = self._steps(decision, dialect, self._changed.of(self.calls, limits))
        expect_callable(call, "call")
        return await drivers.arun(steps, call, self.clock, reader)

    def steps(
        self, decision: RoutingDecision, *, dialect: Dialect = "openai", **limits: Unpack[CallLimits]
    ) -> drivers.Steps:
        """A decision as the steps of failover, for hosts that make the calls themselves; see `pointsman.failover.steps`."""
        return self._steps(decision, dialect, self._changed.of(self.calls, limits))

    def blame(self) -> Blame:
        """An account for the failures of one call that a host makes by itself; see `observe`."""
        return Blame(self._failover.health, self._failover.pardons)

    def admitted(self, plan: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
        """A plan for hosts that carry it out by themselves, without its first models while others find out about them.

        After an outage or a rate limit one call of all processes asks the model; for the rest it comes last.
        """
        held = 0
        while held < len(plan) and not self._failover.health.admit(plan[held]):
            held += 1
        return tuple(plan[held:]) + tuple(plan[:held])

    def _steps(
        self, decision: RoutingDecision, dialect: Dialect, settings: CallSettings, *, streamed: bool = False
    ) -> drivers.Steps:
        expect(decision, RoutingDecision, "decision", "what decide() returned")
        if dialect not in _DIALECTS:
            raise InvalidRequestError(f"there is no dialect {dialect!r}", field="dialect", hint=f"one of: {_DIALECTS}")
        ledger = CallLedger(settings, self.clock, streamed=streamed)
        return self._failover.steps(decision, ledger, dialect)

    # -- the text alone

    def ask(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> str:
        """One answer's text, through LiteLLM or a model's own implementation; see `run`."""
        asked = _asked(prompt)

        def make(left: float | None) -> Reply:
            record = self.execute(
                self.decide(asked), caller.complete, dialect="openai", honours_timeout=True, **_within(limits, left)
            )
            return Reply(caller.text_of(record.value), record.spec.key, record=record)

        recall, place = self._place(asked, "text")
        answer = make(None) if recall is None or place is None else recall.run(place, make, self._deadline(limits))
        return str(answer.value)

    async def aask(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> str:
        """Like `ask`."""
        asked = _asked(prompt)

        async def make(left: float | None) -> Reply:
            record = await self.aexecute(
                self.decide(asked), caller.acomplete, dialect="openai", **_within(limits, left)
            )
            return Reply(caller.text_of(record.value), record.spec.key, record=record)

        recall, place = self._place(asked, "text")
        if recall is None or place is None:
            return str((await make(None)).value)
        return str((await recall.arun(place, make, self._deadline(limits))).value)

    def ask_stream(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> Iterator[str]:
        """One answer's text as it comes; see `stream`. From the cache it comes in one piece."""
        asked = _asked(prompt)
        recall, place = self._place(asked, "text")
        kept = None if recall is None or place is None else recall.find(place)
        if kept is not None:
            return iter([str(kept.value)])
        chunks = self.stream(asked, caller.complete_stream, dialect="openai", **limits)
        return self._passed_on(chunks, recall, place)

    @staticmethod
    def _passed_on(chunks: RoutedStream, recall: Recall | None, place: Place | None) -> Iterator[str]:
        texts = []
        with contextlib.closing(chunks):
            for chunk in chunks:
                if text := caller.chunk_text(chunk):
                    texts.append(text)
                    yield text
        if recall is not None and place is not None and chunks.record is not None:
            recall.keep(place, Reply("".join(texts), chunks.record.spec.key))

    async def aask_stream(self, prompt: str | Messages | Request, **limits: Unpack[CallLimits]) -> AsyncIterator[str]:
        """Like `ask_stream`."""
        asked = _asked(prompt)
        recall, place = self._place(asked, "text")
        kept = None if recall is None or place is None else await recall.afind(place)
        if kept is not None:
            yield str(kept.value)
            return
        texts = []
        chunks = self.astream(asked, caller.acomplete_stream, dialect="openai", **limits)
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                if text := caller.chunk_text(chunk):
                    texts.append(text)
                    yield text
        if recall is not None and place is not None and chunks.record is not None:
            await recall.akeep(place, Reply("".join(texts), chunks.record.spec.key))


def _asked(prompt: str | Messages | Request) -> Request:
    return prompt if isinstance(prompt, Request) else Request(messages=prompt)


def _within(limits: CallLimits, left: float | None) -> CallLimits:
    """The limits, for a call that has waited already."""
    return limits if left is None else {**limits, "deadline": left}
