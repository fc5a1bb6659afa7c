"""`adaptive`: learns from scores which model answers which kind of prompt well, and weighs that against its cost.

Linear Thompson sampling (Agrawal and Goyal 2013) on surface features of the prompt, started from the catalogue's
quality (as PILOT 2508.21141 starts from preferences). Quality is learnt alone; cost and latency are only combined with
it when a choice is made (CARROT 2502.03261), so weights and prices may change without relearning. `docs/learning.md`
has the formulas, and what was tried.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pointsman.features import SURFACE, features_of
from pointsman.policies.base import Context, LearningPolicy, Lesson
from pointsman.policies.candidates import Candidates
from pointsman.policies.evidence import (
    ANSWERS,
    BILLED,
    CALLS,
    COST,
    FAILURES,
    INPUT,
    OUTPUT,
    REWARD,
    SCORED,
    Evidence,
    Vector,
)
from pointsman.policies.pacing import Pacing
from pointsman.policies.posterior import Posterior, win_probabilities
from pointsman.policies.vectors import Array
from pointsman.policies.watch import Watch
from pointsman.registry.arms import Arms

# The variance of a score (0.2) over that of what is believed beforehand: an arm's level differs by 0.12 from its prior, a
# feature moves an arm's quality by 0.06; all prompts are harder or easier than the priors say by 0.16, those with a
# feature by 0.22. A vaguer belief would explain an arm that disappoints by prompts that are hard for everybody.
_RIDGE = (15.0, 50.0)
_DIFFICULTY_RIDGE = (8.0, 4.0)
_KEPT_AFTER_ALARM = 0.1
# A catalogue quality for the field asked about counts like this many scores against what was learnt of the arm.
_EXPERTISE_WEIGHT = 10.0
_MOST_FEATURES = 64


class AdaptivePolicy(LearningPolicy):
    """Spread probability as linear Thompson sampling would; see `docs/learning.md`.

    Args:
        cost_weight: quality (0 to 1) that one would give up to save the mean cost of the dearest eligible model.
        latency_weight: quality that one would give up to save `latency_scale` seconds.
        latency_scale: seconds.
        cost_scale: USD that `cost_weight` refers to, instead of the dearest model's mean cost.
        budget_per_request: USD that a request may cost on average; unset for no limit.
        exploration: deviation of the draws, in units of the posterior's; three times that for a model never called.
        floor: probability that all models share evenly whatever was learnt, so that logs support estimates.
        nursery: calls a new model gets before it is judged, unless another is cheaper and by its prior better.
    """

    name = "adaptive"

    def __init__(
        self,
        *,
        cost_weight: float = 0.1,
        latency_weight: float = 0.0,
        latency_scale: float = 10.0,
        cost_scale: float | None = None,
        budget_per_request: float | None = None,
        exploration: float = 0.1,
        floor: float = 0.01,
        nursery: int = 3,
    ) -> None:
        _not_negative(cost_weight=cost_weight, latency_weight=latency_weight, nursery=nursery, floor=floor)
        _positive(latency_scale=latency_scale, exploration=exploration)
        _positive(cost_scale=cost_scale, budget_per_request=budget_per_request)
        if floor >= 1.0:
            raise ValueError("floor must be a probability below 1")
        self.cost_weight = cost_weight
        self.latency_weight = latency_weight
        self.latency_scale = latency_scale
        self.cost_scale = cost_scale
        self.exploration = exploration
        self.floor = floor
        self.nursery = nursery
        self.pacing = None if budget_per_request is None else Pacing(budget_per_request)
        self._lock = threading.RLock()
        self.reset()

    # -- choosing

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """Probability of each model to have the best score, were its quality drawn from what is known of it."""
        context.memo = memo = [round(value, 3) for value in features_of(context.request)]
        with self._lock:
            candidates = self._candidates(arms)
            self._refresh(len(memo))
            candidates.look_up(self._evidence, self._posterior, self._version)
            means, deviations = self._scores(candidates, context, self._padded(memo))
            child = self._newborn(candidates, context)
        context.scores = Array(means) if candidates.many else means.tolist()
        if child is not None:
            context.override = "nursery"
            spread = np.zeros(len(arms))
            spread[child] = 1.0
        elif candidates.shared:
            spread = _share_by_arm(candidates.arms, means, deviations)
        else:
            spread = win_probabilities(means, deviations)
        spread *= 1.0 - self.floor
        spread += self.floor / len(arms)
        if candidates.many:
            return Array(spread)
        result: list[float] = spread.tolist()
        return result

    def _padded(self, values: list[float]) -> Vector:
        """As many features as there are beliefs about; those of another kind of prompt are 0."""
        return np.array(values + [0.0] * (self._posterior.size - len(values)))

    def _candidates(self, arms: Arms) -> Candidates:
        """What is prepared for this set of models; the priors it brings are kept for learning."""
        found: Candidates | None = arms.memo.get(self._key)
        if found is None:
            found = arms.memo[self._key] = Candidates(arms)
            for arm, prior in zip(found.arms, found.priors.tolist(), strict=True):
                if self._priors.get(arm) != prior:
                    self._priors[arm] = prior
                    self._stale.add(arm)
        return found

    def _refresh(self, size: int) -> None:
        """Derive beliefs from the evidence that came since."""
        if (size := max(size, self._evidence.size)) > self._posterior.size:
            self._posterior.resize(size)
            self._stale.update(self._evidence.at)
        if not self._stale:
            return
        for arm in self._stale:
            if arm in self._priors and arm in self._evidence.at:
                self._posterior.put(self._evidence.at[arm], self._evidence.labels(arm), self._priors[arm])
        self._posterior.refresh()
        self._stale.clear()
        self._version += 1

    def _scores(self, candidates: Candidates, context: Context, features: Vector) -> tuple[Vector, Vector]:
        """Mean and deviation of each model's score: quality, less cost and latency at their weights."""
        request = context.request
        weigh = request.weights.get
        quality_weight = weigh("quality", 1.0)
        cost_weight, latency_weight = weigh("cost", self.cost_weight), weigh("latency", self.latency_weight)
        quality = candidates.effect @ features
        if candidates.row is not None:
            quality = quality[candidates.row]
        quality += candidates.priors
        if request.expertise:
            labels = self._posterior.labels[candidates.at]
            special = candidates.priors_for(request.expertise)
            quality += (special - candidates.priors) * (_EXPERTISE_WEIGHT / (_EXPERTISE_WEIGHT + labels))
        variance = candidates.spread @ np.outer(features, features).ravel()
        if candidates.row is not None:
            variance = variance[candidates.row]
        costs, dearest = candidates.costs(context.input_tokens, request.max_output_tokens)
        scores: Vector = candidates.answering * quality
        deviations = candidates.reach * np.sqrt(np.maximum(variance, 0.0))
        if quality_weight != 1.0:
            scores *= quality_weight
        scores -= costs * (cost_weight / (self.cost_scale or dearest or 1.0))
        if latency_weight:
            scores -= candidates.seconds(context.mean_seconds) * (latency_weight / self.latency_scale)
        if self.pacing is not None:
            scores -= self.pacing.penalties(costs)
        deviations *= self.exploration * quality_weight
        return scores, deviations

    def _newborn(self, candidates: Candidates, context: Context) -> int | None:
        """The model that is owed a nursery call, fewest calls first."""
        if not candidates.newborn:
            return None
        if candidates.many:
            return self._first_waiting(candidates, context)
        waiting = []
        for position in list(candidates.newborn):
            arm = candidates.arms[position]
            called = self._evidence.counts[self._evidence.at.get(arm, 0), CALLS] + context.pending.get(arm, 0)
            called = max(called, self._offered.get(arm, 0))
            if called < self.nursery:
                waiting.append((called, position))
            else:
                candidates.newborn.remove(position)
        if not waiting:
            return None
        _, child = min(waiting, key=lambda pair: pair[0])
        return self._offer(candidates, child)

    def _first_waiting(self, candidates: Candidates, context: Context) -> int | None:
        """The same of many models."""
        pending, evidence, offered = context.pending, self._evidence, self._offered

        def called(arm: str) -> float:
            calls: float = evidence.counts[evidence.at.get(arm, 0), CALLS] + pending.get(arm, 0)
            return max(calls, offered.get(arm, 0))

        nursery = candidates.waiting(evidence.journal, pending, called, self.nursery)
        child = nursery.next(pending, called)
        return None if child is None else self._offer(candidates, child)

    def _offer(self, candidates: Candidates, child: int) -> int:
        """Count a call that is offered: its outcome may come much later, or never."""
        arm = candidates.arms[child]
        self._offered[arm] = self._offered.get(arm, 0) + 1
        self._evidence.journal.note(arm)
        return child

    # -- learning

    def learn(self, lesson: Lesson) -> None:
        """Count a call's outcome; learn quality only from a score that somebody gave."""
        with self._lock:
            if (not lesson.counted or lesson.quality is None) and (lesson.ok or lesson.reward is not None):
                self._count(lesson)
            score = _finite(lesson.quality)
            if score is not None and 0.0 <= score <= 1.0:
                self._label(lesson, score)

    def _count(self, lesson: Lesson) -> None:
        changes = {
            CALLS: float(not lesson.counted),
            FAILURES: float(not lesson.ok),
            REWARD: _finite(lesson.reward) or 0.0,
        }
        cost, tokens = _finite(lesson.cost), _finite(lesson.output_tokens)
        if cost is not None and cost >= 0.0:
            changes |= {BILLED: 1.0, COST: cost}
            if self.pacing is not None:
                self.pacing.spent(cost)
        if tokens is not None and tokens >= 0.0:
            changes |= {ANSWERS: 1.0, OUTPUT: tokens, INPUT: max(_finite(lesson.input_tokens) or 0.0, 0.0)}
        self._evidence.count(lesson.arm, changes)
        if lesson.arm not in self._priors or self._evidence.at[lesson.arm] >= len(self._posterior.labels):
            self._stale.add(lesson.arm)

    def _label(self, lesson: Lesson, score: float) -> None:
        features = self._features(lesson)
        arm = lesson.arm
        self._refresh(len(features))
        self._evidence.label(arm, features, score, lesson.weight, lesson.revised)
        self._stale.add(arm)
        # A check that passes is no answer of the usual quality; only what judges quality shows that an arm has changed.
        if arm not in self._priors or lesson.weight < 1.0:
            return
        at = self._evidence.at[arm]
        expected = self._posterior.expect(at if at < len(self._posterior.labels) else 0, features, self._priors[arm])
        watch = self._watches.setdefault(arm, Watch())
        if shift := watch.see(score - expected):
            self._evidence.renew(arm, _KEPT_AFTER_ALARM, shift)
            self.alarms += 1

    def _features(self, lesson: Lesson) -> Vector:
        """The features of the decision: as it kept them, else from the request, else just the one."""
        kept = lesson.memo
        if isinstance(kept, Sequence) and 0 < len(kept) <= _MOST_FEATURES:
            values = [_finite(value) or 0.0 for value in kept]
        else:
            values = [1.0] if lesson.request is None else features_of(lesson.request)
        features: Vector = np.zeros(max(len(values), SURFACE + 1))
        features[: len(values)] = values
        return features

    # -- state

    def state(self) -> dict[str, dict[str, Any]]:
        """This replica's sums per arm."""
        with self._lock:
            return self._evidence.to_json()

    def merge(self, replica: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in another replica's sums; rows that cannot be read are counted and left out."""
        with self._lock:
            self._stale |= self._evidence.merge(replica, rows)

    @property
    def ignored(self) -> int:
        """Rows of other replicas that could not be read."""
        return self._evidence.ignored

    def statistics(self) -> dict[str, dict[str, float]]:
        """Calls, successes, scores and mean quality per arm."""
        with self._lock:
            return {arm: self._statistics_of(arm) for arm in self._evidence.at}

    def _statistics_of(self, arm: str) -> dict[str, float]:
        counts = self._evidence.counts[self._evidence.at[arm]].tolist()
        labels = self._evidence.labels(arm)
        quality = labels.score / labels.count if labels.count else 0.0
        return {
            "attempts": counts[CALLS],
            "successes": counts[CALLS] - counts[FAILURES],
            "success_rate": (counts[CALLS] - counts[FAILURES]) / max(counts[CALLS], 1.0),
            "average_reward": counts[REWARD] / max(counts[CALLS], 1.0),
            "scored": counts[SCORED],
            "average_quality": quality,
            "confidence": min(labels.count / 10.0, 1.0) * quality,
        }

    def reset(self) -> None:
        """Forget everything learnt."""
        with self._lock:
            size = SURFACE + 1
            self._key = object()
            self._evidence = Evidence(size)
            self._posterior = Posterior(size, _RIDGE, _DIFFICULTY_RIDGE)
            self._priors: dict[str, float] = {}
            self._offered: dict[str, int] = {}
            self._watches: dict[str, Watch] = {}
            self._stale: set[str] = set()
            self._version = 0
            self.alarms = 0


def _share_by_arm(arms: Sequence[str], means: Vector, deviations: Vector) -> Vector:
    """Win probabilities where several deployments are one arm: the arm's go to its best deployments, evenly."""
    best: dict[str, list[int]] = {}
    for position, arm in enumerate(arms):
        known = best.setdefault(arm, [])
        if not known or means[position] > means[known[0]]:
            best[arm] = [position]
        elif means[position] == means[known[0]]:
            known.append(position)
    firsts = [positions[0] for positions in best.values()]
    wins = win_probabilities(means[firsts], deviations[firsts])
    spread: Vector = np.zeros(len(arms))
    for win, positions in zip(wins, best.values(), strict=True):
        spread[positions] = win / len(positions)
    return spread


def _finite(value: Any) -> float | None:
    """A number, or None for whatever is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _not_negative(**options: float) -> None:
    for name, value in options.items():
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name} must not be negative")


def _positive(**options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not 0.0 < value < math.inf:
            raise ValueError(f"{name} must be above 0")
