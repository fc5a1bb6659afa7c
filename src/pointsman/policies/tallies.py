"""What learners on the scalar reward share: counts and rewards per arm, as sums that merge over replicas."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from pointsman.policies.base import LearningPolicy, Lesson
from pointsman.policies.journal import Journal

_CERTAIN_AFTER = 10
NOTHING: Mapping[str, float] = {"n": 0.0, "reward": 0.0, "successes": 0.0, "changes": 0.0}


class TallyPolicy(LearningPolicy):
    """Learns one number per call: success, less latency and cost, or a score where there is one.

    Attributes:
        totals: the sums of all replicas per arm.
        ignored: rows of other replicas that could not be read.
        changes: notes whose totals have changed.
    """

    def __init__(self) -> None:
        self._key = object()  # under which sets of models keep what was worked out for this policy
        self._lock = threading.RLock()
        self._own: dict[str, dict[str, float]] = {}
        self._others: dict[str, dict[str, Mapping[str, float]]] = {}
        self.totals: dict[str, dict[str, float]] = {}
        self.changes = Journal()
        self.ignored = 0

    def learn(self, lesson: Lesson) -> None:
        """Add an outcome's reward; a score that comes later replaces the 1 that success stood for."""
        reward, quality = known_share(lesson.reward), known_share(lesson.quality)
        if reward is None and quality is None:
            return
        if lesson.counted:
            # A score takes the place of the 1 that success stood for, or of a score that knew less; a late outcome
            # brings latency and cost.
            change = {"reward": _worth(lesson, quality) if quality is not None else (reward or 0.0) - 1.0}
        else:
            gained = 1.0 if reward is None else reward
            if quality is not None:
                gained += _worth(lesson, quality)
            change = {"n": 1.0, "reward": gained, "successes": float(lesson.ok)}
        with self._lock:
            for sums in (self._own, self.totals):
                row = sums.setdefault(lesson.arm, dict(NOTHING))
                row["changes"] += 1
                for name, value in change.items():
                    row[name] += value
            self.changes.note(lesson.arm)

    def pulls(self, arm: str) -> float:
        """Calls that were learnt from."""
        return self.totals.get(arm, NOTHING)["n"]

    def mean(self, arm: str) -> float:
        """Mean reward; 0.5 before anything is known."""
        row = self.totals.get(arm, NOTHING)
        return row["reward"] / row["n"] if row["n"] else 0.5

    def confidence(self, arm: str) -> float:
        """How much is known, weighted by how good it is: min(n / 10, 1) * mean reward."""
        return min(self.pulls(arm) / _CERTAIN_AFTER, 1.0) * self.mean(arm)

    def state(self) -> dict[str, dict[str, Any]]:
        """This replica's sums per arm."""
        with self._lock:
            return {arm: dict(row) for arm, row in self._own.items()}

    def merge(self, replica: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in another replica's sums; the newest count wins, and rows that cannot be read are left out."""
        with self._lock:
            for arm, given in rows.items():
                row = _read(given)
                if row is None:
                    self.ignored += 1
                    continue
                others = self._others.setdefault(arm, {})
                if row["changes"] > others.get(replica, NOTHING)["changes"]:
                    others[replica] = row
                    self._fold(arm)

    def _fold(self, arm: str) -> None:
        """Add an arm's rows up anew, in the order of their replicas, so that the order they came in does not show."""
        rows = [row for _, row in sorted(self._others.get(arm, {}).items())]
        rows += [self._own[arm]] if arm in self._own else []
        self.totals[arm] = {name: sum(row[name] for row in rows) for name in NOTHING}
        self.changes.note(arm)

    def statistics(self) -> dict[str, dict[str, float]]:
        """Attempts, successes, success rate, mean reward and confidence per arm."""
        return {
            arm: {
                "attempts": row["n"],
                "successes": row["successes"],
                "success_rate": row["successes"] / max(row["n"], 1),
                "average_reward": self.mean(arm),
                "confidence": self.confidence(arm),
            }
            for arm, row in list(self.totals.items())
        }

    def reset(self) -> None:
        """Forget all sums."""
        with self._lock:
            self._own.clear()
            self._others.clear()
            self.totals.clear()
            self.changes.note_all()


def _worth(lesson: Lesson, quality: float) -> float:
    """What a score adds to a success, which counts 1 without it."""
    before, weight = lesson.revised or (1.0, 0.0)
    return lesson.weight * (quality - 1.0) - weight * (before - 1.0)


def known_share(value: Any) -> float | None:
    """A number from 0 to 1, or None for whatever is not one.

    >>> known_share(0.5), known_share(float("nan")), known_share("much")
    (0.5, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        return None
    return float(value)


def _read(row: Any) -> dict[str, float] | None:
    """A row as `state` writes it, or None."""
    try:
        values = {name: float(row[name]) for name in NOTHING}
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return values if all(math.isfinite(value) for value in values.values()) and values["n"] >= 0 else None
