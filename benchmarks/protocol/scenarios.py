"""The scenarios a policy is replayed in, and the replay: one prompt at a time, only the chosen model's score is shown."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pointsman.replay.estimators import Vector
from pointsman.replay.traces import Trace

COST_WEIGHT = 0.1


@dataclass(frozen=True)
class Scenario:
    """What is done to a trace.

    Attributes:
        name: as the table says it.
        drift: from half way on, the best single model scores 0 on a random 60 % of prompts.
        scored: share of answers whose score is told.
        late: requests until a score is told.
        wrong_prior: shuffle the priors.
        budget: spend per request, as a share of the dearest model's mean cost.
    """

    name: str
    drift: bool = False
    scored: float = 1.0
    late: int = 0
    wrong_prior: bool = False
    budget: float | None = None


SCENARIOS = (
    Scenario("static"),
    Scenario("drift", drift=True),
    Scenario("10 % scored", scored=0.1),
    Scenario("200 late", late=200),
    Scenario("wrong prior", wrong_prior=True),
)
BUDGETS = tuple(Scenario(f"budget {share:.0%}", budget=share) for share in (0.10, 0.25, 0.50))


@dataclass(frozen=True)
class Told:
    """What a player may know before the first prompt."""

    trace: Trace
    priors: list[float]
    budget: float | None
    seed: int


class Player(Protocol):
    """A policy under test."""

    def choose(self, prompt: int) -> int:
        """The model for a prompt."""
        ...

    def answered(self, prompt: int, model: int) -> None:
        """The call came to an end: tokens and cost are known."""
        ...

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None:
        """The answer's score is known; the reward is the score less its cost."""
        ...


@dataclass(frozen=True)
class Result:
    """What a replay came to, in per cent: of the best single model, of the per-prompt oracle, and of the budget."""

    of_best: float
    of_oracle: float
    overspend: float | None


class Replay:
    """One trace in one scenario for one seed; the same for every player."""

    def __init__(self, trace: Trace, scenario: Scenario, seed: int) -> None:
        rng = np.random.default_rng(seed)
        size = len(trace.prompts)
        self.trace, self.scenario, self.seed = trace, scenario, seed
        self.order = rng.permutation(size)
        self.scores = trace.scores
        dearest = trace.costs.mean(axis=0).max()
        penalty = COST_WEIGHT * np.minimum(trace.costs / dearest, 1.0)
        rewards = self.scores - penalty
        if scenario.drift:
            best = rewards.mean(axis=0).argmax()
            late = self.order[size // 2 :]
            self.scores = trace.scores.copy()
            self.scores[late[rng.random(len(late)) < 0.6], best] = 0.0
            rewards = self.scores - penalty
        self.rewards = rewards
        self.is_scored = rng.random(size) < scenario.scored
        priors = rng.permutation(trace.priors).tolist() if scenario.wrong_prior else trace.priors
        self.told = Told(trace, priors, None if scenario.budget is None else scenario.budget * dearest, seed)

    def run(self, player: Player) -> Result:
        """Let a player choose for every prompt."""
        waiting: deque[tuple[int, int]] = deque()
        total = spent = 0.0
        for step, prompt in enumerate(self.order.tolist()):
            model = player.choose(prompt)
            total += self.rewards[prompt, model]
            spent += self.trace.costs[prompt, model]
            player.answered(prompt, model)
            waiting.append((prompt, model))
            if step >= self.scenario.late:
                earlier, chosen = waiting.popleft()
                if self.is_scored[step - self.scenario.late]:
                    score, reward = float(self.scores[earlier, chosen]), float(self.rewards[earlier, chosen])
                    player.scored(earlier, chosen, score, reward)
        budget = self.told.budget
        return Result(
            of_best=100.0 * total / self._best_single(),
            of_oracle=100.0 * total / self.rewards.max(axis=1).sum(),
            overspend=None if budget is None else 100.0 * (spent / len(self.order) / budget - 1.0),
        )

    def _best_single(self) -> float:
        """What the best single model in hindsight earns; under drift, the best of each half."""
        if not self.scenario.drift:
            return float(self.rewards.sum(axis=0).max())
        half = len(self.order) // 2
        parts: list[Vector] = [self.rewards[self.order[:half]], self.rewards[self.order[half:]]]
        return float(sum(part.sum(axis=0).max() for part in parts))
