"""Who is charged for the failures of one call, and the error that the call ends with when nobody answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.errors import AllModelsFailedError, DeadlineExceededError, LimitReachedError, PointsmanError
from pointsman.faults import Fault, FaultKind
from pointsman.health.states import Health
from pointsman.types import Outcome

_MOST_PARDONS = 10


@dataclass(slots=True)
class Failure:
    """An attempt that failed, or one that could not be made."""

    spec: ModelSpec
    fault: Fault
    error: Exception
    charged: bool = False


class Pardons:
    """How often in a row failures were put down to the request; when every request is to blame, none is."""

    def __init__(self) -> None:
        self._granted: dict[str, int] = {}

    def grant(self, keys: Collection[str]) -> bool:
        """Ask for one more, for models that failed together; no if none of them has served anybody for too many."""
        granted = min(self._granted.get(key, 0) for key in keys)
        if granted >= _MOST_PARDONS:
            return False
        for key in keys:
            self._granted[key] = self._granted.get(key, 0) + 1
        return True

    def served(self, key: str) -> None:
        """The model answered somebody."""
        self._granted.pop(key, None)


class Blame:
    """The failures of one call.

    Attributes:
        failures: all of them, in order.
    """

    __slots__ = ("_health", "_pardons", "failures")

    def __init__(self, health: Health, pardons: Pardons) -> None:
        self._health = health
        self._pardons = pardons
        self.failures: list[Failure] = []

    def hear(self, spec: ModelSpec, outcome: Outcome, fault: Fault | None, *, waits: bool) -> None:
        """Take in how an attempt went that somebody else made.

        Args:
            spec: the model.
            outcome: how it went.
            fault: what its error is.
            waits: whether `settle` will be called: then nobody is charged before for what a request may have caused.
        """
        if fault is None:
            if not outcome.cached:
                self._health.succeeded(spec, outcome.seconds)
                self._pardons.served(spec.key)
            return
        suspect = fault.rule.charges == "model" and fault.kind is not FaultKind.UNREACHABLE
        if waits and suspect and isinstance(outcome.error, Exception):
            self.failures.append(Failure(spec, fault, outcome.error))
        else:
            self._health.failed(spec, fault)

    def charge(self, failure: Failure) -> None:
        """Put a failure on its model's account, once."""
        if not failure.charged:
            failure.charged = True
            self._health.failed(failure.spec, failure.fault)

    def settle(self, *, answered: bool) -> None:
        """Charge the models that failed, unless the request itself is to blame.

        A request that fails on two models and is answered by none charges neither, if one of them served another
        request recently: it is the request that is poison, not the models. Failing to connect is never a request's
        fault.
        """
        open_failures = [failure for failure in self.failures if not failure.charged]
        suspects = [failure for failure in open_failures if failure.fault.kind is not FaultKind.UNREACHABLE]
        keys = {failure.spec.key for failure in suspects}
        poison = not answered and len(keys) > 1 and any(self._health.served_recently(key) for key in keys)
        poison = poison and self._pardons.grant(keys)
        for failure in open_failures:
            if poison and failure in suspects:
                failure.charged = True
                self._health.released(failure.spec)
            else:
                self.charge(failure)

    def error(
        self,
        decision: RoutingDecision,
        passed_over: LimitReachedError | None,
        *,
        asked: int,
        tried: int,
        stopped_by: str,
    ) -> PointsmanError:
        """What to raise: every cause, or why no model had room where none was asked."""
        failures = list(self.failures)
        if passed_over is not None:
            if not failures:
                return passed_over
            failures.append(Failure(decision.spec, Fault(FaultKind.LOCAL), passed_over))
        if not failures:
            error = DeadlineExceededError("no time was left for an attempt")
            failures = [Failure(decision.spec, Fault(FaultKind.LOCAL), error)]
        waits = [
            wait
            for failure in failures
            if failure.fault.rule.charges in ("throttle", "model")
            and (wait := self._health.available_in(failure.spec)) > 0
        ]
        if passed_over is not None and passed_over.retry_after is not None:
            waits.append(passed_over.retry_after)
        return AllModelsFailedError(
            f"no model could answer: {asked} attempt{'s' if asked != 1 else ''} on {tried} of "
            f"{len(decision.eligible)} eligible models, stopped by {stopped_by}",
            [failure.error for failure in failures],
            models=[failure.spec.key for failure in failures],
            decision_id=decision.id,
            stopped_by=stopped_by,
            retry_after=min(waits, default=None),
        )
