"""From a decision to an answer: one generator that says what to do next, and learns from what came of it.

It yields `Call` and `Wait`; a driver (`pointsman.drivers`) does them, sync, async or streaming, and sends back what
happened. Everything that is decided along the way is decided here, once, for all of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from pointsman.calls import CallLedger, RetryBudget, backoff
from pointsman.catalog.parameters import Dialect
from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.errors import (
    AllModelsFailedError,
    CostLimitError,
    DeadlineExceededError,
    StreamInterruptedError,
)
from pointsman.faults import Fault, FaultKind, classify
from pointsman.health import Health
from pointsman.sizing import cost_bound
from pointsman.steps import Attempt, AttemptRecord, Call, CallRecord, Observer, Raised, Result, Returned, Step, Wait
from pointsman.types import Clock, Outcome


class Failover:
    """Plans calls. Holds what all calls share; each call is one run of `steps`."""

    def __init__(self, health: Health, observer: Observer, clock: Clock, rng: Random) -> None:
        self._health = health
        self._observer = observer
        self._clock = clock
        self._rng = rng
        self.retry_budget = RetryBudget()

    def steps(
        self, decision: RoutingDecision, ledger: CallLedger, dialect: Dialect = "provider"
    ) -> Generator[Step, Result, CallRecord]:
        """Carry a decision out.

        Raises:
            AllModelsFailedError: E4201, with every cause.
            StreamInterruptedError: E4203, when a stream broke after it had delivered something.
            Exception: the provider's own, when it says that the request is bad and no other model would help.
        """
        self.retry_budget.deposit()
        return (yield from _Run(self, decision, ledger, dialect).steps())

    # What a run needs of what calls share.
    health = property(lambda self: self._health)
    observer = property(lambda self: self._observer)
    clock = property(lambda self: self._clock)
    rng = property(lambda self: self._rng)


@dataclass(slots=True)
class _Failure:
    spec: ModelSpec
    fault: Fault
    error: Exception
    charged: bool = False


class _Run:
    """One call under way."""

    def __init__(self, shared: Failover, decision: RoutingDecision, ledger: CallLedger, dialect: Dialect) -> None:
        self._shared = shared
        self._decision = decision
        self._ledger = ledger
        self._dialect: Dialect = dialect
        self._record = CallRecord(decision)
        self._failures: list[_Failure] = []
        self._tries: dict[str, int] = {}
        self._unknown = 0
        self._stopped_by = "plan"

    def steps(self) -> Generator[Step, Result, CallRecord]:
        for spec, last in self._candidates():
            if not self._may_call(spec):
                if self._stopped_by != "plan":
                    break
                continue
            if (yield from self._attempt(spec, others_left=not last)):
                return self._record
            if self._stopped_by != "plan":
                break
        else:
            if (yield from self._retries()):
                return self._record
        self._settle(blame=True)
        raise self._gave_up()

    # -- whom to call

    def _candidates(self) -> Iterator[tuple[ModelSpec, bool]]:
        """The plan, models whose one probe is taken postponed to its end; each with whether it is the last."""
        postponed: list[ModelSpec] = []
        left = len(self._decision.arms) + sum(map(len, self._decision.behind))
        for spec in self._plan():
            left -= 1
            if self._shared.health.admit(spec):
                yield spec, left == 0 and not postponed
            else:
                postponed.append(spec)
        for at, spec in enumerate(postponed, start=1):
            yield spec, at == len(postponed)

    def _plan(self) -> Iterator[ModelSpec]:
        # Fallbacks are worked out only when the first choice has failed.
        yield self._decision.spec
        yield from self._decision.fallback_specs

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
        if not self._still_fits(spec) or not self._affordable(spec):
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
        self._failures.append(_Failure(spec, Fault(FaultKind.LOCAL), error, charged=True))
        return False

    # -- calling

    def _attempt(self, spec: ModelSpec, *, others_left: bool) -> Generator[Step, Result, bool]:
        """Make one attempt; True if it delivered."""
        shared, ledger = self._shared, self._ledger
        ledger.attempts += 1
        self._tries[spec.key] = self._tries.get(spec.key, 0) + 1
        timeout = ledger.timeout(others_left=others_left)
        attempt = Attempt(self._decision, spec, ledger.attempts, timeout, self._dialect)
        shared.observer.began(attempt)
        try:
            result = yield Call(attempt)
        except BaseException:
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
        self._settle(blame=False)
        if not reading.cached:
            self._shared.health.succeeded(attempt.spec, result.seconds)
        else:
            self._shared.health.released(attempt.spec)
        self._keep(attempt, outcome, None)
        self._record.value = result.value

    def _failed(self, attempt: Attempt, result: Raised) -> None:
        fault = classify(result.error, now=self._shared.clock.time())
        if fault.kind is FaultKind.CONTROL_FLOW:
            self._shared.health.released(attempt.spec)
            self._shared.observer.abandoned(attempt)
            raise result.error
        if result.partial is not None:
            fault = Fault(FaultKind.STREAM_BROKEN, fault.status, fault.code)
        self._keep(attempt, Outcome(seconds=result.seconds, error=result.error), fault)
        failure = _Failure(attempt.spec, fault, result.error)
        self._failures.append(failure)
        if fault.rule.charges != "model":
            self._charge(failure)
        elif fault.kind is FaultKind.TIMEOUT and not self._was_generous(attempt):
            failure.charged = True
            self._shared.health.released(attempt.spec)
        if result.partial is not None:
            self._settle(blame=False)
            raise StreamInterruptedError(
                f"{attempt.spec.key}: the stream broke after {result.chunks} chunks",
                partial=result.partial,
                chunks=result.chunks,
                model=attempt.spec.key,
                decision_id=self._decision.id,
            ) from result.error
        if not self._may_fail_over(fault):
            self._settle(blame=False)
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

    def _was_generous(self, attempt: Attempt) -> bool:
        """A timeout says something about the model only if it left more than the model usually takes."""
        usual = self._shared.health.report(attempt.spec).mean_seconds
        return attempt.timeout is None or usual is None or attempt.timeout >= 3 * usual

    def _retries(self) -> Generator[Step, Result, bool]:
        """Ask models again whose fault allows it, soonest first; only after every other model was asked."""
        shared, settings = self._shared, self._ledger.settings
        for number in range(1, settings.retries + 1):
            again = {failure.spec.key: failure for failure in self._failures if failure.fault.rule.retry_same != "no"}
            waits = sorted(
                ((self._wait_before(failure.fault, number), key) for key, failure in again.items()),
            )
            for wait, key in waits:
                spec = again[key].spec
                if self._tries.get(key, 0) > number or not self._waits_within(wait):
                    continue
                if not shared.retry_budget.withdraw():
                    return False
                yield Wait(wait)
                if self._ledger.expired or self._ledger.exhausted:
                    self._stopped_by = "deadline" if self._ledger.expired else "attempts"
                    return False
                if (yield from self._attempt(spec, others_left=False)):
                    return True
                if self._stopped_by != "plan":
                    return False
        return False

    def _wait_before(self, fault: Fault, number: int) -> float:
        drawn = backoff(self._ledger.settings, number, self._shared.rng)
        return drawn if fault.retry_after is None else max(fault.retry_after, drawn)

    def _waits_within(self, seconds: float) -> bool:
        remaining = self._ledger.remaining
        return remaining is None or seconds < remaining

    # -- the books

    def _keep(self, attempt: Attempt, outcome: Outcome, fault: Fault | None) -> None:
        record = AttemptRecord(attempt, outcome, fault)
        self._record.attempts.append(record)
        self._shared.observer.ended(record)

    def _charge(self, failure: _Failure) -> None:
        if not failure.charged:
            failure.charged = True
            self._shared.health.failed(failure.spec, failure.fault)

    def _settle(self, *, blame: bool) -> None:
        """Charge the models that failed, unless the request itself is to blame.

        A request that fails on two models charges neither, if one of them served another request recently: it is the
        request that is poison, not the models. Failing to connect is never a request's fault.
        """
        open_failures = [failure for failure in self._failures if not failure.charged]
        suspects = [failure for failure in open_failures if failure.fault.kind is not FaultKind.UNREACHABLE]
        keys = {failure.spec.key for failure in suspects}
        poison = blame and len(keys) > 1 and any(self._shared.health.served_recently(key) for key in keys)
        for failure in open_failures:
            if poison and failure in suspects:
                failure.charged = True
                self._shared.health.released(failure.spec)
            else:
                self._charge(failure)

    def _gave_up(self) -> AllModelsFailedError:
        failures: Sequence[_Failure] = self._failures
        if not failures:
            error = DeadlineExceededError("no time was left for an attempt")
            failures = [_Failure(self._decision.spec, Fault(FaultKind.LOCAL), error)]
        waits = [
            wait
            for failure in failures
            if failure.fault.rule.charges in ("throttle", "model") and (wait := self._wait_of(failure)) > 0
        ]
        asked = self._ledger.attempts
        return AllModelsFailedError(
            f"no model could answer: {asked} attempt{'s' if asked != 1 else ''} on {len(self._tries)} of "
            f"{len(self._decision.eligible)} eligible models, stopped by {self._stopped_by}",
            [failure.error for failure in failures],
            models=[failure.spec.key for failure in failures],
            decision_id=self._decision.id,
            stopped_by=self._stopped_by,
            retry_after=min(waits, default=None),
        )

    def _wait_of(self, failure: _Failure) -> float:
        return float(self._shared.health.available_in(failure.spec))
