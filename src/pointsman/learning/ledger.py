"""The ledger: one row per decision, one per attempt, one per feedback. Never a prompt, never an answer."""

from __future__ import annotations

import heapq
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import takewhile
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pointsman.decision import RoutingDecision
from pointsman.errors import InvalidFeedbackError
from pointsman.failover.steps import AttemptRecord
from pointsman.features import features_of
from pointsman.learning.rewards import Reward
from pointsman.registry.arms import Arms
from pointsman.stores.base import Store, Write
from pointsman.stores.memory import MemoryStore, Unspelled
from pointsman.types import Clock, SystemClock

DECISIONS, ATTEMPTS, FEEDBACK = "ledger.decisions", "ledger.attempts", "ledger.feedback"
# Who has given a score that took another's place, so that it happens once.
REVISIONS = "ledger.revisions"
# Models that fell ill or recovered.
HEALTH = "ledger.health"
# Who knows better: everybody else is a person, or speaks for one.
_RANKS = {"checks": 0, "judge": 1}
_CANDIDATES_KEPT = 32
_ATTEMPTS_LOOKED_AT = 32
_FLUSH_AT = 64
_WAITING_KEPT = 1_000
_TRIM_EVERY = 256
_KEPT, _KEPT_IN_MEMORY = 100_000, 10_000
_BYTES_PER_TOKEN = 4
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class LedgerSettings(BaseModel):
    """The `ledger:` section: how much is kept of what was decided, and how it went.

    Attributes:
        keep: how many decisions stay, the oldest go first; unset for 100,000 in a store, 10,000 in memory.
        max_age: how long they stay: seconds, or a number with s, m, h or d behind it such as `30d`; unset for ever.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    keep: int | None = Field(default=None, ge=1)
    max_age: float | None = Field(default=None, gt=0)

    @field_validator("max_age", mode="before")
    @classmethod
    def _read_age(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        number, unit = value.strip()[:-1], value.strip()[-1:]
        try:
            return float(number) * _UNITS[unit]
        except (KeyError, ValueError):
            raise ValueError("expected seconds, or a number with s, m, h or d behind it such as 30d") from None


class Ledger:
    """Rows of a store. A decision's row is made when it is first needed: with its attempt, its score, or a flush.

    Until then the decision itself waits here. In a store that other processes read, it does not wait for long.

    Args:
        store: where rows live.
        settings: how much is kept.
        clock: what says when a row was written.
    """

    def __init__(self, store: Store, settings: LedgerSettings | None = None, clock: Clock | None = None) -> None:
        self._store = store
        self.settings = settings or LedgerSettings()
        self._clock: Clock = clock or SystemClock()
        self._most_waiting = _FLUSH_AT if store.shared else _WAITING_KEPT
        # There rows are spelled when somebody reads them, which saves more than all else that a call costs here.
        self._in_memory = isinstance(store, MemoryStore)
        self._lock = threading.RLock()
        self._waiting: OrderedDict[str, tuple[RoutingDecision, str | None]] = OrderedDict()
        self._written = 0

    def decided(self, decision: RoutingDecision, policy_version: str | None = None) -> None:
        """Keep a decision; beyond what may wait, all are written where others read them, else the oldest is dropped."""
        with self._lock:
            self._waiting[decision.id] = decision, policy_version
            if len(self._waiting) <= self._most_waiting:
                return
            if not self._store.shared:
                self._waiting.popitem(last=False)
                return
        self.flush()

    def attempted(self, record: AttemptRecord, cost: float | None, reward: Reward | None = None) -> None:
        """Write an attempt and what its reward was made of, with its decision if that waits, in one transaction."""
        attempt = record.attempt
        facts = _AttemptFacts(self._clock.time(), record, cost, reward)
        row = facts if self._in_memory else facts.value()
        write = Write(ATTEMPTS, f"{attempt.decision.id}:{attempt.number}", row)
        with self._lock:
            waiting = self._waiting.pop(attempt.decision.id, None)
        self._write([write] if waiting is None else [self._decision_write(*waiting), write])

    def scored(
        self,
        decision_id: str,
        score: float,
        source: str | None,
        parts: Mapping[str, float] | None = None,
        weight: float = 1.0,
    ) -> tuple[float, float] | None:
        """Write a score with who gave it and what it was made of, once per decision and source.

        A person's score takes the place of a judge's, and both that of checks; never the other way round.

        Returns:
            the score and the weight whose place it takes, if there was one.

        Raises:
            InvalidFeedbackError: E4303, if the decision has a score of this source, or a better one.
        """
        self.flush()
        row = {"at": self._clock.time(), "score": score, "source": source, "parts": dict(parts) if parts else None}
        if weight != 1.0:
            row["weight"] = weight
        if self._store.add(FEEDBACK, decision_id, row):
            return None
        known = self._store.get(FEEDBACK, decision_id) or {}
        rank = _rank(source)
        if _rank(known.get("source")) >= rank or not self._store.add(REVISIONS, f"{decision_id}:{rank}", source):
            raise InvalidFeedbackError(f"decision {decision_id!r} has a score already")
        row["parts"] = {**(known.get("parts") or {}), **(parts or {}), source or "user": score}
        self._store.put(FEEDBACK, decision_id, row)
        return known["score"], known.get("weight", 1.0)

    def health_changed(self, model: str, old: str, new: str) -> None:
        """Write down that a model fell ill or recovered."""
        at = self._clock.time()
        self._write([Write(HEALTH, f"{at:.6f}:{model}", {"at": at, "model": model, "old": old, "new": new})])

    def find(self, decision_id: str) -> dict[str, Any] | None:
        """The row of a decision, whichever process made it."""
        self.flush()
        row = self._store.get(DECISIONS, decision_id)
        return row if isinstance(row, dict) else None

    def answered_by(self, decision_id: str) -> str | None:
        """Key of the model whose attempt succeeded, whichever process made it."""
        for number in range(1, _ATTEMPTS_LOOKED_AT + 1):
            row = self._store.get(ATTEMPTS, f"{decision_id}:{number}")
            if row is not None and row["fault"] is None:
                return str(row["model"])
        return None

    def rows(self, kind: str = DECISIONS) -> Iterator[tuple[str, dict[str, Any]]]:
        """All rows of a kind, oldest first."""
        self.flush()
        return self._store.items(kind)

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, OrderedDict()
        if waiting:
            self._write([self._decision_write(decision, version) for decision, version in waiting.values()])

    def _decision_write(self, decision: RoutingDecision, version: str | None) -> Write:
        facts = _DecisionFacts(decision, version)
        # What somebody else's policy has left may change, so it is spelled now.
        later = self._in_memory and (facts.memo is None or facts.features is None)
        return Write(DECISIONS, decision.id, facts if later else facts.value())

    def _write(self, batch: Sequence[Write]) -> None:
        self._store.put_all(batch)
        with self._lock:
            self._written += len(batch)
            due = self._written >= _TRIM_EVERY
        if due and not self._store.remote:
            self.tidy()

    def tidy(self) -> None:
        """Trim, if enough was written since; where the store is remote, somebody else than a call asks for it."""
        with self._lock:
            if self._written < _TRIM_EVERY:
                return
            self._written = 0
        self.trim()

    def trim(self) -> int:
        """Let go of what is too old or too much, as the settings say; how many rows went."""
        keep = self.settings.keep or (_KEPT if self._store.shared else _KEPT_IN_MEMORY)
        return sum(
            self._store.trim(space, self._young_enough(space, most))
            for space, most in (
                *((DECISIONS, keep), (FEEDBACK, keep), (HEALTH, keep)),
                *((ATTEMPTS, 2 * keep), (REVISIONS, 2 * keep)),
            )
        )

    def _young_enough(self, space: str, most: int) -> int:
        """How many of a space's rows may stay; the oldest come first, so the first that is young ends the search."""
        if self.settings.max_age is None:
            return most
        oldest = self._clock.time() - self.settings.max_age
        # A row without a time was written by an earlier version, before any that has one.
        old = sum(1 for _ in takewhile(lambda item: item[1].get("at", oldest - 1.0) < oldest, self._store.items(space)))
        return min(most, self._store.count(space) - old)


