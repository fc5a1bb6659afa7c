"""The ledger: one row per decision, one per attempt, one per feedback. Never a prompt, never an answer."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import takewhile
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pointsman.decision import RoutingDecision
from pointsman.errors import InvalidFeedbackError
from pointsman.failover.steps import AttemptRecord
from pointsman.features import features_of
from pointsman.registry.snapshot import Arms
from pointsman.stores.base import Store, Write
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
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[RoutingDecision, str | None]] = {}
        self._written = 0

    def decided(self, decision: RoutingDecision, policy_version: str | None = None) -> None:
        """Keep a decision; beyond what may wait, all are written where others read them, else the oldest is dropped."""
        with self._lock:
            self._waiting[decision.id] = decision, policy_version
            if len(self._waiting) <= self._most_waiting:
                return
            if not self._store.shared:
                del self._waiting[next(iter(self._waiting))]
                return
        self.flush()

    def attempted(self, record: AttemptRecord, cost: float | None, reward: Mapping[str, float] | None = None) -> None:
        """Write an attempt and what its reward was made of, with its decision if that waits, in one transaction."""
        decision = record.attempt.decision
        row = {"at": self._clock.time(), **attempt_row(record, cost), "reward": reward}
        write = Write(ATTEMPTS, f"{decision.id}:{record.attempt.number}", row)
        with self._lock:
            waiting = self._waiting.pop(decision.id, None)
        self._write([write] if waiting is None else [Write(DECISIONS, decision.id, decision_row(*waiting)), write])

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
            waiting, self._waiting = self._waiting, {}
        if waiting:
            self._write([Write(DECISIONS, each.id, decision_row(each, version)) for each, version in waiting.values()])

    def _write(self, batch: Sequence[Write]) -> None:
        self._store.put_all(batch)
        with self._lock:
            self._written += len(batch)
        if not self._store.remote:
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


def decision_row(decision: RoutingDecision, policy_version: str | None = None) -> dict[str, Any]:
    """What is kept of a decision: who was considered with what probability, nothing of what was said."""
    arms = decision.arms
    pairs = zip(decision.probabilities, arms.keys, strict=True)
    likely = pairs if len(arms) <= _CANDIDATES_KEPT else heapq.nlargest(_CANDIDATES_KEPT, pairs)
    request, size, memo = decision.request, decision.question.size, decision.memo
    return {
        "at": decision.at,
        "model": decision.model,
        "arm": decision.spec.arm,
        "probability": decision.probability,
        "policy": decision.policy,
        "policy_version": policy_version,
        "override": decision.override,
        "registry": decision.registry_version,
        "candidates": _candidates(arms),
        "candidate_count": len(arms),
        "probabilities": {key: probability for probability, key in likely},
        **_not_considered(decision),
        "pool": request.model,
        "needs": sorted(decision.question.needs),
        "input_bound": size.upper,
        "input_tokens": size.upper if size.known else size.upper // _BYTES_PER_TOKEN,
        "max_output_tokens": request.max_output_tokens,
        "tenant": request.tenant,
        "expertise": list(request.expertise),
        "weights": dict(request.weights) or None,
        "relaxed": [each.to_json() for each in decision.relaxed] or None,
        # Policies that look at features leave them in their memo; they are not written twice.
        "features": None if _are_numbers(memo) else [round(value, 3) for value in features_of(request)],
        "memo": memo,
    }


def _not_considered(decision: RoutingDecision) -> dict[str, Any]:
    """Who was ill, and who was excluded and why; reasons only where they are few, as each has to be worked out."""
    behind = [key for tier in decision.behind for key in tier.keys]
    excluded = len(decision.question.snapshot.bits) - len(decision.arms) - len(behind)
    few = 0 < excluded <= _CANDIDATES_KEPT
    return {
        "behind": behind[:_CANDIDATES_KEPT],
        "excluded_count": excluded,
        "excluded": {key: str(why) for key, why in decision.excluded.items()} if few else {},
    }


def _rank(source: str | None) -> int:
    return _RANKS.get(source or "", len(_RANKS))


def _are_numbers(memo: Any) -> bool:
    return isinstance(memo, list) and len(memo) > 1 and all(isinstance(value, float) for value in memo)


def _candidates(arms: Arms) -> str:
    """A hash of who could be chosen, worked out once per set of models."""
    known = arms.memo.get("candidates")
    if known is None:
        known = arms.memo["candidates"] = sha256("\n".join(arms.keys).encode()).hexdigest()[:16]
    return str(known)


def attempt_row(record: AttemptRecord, cost: float | None) -> dict[str, Any]:
    """What is kept of an attempt; of an error its class and its type, not its words."""
    attempt, outcome, fault = record
    return {
        "decision": attempt.decision.id,
        "model": attempt.spec.key,
        "number": attempt.number,
        "seconds": outcome.seconds,
        "ttft": outcome.ttft,
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "cost": cost,
        "finish_reason": outcome.finish_reason,
        "cached": outcome.cached,
        "fault": None if fault is None else fault.kind.value,
        "status": None if fault is None else fault.status,
        "error": None if outcome.error is None else type(outcome.error).__name__,
    }
