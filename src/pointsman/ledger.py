"""The ledger: one row per decision, one per attempt, one per feedback. Never a prompt, never an answer."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from pointsman.decision import RoutingDecision
from pointsman.errors import InvalidFeedbackError
from pointsman.snapshot import Arms
from pointsman.steps import AttemptRecord
from pointsman.stores.base import Store, Write

DECISIONS, ATTEMPTS, FEEDBACK = "ledger.decisions", "ledger.attempts", "ledger.feedback"
_CANDIDATES_KEPT = 32
_ATTEMPTS_LOOKED_AT = 32
_FLUSH_AT = 64
_WAITING_KEPT = 1_000
_TRIM_EVERY = 256


class Ledger:
    """Rows of a store. A decision's row is made when it is first needed: with its attempt, its score, or a flush.

    Until then the decision itself waits here. In a store that other processes read, it does not wait for long.

    Args:
        store: where rows live.
        keep: how many decisions stay; the oldest go first.
    """

    def __init__(self, store: Store, *, keep: int = 100_000) -> None:
        self._store = store
        self._keep = keep
        self._most_waiting = _FLUSH_AT if store.shared else _WAITING_KEPT
        self._lock = threading.Lock()
        self._waiting: dict[str, RoutingDecision] = {}
        self._written = 0

    def decided(self, decision: RoutingDecision) -> None:
        """Keep a decision; beyond what may wait, all are written where others read them, else the oldest is dropped."""
        with self._lock:
            self._waiting[decision.id] = decision
            if len(self._waiting) <= self._most_waiting:
                return
            if not self._store.shared:
                del self._waiting[next(iter(self._waiting))]
                return
        self.flush()

    def attempted(self, record: AttemptRecord, cost: float | None) -> None:
        """Write an attempt, with its decision if that waits, in one transaction."""
        decision = record.attempt.decision
        write = Write(ATTEMPTS, f"{decision.id}:{record.attempt.number}", attempt_row(record, cost))
        with self._lock:
            waiting = self._waiting.pop(decision.id, None)
        self._write([write] if waiting is None else [Write(DECISIONS, decision.id, decision_row(waiting)), write])

    def scored(self, decision_id: str, score: float, source: str | None) -> None:
        """Write a score, once per decision.

        Raises:
            InvalidFeedbackError: E4303, if the decision has one already.
        """
        self.flush()
        if not self._store.add(FEEDBACK, decision_id, {"score": score, "source": source}):
            raise InvalidFeedbackError(f"decision {decision_id!r} has a score already")

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
            self._write([Write(DECISIONS, each.id, decision_row(each)) for each in waiting.values()])

    def _write(self, batch: Sequence[Write]) -> None:
        self._store.put_all(batch)
        with self._lock:
            self._written += len(batch)
            if self._written < _TRIM_EVERY:
                return
            self._written = 0
        for space in (DECISIONS, FEEDBACK):
            self._store.trim(space, self._keep)
        self._store.trim(ATTEMPTS, 2 * self._keep)


def decision_row(decision: RoutingDecision) -> dict[str, Any]:
    """What is kept of a decision: who was considered with what probability, nothing of what was said."""
    arms = decision.arms
    pairs = zip(decision.probabilities, arms.keys, strict=True)
    likely = pairs if len(arms) <= _CANDIDATES_KEPT else heapq.nlargest(_CANDIDATES_KEPT, pairs)
    request = decision.request
    return {
        "at": decision.at,
        "model": decision.model,
        "arm": decision.spec.arm,
        "probability": decision.probability,
        "policy": decision.policy,
        "override": decision.override,
        "registry": decision.registry_version,
        "candidates": _candidates(arms),
        "probabilities": {key: probability for probability, key in likely},
        "pool": request.model,
        "needs": sorted(decision.question.needs),
        "input_bound": decision.question.size.upper,
        "max_output_tokens": request.max_output_tokens,
        "tenant": request.tenant,
        "memo": decision.memo,
    }


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
