"""From a decision to an answer: one generator that says what to do next; `outcomes` takes in what came of it.

It yields `Call` and `Wait`; a driver (`pointsman.failover.drivers`) does them, sync, async or streaming, and sends back what
happened. Everything that is decided along the way is decided here, once, for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from functools import cached_property
from random import Random

from pointsman.catalog.parameters import Dialect
from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.eligibility.sizing import cost_bound
from pointsman.errors import CostLimitError
from pointsman.failover.admission import Admission
from pointsman.failover.blame import Failure
from pointsman.failover.calls import CallLedger
from pointsman.failover.means import Means
from pointsman.failover.order import in_order
from pointsman.failover.outcomes import Outcomes
from pointsman.failover.patience import until_probed
from pointsman.failover.pauses import Pauses
from pointsman.failover.steps import Attempt, Call, CallRecord, Left, Observer, Raised, Result, Returned, Step, Wait
from pointsman.faults import Fault, FaultKind
from pointsman.health.states import Health
from pointsman.limits.limiter import Limits
from pointsman.limits.reservation import UNLIMITED, Reservation
from pointsman.listeners import Audience
from pointsman.types import Clock


class Failover(Means):
    """Plans calls; each of them is one run of `steps`."""

    def __init__(
        self,
        health: Health,
        observer: Observer,
        clock: Clock,
        rng: Random,
        audience: Audience | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(health, observer, clock, rng, limits)
        self._audience = audience or Audience()

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
        self._audience.tell("call_began", run.outcomes.record.decision)
        failure: BaseException | None = None
        try:
            return (yield from run.steps())
        except BaseException as error:
            failure = error
            raise
        finally:
            self._audience.tell("call_ended", run.outcomes.record, failure, self.clock.monotonic() - started)


class _Run:
    """One call under way."""

    def __init__(self, means: Means, decision: RoutingDecision, ledger: CallLedger, dialect: Dialect) -> None:
        self._means = means
        self._decision = decision
        self._ledger = ledger
        self._dialect: Dialect = dialect
        self.outcomes = Outcomes(means, decision, ledger)
        self._failures = self.outcomes.blame.failures
        self._tries: dict[str, int] = {}
        self._stopped_by = "plan"

    # Most calls meet no limit and no failure, so these two are made by those that do.

    @cached_property
    def _admission(self) -> Admission:
        return Admission(self._means.limits, self._decision)

    @cached_property
    def _pauses(self) -> Pauses:
        return Pauses(self._ledger, self._means.clock, self._means.rng)

    def steps(self) -> Generator[Step, Result, CallRecord]:
        self._means.retry_budget.deposit()
        health = self._means.health
        for spec, last, postponed in in_order(self._decision, self._ledger.settings.retry_scope, health):
            if postponed and health.throttled_for(spec) == 0:
                yield from until_probed(spec, health, self._ledger)
            if not self._may_call(spec):
                if self._stopped_by != "plan":
                    break
                continue
            if (yield from self._attempt(spec, others_left=not last)):
                return self.outcomes.record
            if self._stopped_by != "plan":
                break
        else:
            soon = self._ledger.settings.longest_backoff
            for more in (self._when_free(soon), self._retries(), self._when_free(math.inf)):
                if self._stopped_by == "plan" and (yield from more):
                    return self.outcomes.record
        blame = self.outcomes.blame
        blame.settle(answered=False)
        raise blame.error(
            self._decision,
            self._admission.error(),
            asked=self._ledger.attempts,
            tried=len(self._tries),
            stopped_by=self._stopped_by,
        )

    # -- whom to call

    def _may_call(self, spec: ModelSpec) -> bool:
        """Whether the attempt is possible and worth it; what is impossible for good stops the call."""
        ledger = self._ledger
        if ledger.expired:
            self._stopped_by = "deadline"
        elif ledger.exhausted:
            self._stopped_by = "attempts"
        if self._stopped_by != "plan":
            self._means.health.released(spec)
            return False
        if (self._failures and not self._still_fits(spec)) or not self._affordable(spec):
            self._means.health.released(spec)
            return False
        if self._failures and self._means.health.failed_last(spec.key) and not self._means.retry_budget.withdraw():
            self._means.health.released(spec)
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
        means, ledger = self._means, self._ledger
        reservation: Reservation | None = UNLIMITED
        if means.limits.apply_to(spec):
            try:
                reservation = yield from self._admission.take(spec)
            except BaseException:
                means.health.released(spec)
                raise
        if reservation is None:
            means.health.released(spec)
            if self._admission.spent:
                self._stopped_by = "budget"
            return False
        ledger.attempts += 1
        self._tries[spec.key] = self._tries.get(spec.key, 0) + 1
        slowest = means.pace.slowest(spec.key, streamed=ledger.streamed)
        timeout = ledger.timeout(others_left=others_left, slowest=slowest)
        attempt = Attempt(self._decision, spec, ledger.attempts, timeout, self._dialect, ledger.idle_timeout)
        means.observer.began(attempt)
        try:
            result = yield Call(attempt)
        except BaseException:
            self.outcomes.abandoned(attempt, reservation)
            raise
        if isinstance(result, Returned):
            self.outcomes.succeeded(attempt, reservation, result)
            return True
        if isinstance(result, Left):
            self.outcomes.left(attempt, reservation, result)
            raise GeneratorExit
        if not isinstance(result, Raised):
            raise TypeError(f"a driver answered Call with {type(result).__name__}")
        if not self.outcomes.failed(attempt, reservation, result):
            self._stopped_by = "fault"
        return False

    def _retries(self) -> Generator[Step, Result, bool]:
        """Ask models again whose fault allows it, soonest first; only after every other model was asked."""
        for number in range(1, self._pauses.most + 1):
            waits = self._pauses_of_round(number)
            if not waits:
                return False
            for wait, _, spec in waits:
                if not self._waits_within(wait):
                    continue
                if not self._means.retry_budget.withdraw():
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
        while (spec := (yield from self._admission.wait(self._ledger, self._means.rng, longest))) is not None:
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
