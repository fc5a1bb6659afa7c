"""Room at limits for the attempts of one call that a host makes by itself: taken before each, settled after it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar

from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.eligibility.sizing import counted_for
from pointsman.errors import LimitReachedError
from pointsman.failover.admission import Admission
from pointsman.failover.calls import CallLedger, CallSettings
from pointsman.failover.means import Means
from pointsman.failover.steps import Reserve, Result, Step, Wait
from pointsman.faults import FaultKind
from pointsman.limits.reservation import Reservation
from pointsman.types import Outcome

_Answer = TypeVar("_Answer")


class Reservations:
    """What one call holds, by model; made by `Router.reservations`.

    A model that nothing limits needs none. Whoever takes also calls `close` when the call is over.
    """

    __slots__ = ("_admission", "_decision", "_held", "_ledger", "_left", "_means")

    def __init__(self, means: Means, decision: RoutingDecision, settings: CallSettings) -> None:
        self._means = means
        self._decision = decision
        self._ledger = CallLedger(settings, means.clock)
        self._admission: Admission | None = None  # most calls meet no limit
        self._held: dict[str, Reservation] = {}
        self._left: set[str] = set()

    @property
    def remaining(self) -> float | None:
        """Seconds until the call's deadline; None without one."""
        return self._ledger.remaining

    def needed(self, plan: Iterable[ModelSpec]) -> bool:
        """Whether an attempt of any of these has to be reserved first."""
        held, limits = self._held, self._means.limits
        return any(spec.key not in held and limits.apply_to(spec) for spec in plan)

    async def begin(self, plan: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
        """Take room for the first of a plan that has it; wait for it if none has and the deadline allows that.

        Returns:
            The plan with that model in front, and at its end those that others find out about and those without room.

        Raises:
            BudgetExceededError: E4208, if the tenant's budget has no room for any of them.
            LimitReachedError: E4207, if all are at their limit for longer than the call may last.
        """
        postponed: list[ModelSpec] = []
        full: list[ModelSpec] = []
        for at, spec in enumerate(plan):
            if not self._means.health.admit(spec):
                postponed.append(spec)
            elif await self._take_or_release(spec):
                return (spec, *plan[at + 1 :], *postponed, *full)
            else:
                full.append(spec)
                if self._spent:
                    raise self._error()
        for at, spec in enumerate(postponed):
            if await self._take(spec):
                return (spec, *postponed[at + 1 :], *full)
            full.append(spec)
        found = await self._wait()
        return (found, *(spec for spec in full if spec is not found))

    async def take(self, spec: ModelSpec) -> None:
        """Take room for one more attempt.

        Raises:
            LimitReachedError: E4207 or E4208, if there is none.
        """
        if not await self._take(spec):
            raise self._error()

    def settle(self, spec: ModelSpec, outcome: Outcome, fault: FaultKind | None) -> bool:
        """An attempt has ended: its real size counts; whether anything was held for it."""
        reservation = self._held.pop(spec.key, None)
        if reservation is None:
            return False
        if fault is None:
            self._means.limits.settle(reservation, spec, outcome)
        else:
            self._means.limits.refund(reservation, fault)
        return True

    def left(self, spec: ModelSpec, pieces: int) -> None:
        """The caller of a stream has gone after so many pieces: they count, unless `settle` says how many it took."""
        reservation = self._held.get(spec.key)
        if reservation is not None and pieces:
            prompt = counted_for(spec, self._decision.question.size)
            changes = self._means.limits.settle(reservation, spec, Outcome(input_tokens=prompt, output_tokens=pieces))
            self._held[spec.key] = reservation.after(changes)
            self._left.add(spec.key)

    def close(self) -> None:
        """The call is over: what is held for attempts that were not made is given back."""
        for key in self._held.keys() - self._left:
            self._means.limits.refund(self._held.pop(key), None)

    # -- inside

    @property
    def _spent(self) -> bool:
        return self._admission is not None and self._admission.spent

    async def _take(self, spec: ModelSpec) -> bool:
        if not self.needed((spec,)):
            return True
        if self._admission is None:
            self._admission = Admission(self._means.limits, self._decision)
        reservation = await self._driven(self._admission.take(spec))
        if reservation is None:
            return False
        self._held[spec.key] = reservation
        return True

    async def _take_or_release(self, spec: ModelSpec) -> bool:
        """Like `_take`; without room the model's probe is left to others."""
        taken = False
        try:
            taken = await self._take(spec)
        finally:
            if not taken:
                self._means.health.released(spec)
        return taken

    async def _wait(self) -> ModelSpec:
        """The model that has room first, when it has."""
        admission = self._admission
        while admission is not None and not admission.spent:
            found = await self._driven(admission.wait(self._ledger, self._means.rng, math.inf))
            if found is None:
                break
            if await self._take(found):
                return found
        raise self._error()

    def _error(self) -> LimitReachedError:
        error = None if self._admission is None else self._admission.error()
        return error or LimitReachedError("no model has room for this request", retry_after=None)

    async def _driven(self, steps: Generator[Step, Result, _Answer]) -> _Answer:
        """Do what the steps say."""
        result: Result = None
        with contextlib.closing(steps):
            while True:
                try:
                    step = steps.send(result)
                except StopIteration as stop:
                    answer: _Answer = stop.value
                    return answer
                result = None
                if isinstance(step, Reserve):
                    result = await step.buckets.atake(step.takes)
                elif isinstance(step, Wait):
                    await self._means.clock.asleep(step.seconds)