class _DecisionFacts(Unspelled):
    """What is kept of a decision: who was considered with what probability, nothing of what was said.

    It holds neither the decision nor its request, which hold the prompt.
    """

    __slots__ = (
        *("arms", "at", "behind", "excluded", "excluded_count", "expertise", "features", "known", "max_output_tokens"),
        *("memo", "needs", "override", "policy", "policy_version", "pool", "probabilities", "probability", "relaxed"),
        *("registry", "spec", "tenant", "upper", "weights"),
    )

    def __init__(self, decision: RoutingDecision, policy_version: str | None) -> None:
        question, request = decision.question, decision.request
        snapshot, size = question.snapshot, question.size
        self.at = decision.at
        self.spec = decision.spec
        self.arms = decision.arms
        self.probabilities = decision.probabilities
        self.probability = decision.probability
        self.policy = decision.policy
        self.policy_version = policy_version
        self.override = decision.override
        self.registry = snapshot.version
        self.behind = decision.behind
        self.excluded_count = len(snapshot.bits) - len(self.arms.keys)
        if self.behind:
            self.excluded_count -= sum(map(len, self.behind))
        self.excluded: dict[str, str] = {}
        if 0 < self.excluded_count <= _CANDIDATES_KEPT:  # each reason has to be worked out, and from the prompt's size
            self.excluded = {key: str(why) for key, why in decision.excluded.items()}
        self.pool = request.model
        self.needs = question.needs
        self.upper = size.upper
        self.known = size.known
        self.max_output_tokens = request.max_output_tokens
        self.tenant = request.tenant
        self.expertise = request.expertise
        self.weights = dict(request.weights) if request.weights else None
        self.relaxed = decision.relaxed
        self.memo = memo = decision.memo
        # Policies that look at features leave them in their memo; they are not written twice.
        self.features = None if _are_numbers(memo) else array("d", features_of(request))

    def value(self) -> dict[str, Any]:
        """The row."""
        arms = self.arms
        pairs = zip(self.probabilities, arms.keys, strict=True)
        likely = pairs if len(arms) <= _CANDIDATES_KEPT else heapq.nlargest(_CANDIDATES_KEPT, pairs)
        behind = [key for tier in self.behind for key in tier.keys]
        return {
            "at": self.at,
            "model": self.spec.key,
            "arm": self.spec.arm,
            "probability": self.probability,
            "policy": self.policy,
            "policy_version": self.policy_version,
            "override": self.override,
            "registry": self.registry,
            "candidates": _candidates(arms),
            "candidate_count": len(arms),
            "probabilities": {key: probability for probability, key in likely},
            "behind": behind[:_CANDIDATES_KEPT],
            "excluded_count": self.excluded_count,
            "excluded": self.excluded,
            "pool": self.pool,
            "needs": sorted(self.needs),
            "input_bound": self.upper,
            "input_tokens": self.upper if self.known else self.upper // _BYTES_PER_TOKEN,
            "max_output_tokens": self.max_output_tokens,
            "tenant": self.tenant,
            "expertise": list(self.expertise),
            "weights": self.weights or None,
            "relaxed": [each.to_json() for each in self.relaxed] or None,
            "features": None if self.features is None else [round(value, 3) for value in self.features],
            "memo": self.memo,
        }


