"""What came of one call's attempts: told to health, limits and observer, and whether another model may be asked."""

from __future__ import annotations

import math
from dataclasses import replace

from pointsman.decision import RoutingDecision
from pointsman.eligibility.sizing import counted_for
from pointsman.errors import StreamInterruptedError
from pointsman.failover.blame import Blame, Failure
from pointsman.failover.calls import CallLedger
from pointsman.failover.means import Means
from pointsman.failover.steps import Attempt, AttemptRecord, CallRecord, Left, Raised, Returned
from pointsman.faults import Fault, FaultKind, classify
from pointsman.limits.reservation import Reservation
from pointsman.types import Outcome

# A model that hung is asked again after ten times what that took, so that finding out costs a tenth of the time at most.
_PAUSE_PER_HANG = 10.0
_SHORTEST_HANG, _LONGEST_HANG = 5.0, 300.0
_GENEROUS = 3.0


class Outcomes:
    """The outcomes of one call, taken in one by one.

    Attributes:
        record: every attempt, and the answer.
        blame: every failure, and who is charged for it.
    """

    __slots__ = ("_ledger", "_means", "_unknown", "blame", "record")

    def __init__(self, means: Means, decision: RoutingDecision, ledger: CallLedger) -> None:
        self._means = means
        self._ledger = ledger
        self._unknown = 0
        self.record = CallRecord(decision)
        self.blame = Blame(means.health, means.pardons)

    def succeeded(self, attempt: Attempt, reservation: Reservation, result: Returned) -> None:
        """An attempt delivered."""
        reading = result.reading
        outcome = Outcome(
            input_tokens=reading.input_tokens,
            output_tokens=reading.output_tokens,
            seconds=result.seconds,
            ttft=result.ttft,
            cost=_possible(reading.cost),
            finish_reason=reading.finish_reason,
            cached=reading.cached,
        )
        means, spec = self._means, attempt.spec
        means.limits.settle(reservation, spec, outcome)
        if reading.headers is not False:
            source = reading.headers if result.headers is None else result.headers
            means.limits.learn(spec, result.value if source is None else source)
        if self.blame.failures:
            self.blame.settle(answered=True)
        if not reading.cached:
            means.health.succeeded(spec, result.seconds)
            took = result.seconds if result.ttft is None else result.ttft
            means.pardons.served(spec.key)
            means.pace.took(spec.key, took, streamed=self._ledger.streamed)
        else:
            means.health.released(spec)
        self._keep(attempt, outcome, None)
        self.record.value = result.value
        means.observer.answered(self.record.attempts[-1], result.value, reading)

    def failed(self, attempt: Attempt, reservation: Reservation, result: Raised) -> bool:
        """An attempt failed; whether another model may be asked.

        Raises:
            StreamInterruptedError: E4203, when a stream broke after it had delivered something.
            Exception: as it came, when it says that the request is bad, or is control flow rather than a failure.
        """
        means, spec = self._means, attempt.spec
        fault = classify(result.error, now=means.clock.time())
        kind = fault.kind if result.partial is None else FaultKind.STREAM_BROKEN
        means.limits.refund(reservation, kind)
        means.limits.learn(spec, result.error)
        if fault.kind is FaultKind.CONTROL_FLOW:
            means.health.released(spec)
            means.observer.abandoned(attempt)
            raise result.error
        if result.partial is not None:
            fault = Fault(FaultKind.STREAM_BROKEN, fault.status, fault.code)
        self._keep(attempt, Outcome(seconds=result.seconds, error=result.error), fault)
        failure = Failure(spec, fault, result.error)
        self.blame.failures.append(failure)
        if fault.rule.charges != "model":
            self.blame.charge(failure)
        elif fault.kind is FaultKind.TIMEOUT:
            self._weigh(attempt, failure, result.seconds)
        if result.partial is not None:
            self.blame.settle(answered=True)
            raise StreamInterruptedError(
                f"{spec.key}: the stream broke after {result.chunks} chunks",
                partial=result.partial,
                chunks=result.chunks,
                model=spec.key,
                decision_id=attempt.decision.id,
            ) from result.error
        if self._may_fail_over(fault):
            return True
        self.blame.settle(answered=True)
        if fault.kind in (FaultKind.BAD_REQUEST, FaultKind.CONTENT_POLICY, FaultKind.LOCAL):
            raise result.error
        return False

    def abandoned(self, attempt: Attempt, reservation: Reservation) -> None:
        """An attempt was cancelled; it teaches nothing."""
        self._means.limits.refund(reservation, None)
        self._means.health.released(attempt.spec)
        self._means.observer.abandoned(attempt)

    def left(self, attempt: Attempt, reservation: Reservation, result: Left) -> None:
        """The caller went away in the middle of a stream: its provider bills what it has sent, at least."""
        means, spec = self._means, attempt.spec
        if reservation.takes:
            read, written = result.input_tokens, result.output_tokens
            sent = Outcome(
                input_tokens=counted_for(spec, attempt.decision.question.size) if read is None else read,
                output_tokens=max(result.chunks, written or 0),  # most providers send a token or more in a chunk
            )
            means.limits.settle(reservation, spec, sent)
        means.health.released(spec)
        means.observer.abandoned(attempt)

    def _may_fail_over(self, fault: Fault) -> bool:
        if fault.kind is FaultKind.CONTENT_POLICY:
            return self._ledger.settings.on_content_policy
        if fault.kind is FaultKind.UNKNOWN:
            self._unknown += 1
            return self._unknown <= 1
        return fault.rule.fail_over

    def _weigh(self, attempt: Attempt, failure: Failure, seconds: float) -> None:
        """Less time than the model usually takes says nothing of it; several times that says that it hangs."""
        times = self._means.pace.times(attempt.model, attempt.timeout, streamed=self._ledger.streamed)
        if times < 1:
            failure.charged = True
            self._means.health.released(attempt.spec)
        elif times >= _GENEROUS and not self._means.health.served_recently(attempt.model, seconds):
            failure.fault = self._hang(failure.fault, seconds)

    def _hang(self, fault: Fault, seconds: float) -> Fault:
        """A timeout during which the model answered nobody: it hangs, and one such finding is enough."""
        pause = min(max(_PAUSE_PER_HANG * seconds, _SHORTEST_HANG), _LONGEST_HANG)
        return replace(fault, cooldown=pause * (1 + self._means.rng.random() / 4))

    def _keep(self, attempt: Attempt, outcome: Outcome, fault: Fault | None) -> None:
        record = AttemptRecord(attempt, outcome, fault)
        self.record.attempts.append(record)
        self._means.observer.ended(record)


def _possible(cost: float | None) -> float | None:
    """What a reader of the user's own makes of an answer may be no amount of money; then nothing is known of it."""
    return cost if cost is not None and 0 <= cost < math.inf else None
