"""What all calls of a router share: health, limits, the retry budget, how long models take, and who is told."""

from __future__ import annotations

from random import Random

from pointsman.failover.blame import Pardons
from pointsman.failover.calls import RetryBudget
from pointsman.failover.pace import Pace
from pointsman.failover.steps import Observer
from pointsman.health.states import Health
from pointsman.limits.limiter import Limits
from pointsman.types import Clock


class Means:
    """What one call finds when it begins, and leaves to the next."""

    def __init__(
        self, health: Health, observer: Observer, clock: Clock, rng: Random, limits: Limits | None = None
    ) -> None:
        self.health = health
        self.observer = observer
        self.clock = clock
        self.rng = rng
        self.limits = limits or Limits(clock)
        self.retry_budget = RetryBudget()
        self.pace = Pace()
        self.pardons = Pardons()