class _AttemptFacts(Unspelled):
    """What is kept of an attempt; of an error its class and its type, not its words."""

    __slots__ = ("_at", "_cost", "_decision_id", "_error", "_fault", "_model", "_number", "_outcome", "_reward")

    def __init__(self, at: float, record: AttemptRecord, cost: float | None, reward: Reward | None) -> None:
        attempt, outcome, fault = record
        self._at = at
        self._decision_id = attempt.decision.id
        self._model = attempt.spec.key
        self._number = attempt.number
        self._fault = fault
        self._error: str | None = None
        if outcome.error is not None:  # its traceback holds what was said
            self._error = type(outcome.error).__name__
            outcome = replace(outcome, error=None)
        self._outcome = outcome
        self._cost = cost
        self._reward = reward

    def value(self) -> dict[str, Any]:
        """The row."""
        outcome, fault = self._outcome, self._fault
        return {
            "at": self._at,
            "decision": self._decision_id,
            "model": self._model,
            "number": self._number,
            "seconds": outcome.seconds,
            "ttft": outcome.ttft,
            "input_tokens": outcome.input_tokens,
            "output_tokens": outcome.output_tokens,
            "cost": self._cost,
            "finish_reason": outcome.finish_reason,
            "cached": outcome.cached,
            "fault": None if fault is None else fault.kind.value,
            "status": None if fault is None else fault.status,
            "error": self._error,
            "reward": None if self._reward is None else self._reward.parts(),
        }


def _rank(source: str | None) -> int:
    return _RANKS.get(source or "", len(_RANKS))


def _are_numbers(memo: Any) -> bool:
    if not isinstance(memo, list) or len(memo) < 2:
        return False
    return set(map(type, memo)) == {float} or all(isinstance(value, float) for value in memo)


def _candidates(arms: Arms) -> str:
    """A hash of who could be chosen, worked out once per set of models."""
    known = arms.memo.get("candidates")
    if known is None:
        known = arms.memo["candidates"] = sha256("\n".join(arms.keys).encode()).hexdigest()[:16]
    return str(known)
