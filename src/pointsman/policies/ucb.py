"""`ucb`: the upper-confidence-bound bandit UCB1 on the scalar reward of success, latency and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pointsman.policies.base import Context, one_hot
from pointsman.policies.intervals import hoeffding, wilson
from pointsman.policies.shares import FEW
from pointsman.policies.standing import Standing
from pointsman.policies.tallies import NOTHING, TallyPolicy
from pointsman.registry.arms import Arms


class UCBPolicy(TallyPolicy):
    """Score = mean reward + exploration * sqrt(ln(N + 1) / n) (Auer, Cesa-Bianchi and Fischer 2002, UCB1).

    Decisions count in n and N from the moment they are made, but not in the mean, so that concurrent requests do not all
    explore the same arm.

    Args:
        exploration: factor of the bonus. 2.0 is the classic; 0.25 loses far less on real traces and is the default.
        min_trials: calls each arm gets before scores are compared.
        confidence_level: of the intervals in `statistics`; choosing does not depend on it.
        exploration_factor: another spelling of `exploration`.
    """

    name = "ucb"
    counts_pulls = True

    def __init__(
        self,
        exploration: float = 0.25,
        min_trials: int = 1,
        confidence_level: float = 0.95,
        exploration_factor: float | None = None,
    ) -> None:
        if exploration_factor is not None:
            exploration = exploration_factor
        if not 0 <= exploration < math.inf or not 0 <= min_trials < math.inf:
            raise ValueError("exploration and min_trials must not be negative")
        if not 0 < confidence_level < 1:
            raise ValueError("confidence_level must be between 0 and 1, such as 0.95")
        super().__init__()
        self.exploration = exploration
        self.min_trials = min_trials
        self.confidence_level = confidence_level

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the highest score; untried arms first, evenly among equals."""
        if len(arms) > FEW:
            with self._lock:
                standing: Standing | None = arms.memo.get(self._key)
                if standing is None:
                    standing = arms.memo[self._key] = Standing(arms, self.totals, self.changes, context.pending)
                standing.follow(self.totals, context.pending)
                return standing.shares(context, self.exploration, max(self.min_trials, 1))
        context.scores = scores = self._bounds(arms, context)
        best = max(scores)
        return one_hot(len(arms), (at for at, score in enumerate(scores) if score == best))

    def statistics(self) -> dict[str, dict[str, float]]:
        """What every tally has, and the intervals in which success rate and mean reward lie at `confidence_level`."""
        known = super().statistics()
        for row in known.values():
            n = row["attempts"]
            success, reward = (
                wilson(row["successes"], n, self.confidence_level),
                hoeffding(row["average_reward"], n, self.confidence_level),
            )
            row |= {"success_rate_low": success[0], "success_rate_high": success[1]}
            row |= {"average_reward_low": reward[0], "average_reward_high": reward[1]}
        return known

    def _bounds(self, arms: Arms, context: Context) -> list[float]:
        """The upper confidence bound per arm; infinite before `min_trials`, fewest pulls first."""
        names = arms.memo.get("arms")
        if names is None:
            names = arms.memo["arms"] = [spec.arm for spec in arms]
        totals, pending = self.totals, context.pending
        rows = [totals.get(name, NOTHING) for name in names]
        pulls = [row["n"] + pending.get(name, 0) for row, name in zip(rows, names, strict=True)]
        if (fewest := min(pulls)) < max(self.min_trials, 1):
            return [math.inf if pull == fewest else 0.0 for pull in pulls]
        bonus = self.exploration * math.sqrt(math.log(sum(pulls) + 1))
        return [
            (row["reward"] / row["n"] if row["n"] else 0.5) + bonus / math.sqrt(pull)
            for row, pull in zip(rows, pulls, strict=True)
        ]
