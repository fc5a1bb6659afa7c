"""What outcomes teach: health, policy and ledger are told of every attempt and every score, from any process."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.chooser import Chooser
from pointsman.decision import RoutingDecision
from pointsman.errors import InvalidFeedbackError, StoreError, UnknownDecisionError
from pointsman.failover.readings import Reading
from pointsman.failover.steps import Attempt, AttemptRecord
from pointsman.forks import renew_after_fork
from pointsman.health.states import HealthState
from pointsman.learning.judges import Judging
from pointsman.learning.ledger import Ledger
from pointsman.learning.rewards import Reward, cost_of
from pointsman.learning.token_lessons import TokenLessons
from pointsman.learning.versions import PolicyVersions
from pointsman.listeners import Audience
from pointsman.policies.base import LearningPolicy, Lesson
from pointsman.registry.arms import Arms
from pointsman.stores.base import Store, Write
from pointsman.stores.write_behind import WriteBehind
from pointsman.types import Clock, Outcome, is_score

_log = logging.getLogger("pointsman")

_OPEN_DECISIONS = 10_000


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


class Learning:
    """Takes in attempts and scores. A store that fails costs a line in the log, never a call.

    Attributes:
        failed_writes: how many writes the store has refused.
        judging: who looks at answers, if anybody does.
        ensure_exchange: makes sure that somebody calls `exchange` about each second.
    """

    def __init__(
        self, chooser: Chooser, store: Store, ledger: Ledger, clock: Clock, audience: Audience | None = None
    ) -> None:
        self._chooser = chooser
        self._audience = audience or Audience()
        self._clock = clock
        self._store = store
        self._ledger = ledger
        self._policy = chooser.choice.policy
        # None for a policy that does not learn: an abstract class takes long to say so of each outcome.
        self._learner = self._policy if isinstance(self._policy, LearningPolicy) else None
        self._space = f"learnt.{chooser.choice.name}"
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._attempts: dict[str, tuple[int, int]] = {}
        self.failed_writes = 0
        self.judging: Judging | None = None
        self.ensure_exchange: Callable[[], None] = _nobody_exchanges
        self._begin_replica()
        self._tokens = TokenLessons(chooser, store, clock, self._replica)
        if store.shared:
            self._try(self._tokens.merge)
        if store.shared and isinstance(self._policy, LearningPolicy):
            learner = self._policy
            if store.remote:
                self._try(lambda: self._merge_others(learner))
            else:
                self._merge_others(learner)
            atexit.register(_flush_at_exit, weakref.ref(self))
            renew_after_fork(self)

    def _begin_replica(self) -> None:
        self._replica = os.urandom(6).hex()
        self._versions = PolicyVersions(self._store, self._chooser.choice.name, self._space, self._replica)
        self._lock = threading.RLock()
        self._changed: set[str] = set()
        self._lessons = 0
        self._mark = 0.0

    # -- attempts (the observer of failover)

    def decided(self, decision: RoutingDecision) -> None:
        """A decision was made."""
        kept = _Open(decision.spec, decision.arms, decision.probabilities, decision.memo, decision.request.model)
        with self._lock:
            self._open[decision.id] = kept
            if len(self._open) > _OPEN_DECISIONS:
                self._open.popitem(last=False)
        self.ensure_exchange()
        self._try(lambda: self._ledger.decided(decision, self._versions.current))

    def began(self, attempt: Attempt) -> None:
        """An attempt starts: a pull whose outcome is not known yet."""
        self._chooser.pulls.begin(attempt.decision.id, attempt.spec.arm)
        if self._audience.attempt_began:
            self._audience.tell("attempt_began", attempt)

    def abandoned(self, attempt: Attempt) -> None:
        """It was cancelled; it teaches nothing."""
        self._chooser.pulls.end(attempt.spec.arm)
        if self._audience.attempt_abandoned:
            self._audience.tell("attempt_abandoned", attempt)

    def health_changed(self, model: str, old: HealthState, new: HealthState) -> None:
        """A model fell ill or recovered: other processes, and people who look back, read of it in the ledger."""
        if self._store.shared and (old, new) != ("unknown", "healthy"):
            self._try(lambda: self._ledger.health_changed(model, old, new))

    def ended(self, record: AttemptRecord) -> None:
        """It came to an end."""
        self._chooser.pulls.end(record.attempt.spec.arm)
        self.take_in(record)

    def answered(self, record: AttemptRecord, value: Any, reading: Reading) -> None:
        """It delivered this; judges and checks look at it, beside the calls."""
        if self.judging is not None:
            self.judging.answered(record, value, reading)

    def take_in(self, record: AttemptRecord) -> None:
        """Learn from an attempt and write it down."""
        attempt, outcome, fault = record
        decision, spec = attempt.decision, attempt.spec
        cost = cost_of(spec, outcome)
        if fault is None:
            reward: Reward | None = Reward.of_success(seconds=outcome.seconds, cost=cost)
        else:
            reward = None if fault.rule.reward is None else Reward(fault.rule.reward)
        known = self._open.get(decision.id)
        self._chooser.pulls.settle(decision.id)
        if outcome.ok:
            if known is not None:
                known.answered = spec
            if decision.request.session is not None:
                self._chooser.keep_session(decision.request, spec)
        if self._learner is None and not outcome.cached:
            attempts, good = self._attempts.get(spec.arm, (0, 0))
            self._attempts[spec.arm] = attempts + 1, good + outcome.ok
        self._tokens.take_in(record)
        if self._store.shared and self._tokens.waiting:
            self.ensure_exchange()
        if not outcome.cached:
            lesson = self._lesson(decision, spec, outcome, reward, cost)
            if known is not None and known.scored and spec.key == decision.model:
                lesson = replace(lesson, counted=True)
            self._teach(lesson, decision.request.model)
        worth = None if outcome.cached else reward
        self._try(lambda: self._ledger.attempted(record, cost, worth))
        if self._audience.attempt_ended:
            self._audience.tell("attempt_ended", record, cost)

    def _lesson(
        self, decision: RoutingDecision, spec: ModelSpec, outcome: Outcome, reward: Reward | None, cost: float | None
    ) -> Lesson:
        return Lesson(
            arm=spec.arm,
            key=spec.key,
            decision_id=decision.id,
            ok=outcome.ok,
            reward=None if reward is None else reward.value,
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

    def feedback(
        self,
        decision_id: str,
        score: float,
        source: str | None,
        parts: Mapping[str, float] | None = None,
        weight: float = 1.0,
    ) -> None:
        """Take in a score; see `Router.feedback`. It judges the model that answered, be it a fallback.

        Args:
            decision_id: what it is about.
            score: from 0 to 1.
            source: who gave it; `checks` and `judge` give way to everybody else.
            parts: what the score was made of, for the ledger.
            weight: how much it counts against a score of a person.
        """
        if not is_score(score):
            raise InvalidFeedbackError(f"the score is {score!r}; expected a number from 0 to 1")
        known_here = self._open.get(decision_id)
        if known_here is not None:
            spec = known_here.answered or known_here.chosen
            facts: dict[str, Any] = {
                "arm": spec.arm,
                "model": spec.key,
                "probability": _probability(known_here, spec),
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
        revised = self._ledger.scored(decision_id, float(score), source, parts, weight)
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
            counted=counted or revised is not None,
            weight=weight,
            revised=revised,
        )
        self._teach(lesson, pool)
        if self._audience.feedback:
            self._audience.tell("feedback", decision_id, float(score), lesson.key)

    # -- state

    def statistics(self) -> dict[str, dict[str, float]]:
        """Per arm what the policy knows; of policies that do not learn, how this process's attempts went."""
        if isinstance(self._policy, LearningPolicy):
            return self._policy.statistics()
        return {
            arm: {"attempts": float(attempts), "successes": float(good), "success_rate": good / attempts}
            for arm, (attempts, good) in list(self._attempts.items())
        }

    def reset(self) -> None:
        """Forget what was learnt, here and in the store; the ledger keeps its rows."""
        self._attempts.clear()
        if isinstance(self._policy, LearningPolicy):
            self._policy.reset()
            self._try(lambda: self._store.clear(self._space))

    def flush(self) -> None:
        """Write what waits: decisions, and what was learnt.

        Raises:
            StoreError: E4301.
        """
        self._ledger.flush()
        if self._tokens.waiting:
            self._tokens.exchange()
        if self._store.shared and isinstance(self._policy, LearningPolicy):
            self._write_own(self._policy)

    def _teach(self, lesson: Lesson, pool: str | None) -> None:
        self._chooser.learn(lesson, pool)
        policy = self._learner
        if policy is None:
            return
        if not self._store.shared:
            self._try(lambda: self._versions.taught(policy, self._clock.time()))
            return
        # What needs the store is done beside the calls, in `exchange`.
        self._changed.add(lesson.arm)
        self._lessons += 1
        self.ensure_exchange()

    def exchange(self) -> None:
        """Write what was learnt here, and take in what other processes have learnt; runs beside the calls."""
        policy = self._policy
        if self._tokens.waiting:
            self._try(self._tokens.exchange)
        if not isinstance(policy, LearningPolicy):
            return
        self._try(lambda: self._write_own(policy))
        lessons, self._lessons = self._lessons, 0
        for _ in range(lessons):
            self._try(lambda: self._versions.taught(policy, self._clock.time()))
        self._try(lambda: self._merge_others(policy))

    def write_again(self) -> None:
        """The store has lost what it held: all that was learnt here is written once more."""
        if isinstance(self._policy, LearningPolicy):
            self._changed |= set(self._policy.state())

    def forked(self) -> None:
        """A child is a replica of its own; what was learnt before it was born stays its parent's."""
        parent, policy = self._replica, self._policy
        self._begin_replica()
        self._tokens.renew(self._replica)
        if isinstance(policy, LearningPolicy):
            inherited = policy.state()
            policy.reset()
            policy.merge(parent, inherited)

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
        """Take in what other replicas, running or gone, have learnt; where the store can say so, only what is new."""
        store, mark = self._store, self._mark
        if isinstance(store, WriteBehind):
            rows = store.changed(self._space, mark)
        else:
            rows = ((mark, key, row) for key, row in store.items(self._space))
        for self._mark, key, row in rows:
            replica, _, arm = key.partition("/")
            if replica != self._replica:
                policy.merge(replica, {arm: row})

    def _try(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except StoreError as error:
            self.failed_writes += 1
            _log.warning("%s: the store failed and serving goes on: %s", error.code, error)


def _nobody_exchanges() -> None:
    """Until somebody does."""


def _flush_at_exit(learning: weakref.ref[Learning]) -> None:
    """Write what the last second taught; a store that is closed or gone by then keeps what it has."""
    alive = learning()
    if alive is not None:
        with contextlib.suppress(StoreError):
            alive.flush()


def _probability(decision: RoutingDecision | _Open, spec: ModelSpec) -> float:
    """With which the decision would have drawn this model; 0 for one that was behind."""
    position = decision.arms.positions.get(spec.key)
    return 0.0 if position is None else decision.probabilities[position]
