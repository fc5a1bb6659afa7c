"""Pauses before one model is asked again: how long, and until when; ours with jitter, or tenacity's strategies."""

from __future__ import annotations

from random import Random
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.failover.calls import CallLedger, backoff
from pointsman.faults import Fault
from pointsman.types import Clock

# A strategy that never stops is stopped by deadline, attempts and retry budget; this is for settings without any.
_MOST_RETRIES = 1_000


class Pauses:
    """The pauses of one call.

    Args:
        ledger: whose settings say how long and how often.
        clock: where time comes from.
        rng: of the jitter.
    """

    __slots__ = ("_clock", "_idle", "_ledger", "_rng")

    def __init__(self, ledger: CallLedger, clock: Clock, rng: Random) -> None:
        self._ledger = ledger
        self._clock = clock
        self._rng = rng
        self._idle = 0.0

    @property
    def most(self) -> int:
        """How many rounds of retries there may be."""
        settings = self._ledger.settings
        return settings.retries if settings.retry_stop is None else _MOST_RETRIES

    def before(self, spec: ModelSpec, fault: Fault, error: Exception, tries: int) -> float | None:
        """Seconds before a model is asked again, at least what its server asked for; None if it is not to be.

        Args:
            spec: the model.
            fault: what its last attempt failed of.
            error: how it was raised.
            tries: how often it was asked in this call.
        """
        settings = self._ledger.settings
        if settings.retry_wait is None and settings.retry_stop is None:
            wait = backoff(settings, tries, self._rng)
        else:
            state = self._state(spec, error, tries)
            wait = backoff(settings, tries, self._rng)
            if settings.retry_wait is not None:
                asked = float(settings.retry_wait(state))
                wait = asked if asked > 0 else 0.0  # also for what is no number
            state.upcoming_sleep = wait
            if settings.retry_stop is not None and settings.retry_stop(state):
                return None
        return wait if fault.retry_after is None else max(fault.retry_after, wait)

    def passed(self, seconds: float) -> None:
        """A pause is over."""
        self._idle += seconds

    def _state(self, spec: ModelSpec, error: Exception, tries: int) -> Any:
        """What tenacity's strategies are asked with; its seconds are those of the call, by our clock."""
        from tenacity import Future, RetryCallState  # noqa: PLC0415  only where its strategies are given

        state = RetryCallState(retry_object=None, fn=None, args=(spec,), kwargs={})  # type: ignore[arg-type]
        outcome = Future(tries)
        outcome.set_exception(error)
        state.start_time = self._ledger.started
        state.outcome, state.outcome_timestamp = outcome, self._clock.monotonic()
        state.attempt_number, state.idle_for = tries, self._idle
        return state
