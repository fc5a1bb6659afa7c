"""Keeps spending to a budget per request: a price on dollars that rises while too much is spent, and a guard."""

from __future__ import annotations

from pointsman.policies.evidence import Vector

_MEMORY = 0.05
_STEP = 0.05
_HIGHEST_PRICE = 100.0
_GUARD_AFTER = 10
_FORBIDDEN = 10.0


class Pacing:
    """A dual price for the constraint "mean USD per request at most `budget`" (ParetoBandit 2604.00136).

    Args:
        budget: USD per request.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.price = 0.0
        self.balance = 0.0
        self._mean = budget

    def spent(self, cost: float) -> None:
        """Take in what a request cost, uncapped."""
        self.balance += self.budget - cost
        self._mean += _MEMORY * (cost - self._mean)
        step = _STEP * (self._mean / self.budget - 1.0)
        self.price = min(max(self.price + step, 0.0), _HIGHEST_PRICE)

    def penalties(self, costs: Vector) -> Vector:
        """What each expected cost takes off a score; after `10` requests' overspend, all beyond the budget is out."""
        penalties = self.price / self.budget * costs
        if self.balance < -_GUARD_AFTER * self.budget:
            penalties = penalties + _FORBIDDEN * (costs > max(self.budget, costs.min()))
        return penalties
