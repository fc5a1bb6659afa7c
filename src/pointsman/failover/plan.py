"""From a decision to an answer: one generator that says what to do next, and learns from what came of it.

It yields `Call` and `Wait`; a driver (`pointsman.failover.drivers`) does them, sync, async or streaming, and sends back what
happened. Everything that is decided along the way is decided here, once, for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from random import Random

from pointsman.catalog.parameters import Dialect
from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.eligibility.sizing import cost_bound
from pointsman.errors import CostLimitError, StreamInterruptedError
from pointsman.failover.admission import Admission
from pointsman.failover.blame import Blame, Failure, Pardons
from pointsman.failover.calls import CallLedger, RetryBudget
from pointsman.failover.pace import Pace
from pointsman.failover.patience import until_probed
from pointsman.failover.pauses import Pauses
from pointsman.failover.steps import (
    Attempt,
    AttemptRecord,
    Call,
    CallRecord,
    Observer,
    Raised,
    Result,
    Returned,
    Step,
    Wait,
)
from pointsman.faults import Fault, FaultKind, classify
from pointsman.health.states import Health
from pointsman.limits.limiter import Limits
from pointsman.limits.reservation import UNLIMITED, Reservation
from pointsman.listeners import Audience
from pointsman.types import Clock, Outcome

# A model that hung is asked again after ten times what that took, so that finding out costs a tenth of the time at most.
_PAUSE_PER_HANG = 10.0
_SHORTEST_HANG, _LONGEST_HANG = 5.0, 300.0
_GENEROUS = 3.0


class Failover:
    """Plans calls. Holds what all calls share; each call is one run of `steps`."""

    def __init__(
        self,
        health: Health,
        observer: Observer,
        clock: Clock,
        rng: Random,
        audience: Audience | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.health = health
        self._audience = audience or Audience()
        self.observer = observer
        self.clock = clock
        self.rng = rng
        self.limits = limits or Limits(clock)
        self.retry_budget = RetryBudget()
        self.pace = Pace()
        self.pardons = Pardons()

    def steps(
        self, decision: RoutingDecision, ledger: CallLedger, dialect: Dialect = "provider"
    ) -> Generator[Step, Result, CallRecord]:
        """Carry a decision out.

        Raises:
            AllModelsFailedError: E4201, with every cause.
            StreamInterruptedError: E4203, when a stream broke after it had delivered something.
            Exception: the provider's own, when it says that the request is bad and no other model would help.
        """
        run = _Run(self, decision, ledger, dialect)
        is_watched = self._audience.call_began or self._audience.call_ended
        return self._watched(run) if is_watched else run.steps()

    def _watched(self, run: _Run) -> Generator[Step, Result, CallRecord]:
        """The steps of a run, whose beginning and end are told."""
        started = self.clock.monotonic()
        self._audience.tell("call_began", run.record.decision)
        failure: BaseException | None = None
        try:
            return (yield from run.steps())
        except BaseException as error:
            failure = error
            raise
        finally:
            self._audience.tell("call_ended", run.record, failure, self.clock.monotonic() - started)


class _Run:
    """One call under way."""

    def __init__(self, shared: Failover, decision: RoutingDecision, ledger: CallLedger, dialect: Dialect) -> None:
        self._shared = shared
        self._decision = decision
        self._ledger = ledger
        self._dialect: Dialect = dialect
        self._record = CallRecord(decision)
        self._blame = Blame(shared.health, shared.pardons)
        self._failures = self._blame.failures
        self._tries: dict[str, int] = {}
        self._unknown = 0
        self._stopped_by = "plan"
        self._postponed: set[str] = set()
        self._reservation = UNLIMITED

    @property
    def record(self) -> CallRecord:
        """What has become of the call so far."""
        return self._record

    # Most calls meet no limit and no failure, so these two are made by those that do.

    @cached_property
    def _admission(self) -> Admission:
        return Admission(self._shared.limits, self._decision)

    @cached_property
    def _pauses(self) -> Pauses:
        return Pauses(self._ledger, self._shared.clock, self._shared.rng)

    def steps(self) -> Generator[Step, Result, CallRecord]:
        self._shared.retry_budget.deposit()
        for spec, last in self._candidates():
            if self._postponed and spec.key in self._postponed and self._shared.health.throttled_for(spec) == 0:
                yield from until_probed(spec, self._shared.health, self._ledger)
            if not self._may_call(spec):
                if self._stopped_by != "plan":
                    break
                continue
            if (yield from self._attempt(spec, others_left=not last)):
                return self._record
            if self._stopped_by != "plan":
                break
        else:
            soon = self._ledger.settings.longest_backoff
            for more in (self._when_free(soon), self._retries(), self._when_free(math.inf)):
                if self._stopped_by == "plan" and (yield from more):
                    return self._record
        self._blame.settle(answered=False)
        raise self._blame.error(
            self._decision,
            self._admission.error(),
            asked=self._ledger.attempts,
            tried=len(self._tries),
            stopped_by=self._stopped_by,
        )

    # -- whom to call

    def _candidates(self) -> Iterator[tuple[ModelSpec, bool]]:
        """The plan, models whose one probe is taken postponed to its end; each with whether it is the last."""
        postponed: list[ModelSpec] = []
        plan: Iterable[ModelSpec] = self._plan()
        left = len(self._decision.arms.keys) + sum(len(tier.keys) for tier in self._decision.behind)
        if self._ledger.settings.retry_scope != "any":
            plan = [spec for spec in plan if self._in_scope(spec)]
            left = len(plan)
        for spec in plan:
            left -= 1
            if self._shared.health.admit(spec):
                yield spec, left == 0 and not postponed
            else:
                postponed.append(spec)
                self._postponed.add(spec.key)
        for at, spec in enumerate(postponed, start=1):
            yield spec, at == len(postponed)

    def _plan(self) -> Iterator[ModelSpec]:
        # Fallbacks are worked out only when the first choice has failed.
        yield self._decision.spec
        yield from self._decision.fallback_specs

    def _in_scope(self, spec: ModelSpec) -> bool:
        """Whether this model may be asked after the first choice has failed."""
        first, scope = self._decision.spec, self._ledger.settings.retry_scope
        return spec.arm == first.arm if scope == "model" else spec.provider == first.provider

    def _may_call(self, spec: ModelSpec) -> bool:
        """Whether the attempt is possible and worth it; what is impossible for good stops the call."""
        ledger = self._ledger
        if ledger.expired:
            self._stopped_by = "deadline"
        elif ledger.exhausted:
            self._stopped_by = "attempts"
        if self._stopped_by != "plan":
            self._shared.health.released(spec)
            return False
        if (self._failures and not self._still_fits(spec)) or not self._affordable(spec):
            self._shared.health.released(spec)
            return False
        if self._failures and self._shared.health.failed_last(spec.key) and not self._shared.retry_budget.withdraw():
            self._shared.health.released(spec)
            return False
        return True

    def _still_fits(self, spec: ModelSpec) -> bool:
        """After an overflow only a strictly larger window is worth trying."""
        windows = [
            failure.spec.context_window
            for failure in self._failures
            if failure.fault.kind is FaultKind.CONTEXT_OVERFLOW and failure.spec.context_window is not None
        ]
        return not windows or spec.context_window is None or spec.context_window > max(windows)

    def _affordable(self, spec: ModelSpec) -> bool:
        if self._ledger.settings.max_cost is None:
            return True
        question = self._decision.question
        if self._ledger.affords(cost_bound(spec, question.request, question.size.upper)):
            return True
        if not question.size.known and self._ledger.affords(cost_bound(spec, question.request, question.size.count())):
            return True
        limit = self._ledger.settings.max_cost
        error = CostLimitError(f"{spec.key} could cost more than what is left of ${limit:.6f}")
        self._failures.append(Failure(spec, Fault(FaultKind.LOCAL), error, charged=True))
        return False

    # -- calling

    def _attempt(self, spec: ModelSpec, *, others_left: bool) -> Generator[Step, Result, bool]:
        """Make one attempt; True if it delivered. A model without room is passed over at no charge to anybody."""
        shared, ledger = self._shared, self._ledger
        reservation: Reservation | None = UNLIMITED
        if shared.limits.apply_to(spec):
            reservation = yield from self._admission.take(spec)
        if reservation is None:
            shared.health.released(spec)
            if self._admission.spent:
                self._stopped_by = "budget"
            return False
        self._reservation = reservation
        ledger.attempts += 1
        self._tries[spec.key] = self._tries.get(spec.key, 0) + 1
        slowest = shared.pace.slowest(spec.key, streamed=ledger.streamed)
        timeout = ledger.timeout(others_left=others_left, slowest=slowest)
        attempt = Attempt(self._decision, spec, ledger.attempts, timeout, self._dialect, ledger.idle_timeout)
        shared.observer.began(attempt)
        try:
            result = yield Call(attempt)
        except BaseException:
            shared.limits.refund(reservation, None)
            shared.health.released(spec)
            shared.observer.abandoned(attempt)
            raise
        if isinstance(result, Returned):
            self._succeeded(attempt, result)
            return True
        if not isinstance(result, Raised):
            raise TypeError(f"a driver answered Call with {type(result).__name__}")
        self._failed(attempt, result)
        return False

    def _succeeded(self, attempt: Attempt, result: Returned) -> None:
        reading = result.reading
        outcome = Outcome(
            input_tokens=reading.input_tokens,
            output_tokens=reading.output_tokens,
            seconds=result.seconds,
            ttft=result.ttft,
            cost=reading.cost,
            finish_reason=reading.finish_reason,
            cached=reading.cached,
        )
        shared, spec = self._shared, attempt.spec
        shared.limits.settle(self._reservation, spec, outcome)
        if reading.headers is not False:
            source = reading.headers if result.headers is None else result.headers
            shared.limits.learn(spec, result.value if source is None else source)
        if self._failures:
            self._blame.settle(answered=True)
        if not reading.cached:
            shared.health.succeeded(spec, result.seconds)
            took = result.seconds if result.ttft is None else result.ttft
            shared.pardons.served(spec.key)
            shared.pace.took(spec.key, took, streamed=self._ledger.streamed)
        else:
            shared.health.released(spec)
        self._keep(attempt, outcome, None)
        self._record.value = result.value
        self._shared.observer.answered(self._record.attempts[-1], result.value, reading)

    def _failed(self, attempt: Attempt, result: Raised) -> None:
        fault = classify(result.error, now=self._shared.clock.time())
        kind = fault.kind if result.partial is None else FaultKind.STREAM_BROKEN
        self._shared.limits.refund(self._reservation, kind)
        self._shared.limits.learn(attempt.spec, result.error)
        if fault.kind is FaultKind.CONTROL_FLOW:
            self._shared.health.released(attempt.spec)
            self._shared.observer.abandoned(attempt)
            raise result.error
        if result.partial is not None:
            fault = Fault(FaultKind.STREAM_BROKEN, fault.status, fault.code)
        self._keep(attempt, Outcome(seconds=result.seconds, error=result.error), fault)
        failure = Failure(attempt.spec, fault, result.error)
        self._failures.append(failure)
        if fault.rule.charges != "model":
            self._blame.charge(failure)
        elif fault.kind is FaultKind.TIMEOUT:
            self._weigh(attempt, failure, result.seconds)
        if result.partial is not None:
            self._blame.settle(answered=True)
            raise StreamInterruptedError(
                f"{attempt.spec.key}: the stream broke after {result.chunks} chunks",
                partial=result.partial,
                chunks=result.chunks,
                model=attempt.spec.key,
                decision_id=self._decision.id,
            ) from result.error
        if not self._may_fail_over(fault):
            self._blame.settle(answered=True)
            if fault.kind in (FaultKind.BAD_REQUEST, FaultKind.CONTENT_POLICY, FaultKind.LOCAL):
                raise result.error
            self._stopped_by = "fault"

    def _may_fail_over(self, fault: Fault) -> bool:
        if fault.kind is FaultKind.CONTENT_POLICY:
            return self._ledger.settings.on_content_policy
        if fault.kind is FaultKind.UNKNOWN:
            self._unknown += 1
            return self._unknown <= 1
        return fault.rule.fail_over

    def _weigh(self, attempt: Attempt, failure: Failure, seconds: float) -> None:
        """Less time than the model usually takes says nothing of it; several times that says that it hangs."""
        times = self._shared.pace.times(attempt.model, attempt.timeout, streamed=self._ledger.streamed)
        if times < 1:
            failure.charged = True
            self._shared.health.released(attempt.spec)
        elif times >= _GENEROUS and not self._shared.health.served_recently(attempt.model, seconds):
            failure.fault = self._hang(failure.fault, seconds)

    def _hang(self, fault: Fault, seconds: float) -> Fault:
        """A timeout during which the model answered nobody: it hangs, and one such finding is enough."""
        pause = min(max(_PAUSE_PER_HANG * seconds, _SHORTEST_HANG), _LONGEST_HANG)
        return replace(fault, cooldown=pause * (1 + self._shared.rng.random() / 4))

    def _retries(self) -> Generator[Step, Result, bool]:
        """Ask models again whose fault allows it, soonest first; only after every other model was asked."""
        for number in range(1, self._pauses.most + 1):
            waits = self._pauses_of_round(number)
            if not waits:
                return False
            for wait, _, spec in waits:
                if not self._waits_within(wait):
                    continue
                if not self._shared.retry_budget.withdraw():
                    return False
                yield Wait(wait)
                self._pauses.passed(wait)
                if self._ledger.expired or self._ledger.exhausted:
                    self._stopped_by = "deadline" if self._ledger.expired else "attempts"
                    return False
                if (yield from self._attempt(spec, others_left=False)):
                    return True
                if self._stopped_by != "plan":
                    return False
        return False

    def _when_free(self, longest: float) -> Generator[Step, Result, bool]:
        """Ask models that were at their limit as soon as they have room, earliest first."""
        while (spec := (yield from self._admission.wait(self._ledger, self._shared.rng, longest))) is not None:
            if self._may_call(spec) and (yield from self._attempt(spec, others_left=False)):
                return True
            if self._stopped_by != "plan":
                return False
        return False

    def _pauses_of_round(self, number: int) -> list[tuple[float, str, ModelSpec]]:
        """Who may be asked for the (number + 1)th time, and after how many seconds; soonest first."""
        again = {failure.spec.key: failure for failure in self._failures if failure.fault.rule.retry_same != "no"}
        waits = []
        for key, failure in again.items():
            if self._tries.get(key, 0) == number:
                wait = self._pauses.before(failure.spec, failure.fault, failure.error, number)
                if wait is not None and self._waits_within(wait):
                    waits.append((wait, key, failure.spec))
        return sorted(waits, key=lambda each: each[:2])

    def _waits_within(self, seconds: float) -> bool:
        remaining = self._ledger.remaining
        return remaining is None or seconds < remaining

    # -- the books

    def _keep(self, attempt: Attempt, outcome: Outcome, fault: Fault | None) -> None:
        record = AttemptRecord(attempt, outcome, fault)
        self._record.attempts.append(record)
        self._shared.observer.ended(record)
