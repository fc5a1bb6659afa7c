"""The ledger: one row per decision, one per attempt, one per feedback. Never a prompt, never an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from pointsman.decision import RoutingDecision
from pointsman.errors import InvalidFeedbackError
from pointsman.steps import AttemptRecord
from pointsman.stores.base import Store, Write

DECISIONS, ATTEMPTS, FEEDBACK = "ledger.decisions", "ledger.attempts", "ledger.feedback"
_CANDIDATES_KEPT = 32
_FLUSH_AT = 64
_TRIM_EVERY = 256


class Ledger:
    """Rows of a store. Decisions are buffered until an attempt, feedback or `flush` writes them along.

    Args:
        store: where rows live.
        keep: how many decisions stay; the oldest go first.
    """

    def __init__(self, store: Store, *, keep: int = 100_000) -> None:
        self._store = store
        self._keep = keep
        self._lock = threading.Lock()
        self._waiting: list[Write] = []
        self._written = 0

    def decided(self, decision: RoutingDecision) -> None:
        """Keep a decision; it is written with the next row of any kind."""
        write = Write(DECISIONS, decision.id, decision_row(decision))
        with self._lock:
            self._waiting.append(write)
            full = len(self._waiting) >= _FLUSH_AT
        if full:
            self.flush()

    def attempted(self, record: AttemptRecord, cost: float | None) -> None:
        """Write an attempt, and every decision that waits, in one transaction."""
        attempt = record.attempt
        self._write(
            Write(ATTEMPTS, f"{attempt.decision.id}:{attempt.number}", attempt_row(record, cost)),
        )

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

    def rows(self, kind: str = DECISIONS) -> Iterator[tuple[str, dict[str, Any]]]:
        """All rows of a kind, oldest first."""
        self.flush()
        return self._store.items(kind)

    def flush(self) -> None:
        """Write what waits."""
        self._write()

    def _write(self, *more: Write) -> None:
        with self._lock:
            batch, self._waiting = [*self._waiting, *more], []
            self._written += len(batch)
            trim = self._written >= _TRIM_EVERY
            if trim:
                self._written = 0
        if batch:
            self._store.put_all(batch)
        if trim:
            for space in (DECISIONS, FEEDBACK):
                self._store.trim(space, self._keep)
            self._store.trim(ATTEMPTS, 2 * self._keep)


def decision_row(decision: RoutingDecision) -> dict[str, Any]:
    """What is kept of a decision: who was considered with what probability, nothing of what was said."""
    arms = decision.arms
    candidates = "\n".join(arms.keys)
    likely = sorted(zip(arms.keys, decision.probabilities, strict=True), key=lambda pair: -pair[1])
    request = decision.request
    return {
        "at": decision.at,
        "model": decision.model,
        "arm": decision.spec.arm,
        "probability": decision.probability,
        "policy": decision.policy,
        "override": decision.override,
        "registry": decision.registry_version,
        "candidates": sha256(candidates.encode()).hexdigest()[:16],
        "probabilities": dict(likely[:_CANDIDATES_KEPT]),
        "pool": request.model,
        "needs": sorted(decision.question.needs),
        "input_bound": decision.question.size.upper,
        "max_output_tokens": request.max_output_tokens,
        "tenant": request.tenant,
    }


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
