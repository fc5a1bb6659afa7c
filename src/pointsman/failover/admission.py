"""Admission of one call: room at a model's rate and in its tenant's budget is taken before each attempt, and settled after.

A model without room is passed over for the next one, at no charge to anybody.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from random import Random

from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.eligibility.sizing import cost_bound, counted_for, reserve_for
from pointsman.errors import LimitReachedError
from pointsman.failover.calls import CallLedger
from pointsman.failover.steps import Reserve, Result, Step, Wait
from pointsman.faults import LONGEST_WAIT
from pointsman.limits.buckets import Take
from pointsman.limits.limiter import Limits, budget_error, is_rate
from pointsman.limits.reservation import Reservation, unit_of

# Dearer models are not asked for once the budget had no room; cheaper ones are, but not all of thousands.
_BUDGET_REFUSALS = 8
# The part of a rate that a bound by bytes may waste until the answer tells the true size; counting costs milliseconds.
_LITTLE = 0.05
_MOST_DOUBLINGS = 6


class Admission:
    """What one call was granted and refused.

    Attributes:
        full: models that have no room at their rate, with the seconds until they have.
        spent: whether the budget has no room for any model.
    """

    __slots__ = ("_budget_wait", "_dearest", "_decision", "_limits", "_refusals", "_waits", "full", "spent")

    def __init__(self, limits: Limits, decision: RoutingDecision) -> None:
        self._limits = limits
        self._decision = decision
        self._dearest = math.inf
        self._budget_wait: float | None = None
        self._refusals = 0
        self._waits = 0
        self.full: dict[str, tuple[ModelSpec, float]] = {}
        self.spent = False

    def take(self, spec: ModelSpec) -> Generator[Step, Result, Reservation | None]:
        """Take room for one attempt; None if there is none."""
        limits, tenant = self._limits, self._decision.request.tenant
        refused: tuple[tuple[Take, ...], float, float | None, float] | None = None
        for tokens, cost in self._sizes(spec):
            if cost is not None and cost >= self._dearest:
                continue
            takes = limits.takes(spec, tenant, tokens, cost)
            wait = yield from self._ask(takes)
            if wait <= 0:
                return limits.granted(takes)
            refused = (takes, tokens, cost, wait)
        if refused is None:
            return None
        takes, tokens, cost, wait = refused
        if not (yield from self._over_budget(takes, cost, wait)):
            self.full[spec.key] = (spec, wait)
            limits.refused(spec, tokens, wait)
        return None

    def wait(self, ledger: CallLedger, rng: Random, longest: float) -> Generator[Step, Result, ModelSpec | None]:
        """Let time pass until the earliest model has room, and say which; None if the deadline does not allow it."""
        if not self.full:
            return None
        spec, wait = min(self.full.values(), key=lambda each: each[1])
        remaining = ledger.remaining
        # Without a deadline nobody meant to wait for a limit of a day.
        if wait >= min(longest, LONGEST_WAIT if remaining is None else remaining):
            return None
        # Others wait for the same room: who came too late before spreads out.
        late = self._waits and wait * rng.random() * 2.0 ** min(self._waits - 1, _MOST_DOUBLINGS)
        self._waits += 1
        pause = wait + late if wait + late < (math.inf if remaining is None else remaining) else wait
        yield Wait(pause)
        del self.full[spec.key]
        self.full = {key: (other, max(left - pause, 0.0)) for key, (other, left) in self.full.items()}
        return spec

    def error(self) -> LimitReachedError | None:
        """Why models were passed over; None if none was."""
        if self.full:
            wait = min(left for _, left in self.full.values())
            named = next(iter(self.full)) if len(self.full) == 1 else f"{len(self.full)} models"
            return LimitReachedError(
                f"{named} at the rate limit, with room again in {wait:.1f} s",
                retry_after=wait if math.isfinite(wait) else None,
                models=tuple(self.full),
            )
        if self._budget_wait is None:
            return None
        return budget_error(self._decision.request.tenant, self._budget_wait)

    def _ask(self, takes: tuple[Take, ...]) -> Generator[Step, Result, float]:
        answer = yield Reserve(takes, self._limits.buckets)
        if not isinstance(answer, int | float):
            raise TypeError(f"a driver answered Reserve with {type(answer).__name__}")
        return float(answer)

    def _over_budget(self, takes: tuple[Take, ...], cost: float | None, wait: float) -> Generator[Step, Result, bool]:
        """Whether it is the budget that has no room, not the model."""
        budgets = tuple(take for take in takes if not is_rate(take))
        if not budgets:
            return False
        if len(budgets) < len(takes):
            wait = yield from self._ask(budgets)
            if wait <= 0:
                self._limits.buckets.settle([take._replace(amount=-take.amount) for take in budgets])
                return False
        self._budget_wait = wait if self._budget_wait is None else min(wait, self._budget_wait)
        self._refusals += 1
        by_money = cost is not None and any(unit_of(take.key) == "usd" for take in budgets)
        if cost is not None:
            self._dearest = min(self._dearest, cost)
        self.spent = not by_money or self._refusals >= _BUDGET_REFUSALS
        return True

    def _sizes(self, spec: ModelSpec) -> Iterator[tuple[float, float | None]]:
        """Tokens and USD that the call can take at most: bounded by bytes where that is little, else counted."""
        question, limits = self._decision.question, self._limits
        request, size = question.request, question.size
        room = reserve_for(spec, request)
        if size.known or size.upper <= _LITTLE * limits.tokens_per_minute(spec):
            yield size.upper + room, cost_bound(spec, request, size.upper) if limits.has_budgets else None
        if not size.known:
            counted = counted_for(spec, size)
            yield counted + room, cost_bound(spec, request, counted) if limits.has_budgets else None
