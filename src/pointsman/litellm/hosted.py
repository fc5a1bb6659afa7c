"""Calls whose attempts LiteLLM makes: failover's steps, turned from a loop into answers to LiteLLM's questions."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from typing import Any

from pointsman.decision import RoutingDecision
from pointsman.failover.drivers import Steps
from pointsman.failover.readings import Reading, read
from pointsman.failover.steps import Attempt, Call, Left, Raised, Reserve, Result, Returned, Step, Wait
from pointsman.litellm.answers import is_empty
from pointsman.litellm.outcomes import unwrapped
from pointsman.types import Clock, Outcome

# Calls are kept with their prompts.
_OPEN_CALLS, _FAILED_CALLS = 10_000, 256


class HostedCall:
    """One call. `next` says what to do, `delivered` and `failed` what came of it, from whichever thread.

    Args:
        decision: what is carried out.
        steps: failover's.
        clock: where time comes from.

    Attributes:
        trace: what LiteLLM calls the request.
    """

    __slots__ = ("_clock", "_ended", "_lock", "_running", "_since", "_step", "_steps", "decision", "trace")

    def __init__(self, decision: RoutingDecision, steps: Steps, clock: Clock) -> None:
        self.decision = decision
        self._steps = steps
        self._clock = clock
        self._lock = threading.Lock()
        self._step: Step | None = None
        self._running: Attempt | None = None
        self._since = 0.0
        self._ended: BaseException | None = None
        self.trace: Any = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be tried."""
        return self._ended is not None

    def next(self) -> Attempt | Wait | Reserve:
        """The attempt to make now, the time to wait before asking again, or what to reserve before that.

        Raises:
            Exception: what ends the call; see `Failover.steps`.
        """
        with self._lock:
            if self._running is not None:
                # LiteLLM makes one attempt at a time, so the last one has failed; of streams that break before their
                # content it tells only later.
                self._advance(self._raised(ConnectionError("the stream broke before its first content")))
            elif self._step is None:
                self._advance(None)
            if self._ended is not None:
                raise self._ended
            step, self._step = self._step, None
            if isinstance(step, Call):
                self._running, self._since = step.attempt, self._clock.monotonic()
                return step.attempt
            if step is None:
                raise RuntimeError("this call has been answered")
            return step

    def reserved(self, wait: float) -> None:
        """What the buckets said of what was to be reserved."""
        with self._lock:
            self._advance(wait)

    def delivered(self, key: str, outcome: Outcome, response: Any = None) -> bool:
        """The attempt that is under way was answered; says whether it was the one of this model."""
        found = read(response)
        if is_empty(response, found):
            return False  # the guard has said so already
        reading = Reading(
            content=True,
            finish_reason=outcome.finish_reason or found.finish_reason,
            input_tokens=outcome.input_tokens,
            output_tokens=outcome.output_tokens,
            cost=outcome.cost,
            cached=outcome.cached,
        )
        with self._lock:
            if self._running is None or self._running.model != key:
                return False
            seconds = self._clock.monotonic() - self._since if outcome.seconds is None else outcome.seconds
            self._advance(Returned(None, reading, seconds, outcome.ttft, response))
            return True

    def failed(self, key: str, error: Exception) -> None:
        """The attempt that is under way has failed, if it is the one of this model."""
        with self._lock:
            if self._running is not None and self._running.model == key:
                self._advance(self._raised(error))

    def gave_up(self, error: Exception, *, partial: bool) -> None:
        """The attempt that is under way has brought no answer, though LiteLLM takes it for one."""
        with self._lock:
            if self._running is not None:
                self._advance(self._raised(error, partial=partial))

    def left(self, pieces: int) -> None:
        """The caller has gone: what it got of a stream is used, and nothing is learnt."""
        with self._lock:
            if self._running is not None and pieces:
                with contextlib.suppress(GeneratorExit, StopIteration):
                    self._steps.send(Left(pieces))
            self._steps.close()
            self._running = self._step = None

    def close(self) -> None:
        """Give back what an attempt that will not report holds; it teaches nothing."""
        with self._lock:
            self._steps.close()
            self._running = self._step = None

    def _raised(self, error: Exception, *, partial: bool = False) -> Raised:
        delivered = "partial_text" if partial or getattr(error, "generated_content", None) else None
        cause = unwrapped(error)
        seconds = self._clock.monotonic() - self._since
        return Raised(cause if isinstance(cause, Exception) else error, seconds, delivered)

    def _advance(self, result: Result) -> None:
        self._running = None
        try:
            self._step = self._steps.send(result)
        except StopIteration:
            self._step = None
        except Exception as error:  # noqa: BLE001  kept, and raised when LiteLLM asks what to do next
            self._step, self._ended = None, error


class HostedCalls:
    """The calls under way, by the id of their decision."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: OrderedDict[str, HostedCall] = OrderedDict()

    def open(self, call: HostedCall) -> None:
        """Keep a call until it is answered; one that failed is kept while LiteLLM may ask again, one that hangs longer."""
        gone = []
        with self._lock:
            self._calls[call.decision.id] = call
            while len(self._calls) > _FAILED_CALLS:
                oldest = next(iter(self._calls.values()))
                if len(self._calls) <= _OPEN_CALLS and not oldest.is_over:
                    break
                gone.append(self._calls.popitem(last=False)[1])
        for each in gone:
            each.close()

    def find(self, call_id: Any) -> HostedCall | None:
        """The call of this id, if it is one of ours and not answered yet."""
        return self._calls.get(call_id) if isinstance(call_id, str) else None

    def delivered(self, call: HostedCall, key: str, outcome: Outcome, response: Any = None) -> None:
        """A call was answered."""
        if call.delivered(key, outcome, response):
            with self._lock:
                self._calls.pop(call.decision.id, None)

    def left(self, call: HostedCall, pieces: int) -> None:
        """The caller of a call has gone."""
        call.left(pieces)
        with self._lock:
            self._calls.pop(call.decision.id, None)

    def close(self) -> None:
        """Nothing will be told of any of them any more."""
        with self._lock:
            calls, self._calls = self._calls, OrderedDict()
        for call in calls.values():
            call.close()
