"""What outcomes teach: health, policy and ledger are told of every attempt and every score, from any process."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pointsman.catalog.prices import call_cost
from pointsman.catalog.spec import ModelSpec
from pointsman.chooser import Chooser
from pointsman.decision import RoutingDecision
from pointsman.errors import InvalidFeedbackError, StoreError, UnknownDecisionError
from pointsman.faults import Fault
from pointsman.ledger import Ledger
from pointsman.policies.base import LearningPolicy, Lesson
from pointsman.snapshot import Arms
from pointsman.steps import Attempt, AttemptRecord
from pointsman.stores.base import Store, Write
from pointsman.types import Clock, Outcome

_log = logging.getLogger("pointsman")

_OPEN_DECISIONS = 10_000
# Seconds between two exchanges of what was learnt with the other processes on a store.
_EXCHANGE_EVERY = 1.0


@dataclass(slots=True)
class _Open:
    """What is kept of a decision for its score: not the request, prompts are not kept."""

    chosen: ModelSpec
    arms: Arms
    probabilities: Sequence[float]
    memo: Any
    pool: str | None
    answered: ModelSpec | None = None
    scored: bool = False

    def probability(self, spec: ModelSpec) -> float:
        """With which the decision would have drawn this model; 0 for one that was behind."""
        position = self.arms.positions.get(spec.key)
        return 0.0 if position is None else self.probabilities[position]


class Learning:
    """Takes in attempts and scores. A store that fails costs a line in the log, never a call.

    Attributes:
        failed_writes: how many writes the store has refused.
    """

    def __init__(self, chooser: Chooser, store: Store, ledger: Ledger, clock: Clock) -> None:
        self._chooser = chooser
        self._clock = clock
        self._store = store
        self._ledger = ledger
        self._policy = chooser.choice.policy
        self._space = f"learnt.{chooser.choice.name}"
        self._replica = os.urandom(6).hex()
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._changed: set[str] = set()
        self._next_exchange = 0.0
        self.failed_writes = 0
        if store.shared and isinstance(self._policy, LearningPolicy):
            self._merge_others(self._policy)
            atexit.register(_flush_at_exit, weakref.ref(self))

    # -- attempts (the observer of failover)

    def decided(self, decision: RoutingDecision) -> None:
        """A decision was made."""
        kept = _Open(decision.spec, decision.arms, decision.probabilities, decision.memo, decision.request.model)
        with self._lock:
            self._open[decision.id] = kept
            if len(self._open) > _OPEN_DECISIONS:
                self._open.popitem(last=False)
        self._try(lambda: self._ledger.decided(decision))

    def began(self, attempt: Attempt) -> None:
        """An attempt starts: a pull whose outcome is not known yet."""
        self._chooser.begin(attempt.spec)

    def abandoned(self, attempt: Attempt) -> None:
        """It was cancelled; it teaches nothing."""
        self._chooser.end(attempt.spec)

    def ended(self, record: AttemptRecord) -> None:
        """It came to an end."""
        self._chooser.end(record.attempt.spec)
        self.take_in(record)

    def take_in(self, record: AttemptRecord) -> None:
        """Learn from an attempt and write it down."""
        attempt, outcome, fault = record
        decision, spec = attempt.decision, attempt.spec
        cost = cost_of(spec, outcome)
        known = self._open.get(decision.id)
        if outcome.ok:
            if known is not None:
                known.answered = spec
            self._chooser.keep_session(decision.request, spec)
        if not outcome.cached:
            lesson = self._lesson(decision, spec, outcome, fault, cost)
            if known is not None and known.scored and spec.key == decision.model:
                lesson = replace(lesson, counted=True)
            self._teach(lesson, decision.request.model)
        self._try(lambda: self._ledger.attempted(record, cost))

    def _lesson(
        self, decision: RoutingDecision, spec: ModelSpec, outcome: Outcome, fault: Fault | None, cost: float | None
    ) -> Lesson:
        success = scalar_reward(seconds=outcome.seconds, cost=cost)
        return Lesson(
            arm=spec.arm,
            key=spec.key,
            decision_id=decision.id,
            ok=outcome.ok,
            reward=success if fault is None else fault.rule.reward,
            quality=outcome.score,
            cost=cost,
            input_tokens=outcome.input_tokens,
            output_tokens=outcome.output_tokens,
            seconds=outcome.seconds,
            probability=_probability(decision, spec),
            request=decision.request,
            memo=decision.memo,
        )

    # -- scores

    def feedback(self, decision_id: str, score: float, source: str | None) -> None:
        """Take in a score; see `Router.feedback`. It judges the model that answered, be it a fallback."""
        if not _is_score(score):
            raise InvalidFeedbackError(f"the score is {score!r}; expected a number from 0 to 1")
        known_here = self._open.get(decision_id)
        if known_here is not None:
            spec = known_here.answered or known_here.chosen
            facts: dict[str, Any] = {
                "arm": spec.arm,
                "model": spec.key,
                "probability": known_here.probability(spec),
                "memo": known_here.memo,
            }
            pool, counted = known_here.pool, known_here.answered is not None
        else:
            row = self._ledger.find(decision_id)
            if row is None:
                raise UnknownDecisionError(decision_id)
            key = self._ledger.answered_by(decision_id)
            facts, pool, counted = row, row.get("pool"), key is not None
            if key is not None and key != row["model"]:
                known = self._chooser.registry.find_model(key)
                arm = key if known is None else known.arm
                facts = {**row, "arm": arm, "model": key, "probability": row["probabilities"].get(key, 0.0)}
        self._ledger.scored(decision_id, float(score), source)
        if known_here is not None:
            known_here.scored = True
        lesson = Lesson(
            arm=facts["arm"],
            key=facts["model"],
            decision_id=decision_id,
            ok=True,
            quality=float(score),
            probability=facts["probability"],
            memo=facts.get("memo"),
            counted=counted,
        )
        self._teach(lesson, pool)

    # -- state

    def statistics(self) -> dict[str, dict[str, float]]:
        """Per arm what the policy knows; empty for policies that do not learn."""
        return self._policy.statistics() if isinstance(self._policy, LearningPolicy) else {}

    def reset(self) -> None:
        """Forget what was learnt, here and in the store; the ledger keeps its rows."""
        if isinstance(self._policy, LearningPolicy):
            self._policy.reset()
            self._try(lambda: self._store.clear(self._space))

    def flush(self) -> None:
        """Write what waits: decisions, and what was learnt.

        Raises:
            StoreError: E4301.
        """
        self._ledger.flush()
        if self._store.shared and isinstance(self._policy, LearningPolicy):
            self._write_own(self._policy)

    def _teach(self, lesson: Lesson, pool: str | None) -> None:
        self._chooser.learn(lesson, pool)
        if not self._store.shared or not isinstance(self._policy, LearningPolicy):
            return
        policy = self._policy
        self._changed.add(lesson.arm)
        now = self._clock.monotonic()
        if now >= self._next_exchange:
            self._next_exchange = now + _EXCHANGE_EVERY
            self._try(lambda: self._write_own(policy))
            self._try(lambda: self._merge_others(policy))

    def _write_own(self, policy: LearningPolicy) -> None:
        changed, self._changed = self._changed, set()
        if not changed:
            return
        rows = policy.state()
        try:
            self._store.put_all(
                [Write(self._space, f"{self._replica}/{arm}", rows[arm]) for arm in changed if arm in rows]
            )
        except StoreError:
            self._changed |= changed
            raise

    def _merge_others(self, policy: LearningPolicy) -> None:
        """Take in what other replicas, running or gone, have learnt."""
        for key, row in self._store.items(self._space):
            replica, _, arm = key.partition("/")
            if replica != self._replica:
                policy.merge(replica, {arm: row})

    def _try(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except StoreError as error:
            self.failed_writes += 1
            _log.warning("%s: the store failed and serving goes on: %s", error.code, error)


def _flush_at_exit(learning: weakref.ref[Learning]) -> None:
    """Write what the last second taught; a store that is closed or gone by then keeps what it has."""
    alive = learning()
    if alive is not None:
        with contextlib.suppress(StoreError):
            alive.flush()


def _probability(decision: RoutingDecision, spec: ModelSpec) -> float:
    """With which the decision would have drawn this model; 0 for one that was behind."""
    position = decision.arms.positions.get(spec.key)
    return 0.0 if position is None else decision.probabilities[position]


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0


def cost_of(spec: ModelSpec, outcome: Outcome) -> float | None:
    """USD of an attempt: as told, else from its tokens, else unknown."""
    if outcome.cost is not None or outcome.input_tokens is None or outcome.output_tokens is None:
        return outcome.cost
    return call_cost(spec, outcome.input_tokens, outcome.output_tokens).total


def scalar_reward(*, seconds: float | None, cost: float | None) -> float:
    """A success in one number: 1, less at most 0.5 for latency and 0.3 for cost, but at least 0.1."""
    latency_penalty = min((seconds or 0.0) / 10.0, 0.5)
    cost_penalty = min((cost or 0.0) * 100, 0.3)
    return max(1.0 - latency_penalty - cost_penalty, 0.1)
