"""`thompson`: Beta-Bernoulli Thompson sampling on the scalar reward of success, latency and cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pointsman.policies.base import Context
from pointsman.policies.posterior import win_probabilities
from pointsman.policies.tallies import TallyPolicy
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
        totals = self.totals
        rows = [totals.get(spec.arm) for spec in arms]
        pulls = np.array([0.0 if row is None else row["n"] for row in rows])
        gains = np.array([0.0 if row is None else row["reward"] for row in rows])
        # Uniform before anything is known: Beta(1, 1). Scores can pull a sum a little below 0 or above n.
        a = np.clip(gains, 0.0, pulls) + 1.0
        b = pulls + 2.0 - a
        means = a / (pulls + 2.0)
        deviations = np.sqrt(a * b / (pulls + 3.0)) / (pulls + 2.0)
        context.scores = means.tolist()
        spread = win_probabilities(means, deviations * self.exploration)
        shares: list[float] = (spread * (1.0 - self.floor) + self.floor / len(arms)).tolist()
        return shares
