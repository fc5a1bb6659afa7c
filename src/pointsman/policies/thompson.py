"""`thompson`: Beta-Bernoulli Thompson sampling on the scalar reward of success, latency and cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pointsman.policies.base import Context
from pointsman.policies.evidence import Vector
from pointsman.policies.posterior import win_probabilities
from pointsman.policies.shares import FEW
from pointsman.policies.tallies import NOTHING, TallyPolicy
from pointsman.policies.vectors import Array
from pointsman.registry.arms import Arms


class ThompsonPolicy(TallyPolicy):
    """Draw each arm's mean reward from its Beta posterior and take the largest (Thompson 1933; Agrawal and Goyal 2012).

    The draws are not made: each Beta is taken as the Gaussian of its mean and deviation, and the probability of each to
    be the largest is integrated, so the probability in the decision is exact.

    Args:
        exploration: deviation of the draws in units of the posterior's; 1 is the classic. Less loses less on real
            traces, as with `ucb`.
        floor: probability that all models share evenly.
    """

    name = "thompson"

    def __init__(self, exploration: float = 0.25, floor: float = 0.0) -> None:
        if not exploration > 0.0 or not 0.0 <= floor < 1.0:
            raise ValueError("exploration must be above 0 and floor a probability below 1")
        super().__init__()
        self.exploration = exploration
        self.floor = floor

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """The probability of each model's mean reward to be the largest."""
        many = len(arms) > FEW
        pulls, gains = self._followed(arms) if many else self._looked_up(arms)
        # Uniform before anything is known: Beta(1, 1). Scores can pull a sum a little below 0 or above n.
        a = np.clip(gains, 0.0, pulls) + 1.0
        b = pulls + 2.0 - a
        means = a / (pulls + 2.0)
        deviations = np.sqrt(a * b / (pulls + 3.0)) / (pulls + 2.0)
        spread = win_probabilities(means, deviations * self.exploration)
        spread = spread * (1.0 - self.floor) + self.floor / len(arms)
        if many:
            context.scores = Array(means)
            return Array(spread)
        context.scores = means.tolist()
        shares: list[float] = spread.tolist()
        return shares

    def _looked_up(self, arms: Arms) -> tuple[Vector, Vector]:
        """Calls and rewards of each model."""
        rows = [self.totals.get(spec.arm, NOTHING) for spec in arms]
        return np.array([row["n"] for row in rows]), np.array([row["reward"] for row in rows])

    def _followed(self, arms: Arms) -> tuple[Vector, Vector]:
        """The same of many models, of which few have changed since they were looked up; a copy."""
        with self._lock:
            known: tuple[int, Vector, Vector] | None = arms.memo.get(self._key)
            changed = None if known is None else self.changes.since(known[0])
            mark = self.changes.end
            if known is None or changed is None:
                known = (mark, *self._looked_up(arms))
            elif changed:
                for arm in set(changed):
                    row = self.totals.get(arm, NOTHING)
                    for at in arms.by_arm.get(arm, ()):
                        known[1][at], known[2][at] = row["n"], row["reward"]
                known = (mark, known[1], known[2])
            arms.memo[self._key] = known
            return known[1].copy(), known[2].copy()
