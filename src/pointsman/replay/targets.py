"""What a target policy would have done in a log's place: its probabilities for every row, from what was known before it.

A policy that learns goes through the log in time: at each decision it says its probabilities, and whatever outcome or
score came in by then has been told to it. So each probability depends on earlier rows alone, which is what makes
estimates from them unbiased even if the log was made by a learner, too: the terms are martingale differences (Blum, Kalai
and Langford 1999, progressive validation; Luedtke and van der Laan 2016, the online one-step estimator of a learnt
rule's value). What is estimated is the value of the policy *as it learns from this log*.

The alternative, rejection (Li et al. 2011, "Unbiased offline evaluation of contextual-bandit-based news article
recommendation algorithms"), lets the policy live through its own draws and throws away each row where they differ from
the log's. It needs a log drawn evenly; of a log that prefers one of ten models it would keep a few rows in a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.policies.base import BasePolicy, Context, Lesson, Policy
from pointsman.registry.arms import Arms
from pointsman.replay.logs import Log, Row, reward_of

_DECIDED, _ATTEMPTED, _SCORED = range(3)


def learns(policy: Policy) -> bool:
    """Whether a policy takes anything in."""
    return getattr(type(policy), "learn", None) is not BasePolicy.learn


def shares_over(log: Log, policy: Policy, *, learn: bool = True) -> list[Sequence[float]]:
    """A policy's probabilities for each row, over the row's models; it is taught along the way unless it must not be.

    Raises:
        ValueError: if the policy breaks its contract.
    """
    passing = _Passing(log, policy, learn=learn and learns(policy))
    return passing.run()


class _Passing:
    """One policy on its way through one log."""

    def __init__(self, log: Log, policy: Policy, *, learn: bool) -> None:
        self._log = log
        self._policy = policy
        self._learn = learn
        self._arms: dict[tuple[str, ...], Arms] = {}
        self._seconds: dict[str, float] = {}
        self._memos: dict[int, Any] = {}
        self._calls: set[tuple[int, str]] = set()

    def run(self) -> list[Sequence[float]]:
        shares: list[Sequence[float]] = [()] * len(self._log.rows)
        for _, at, kind, number in self._events():
            row = self._log.rows[at]
            if kind == _DECIDED:
                shares[at] = self._shares(at, row)
            elif kind == _ATTEMPTED:
                self._tell_attempt(at, row, row.attempts[number])
            elif row.feedback is not None:
                self._tell_score(at, row, row.feedback)
        return shares

    def _events(self) -> list[tuple[float, int, int, int]]:
        """What happened, in order; what has no time of its own happened with its decision."""
        events = [(row.at, at, _DECIDED, 0) for at, row in enumerate(self._log.rows)]
        for at, row in enumerate(self._log.rows):
            events += [
                (max(each.get("at") or row.at, row.at), at, _ATTEMPTED, number)
                for number, each in enumerate(row.attempts)
            ]
            if row.feedback is not None:
                events.append((max(row.feedback.get("at") or row.at, row.at), at, _SCORED, 0))
        return sorted(events)

    def _shares(self, at: int, row: Row) -> Sequence[float]:
        arms = self._arms.get(row.keys)
        if arms is None:
            arms = self._arms[row.keys] = Arms((self._log.specs[key] for key in row.keys), 0)
        context = Context(
            request=row.request,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            mean_seconds=self._seconds,
        )
        shares = self._policy.probabilities(arms, context)
        if self._learn:
            self._memos[at] = context.memo
        return _normalised(shares, len(arms))

    def _tell_attempt(self, at: int, row: Row, attempt: Mapping[str, Any]) -> None:
        key, ok = str(attempt["model"]), attempt["fault"] is None
        if attempt.get("cached"):
            return
        if ok and attempt["seconds"] is not None:
            known = self._seconds.get(key, attempt["seconds"])
            self._seconds[key] = known + 0.1 * (attempt["seconds"] - known)
        if self._learn:
            self._calls.add((at, key))
            self._tell(
                at,
                row,
                key,
                ok=ok,
                reward=reward_of(attempt),
                cost=attempt["cost"],
                input_tokens=attempt["input_tokens"],
                output_tokens=attempt["output_tokens"],
                seconds=attempt["seconds"],
                request=row.request,
            )

    def _tell_score(self, at: int, row: Row, feedback: Mapping[str, Any]) -> None:
        key = row.answered_by
        if key is not None and self._learn:
            facts = {"quality": float(feedback["score"]), "weight": float(feedback.get("weight", 1.0))}
            self._tell(at, row, key, ok=True, counted=(at, key) in self._calls, **facts)

    def _tell(self, at: int, row: Row, key: str, **facts: Any) -> None:
        spec = self._log.specs.get(key)
        probability = row.probabilities[row.keys.index(key)] if key in row.keys else 0.0
        arm = key if spec is None else spec.arm
        lesson = Lesson(
            arm=arm, key=key, decision_id=row.id, probability=probability, memo=self._memos.get(at), **facts
        )
        self._policy.learn(lesson)


def _normalised(shares: Sequence[float], size: int) -> Sequence[float]:
    total = math.fsum(shares)
    if len(shares) != size or not 0.0 < total < math.inf or min(shares) < 0.0:
        raise ValueError(f"the policy gave {len(shares)} probabilities for {size} models, summing to {total:.4g}")
    return [share / total for share in shares]
