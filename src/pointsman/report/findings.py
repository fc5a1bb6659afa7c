"""What a ledger says: read row by row, summed up, with the latest decisions kept whole."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pointsman.learning.ledger import ATTEMPTS, DECISIONS, FEEDBACK, HEALTH
from pointsman.report.sums import Curve, Sketch, Timeline
from pointsman.stores.base import Store

Row = dict[str, Any]

_EVENTS_SHOWN = 60
_ATTEMPTS_LOOKED_AT = 32


@dataclass(slots=True)
class ModelSums:
    """What one model did."""

    chosen: int = 0
    answered: int = 0
    cached: int = 0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost: float = 0.0
    billed: int = 0
    scored: int = 0
    score: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: Sketch = field(default_factory=Sketch)
    ttft: Sketch = field(default_factory=Sketch)


@dataclass(frozen=True, slots=True)
class OpenedDecision:
    """One decision with all that is known of it."""

    id: str
    row: Row
    attempts: tuple[Row, ...]
    score: Row | None


@dataclass(slots=True)
class Findings:
    """A ledger summed up.

    Attributes:
        first: when the first decision was made, as `last`.
        explored: decisions whose model was not the likeliest.
        answers: answered attempts over time, per model; likewise `costs`, `seconds` (their sum) and `timed` (how many).
        failures: failed attempts over time, per class.
        scores: the learning curve: scores in the order in which they came.
        health: the latest changes of a model's health.
        opened: the latest decisions, and the latest that did not go well.
        unreadable: rows that no ledger of this version writes.
    """

    decisions: int = 0
    attempts: int = 0
    first: float | None = None
    last: float | None = None
    explored: int = 0
    policies: Counter[str] = field(default_factory=Counter)
    overrides: Counter[str] = field(default_factory=Counter)
    models: dict[str, ModelSums] = field(default_factory=dict)
    answers: Timeline = field(default_factory=Timeline)
    costs: Timeline = field(default_factory=Timeline)
    seconds: Timeline = field(default_factory=Timeline)
    timed: Timeline = field(default_factory=Timeline)
    failures: Timeline = field(default_factory=Timeline)
    latency: Sketch = field(default_factory=Sketch)
    scores: Curve = field(default_factory=Curve)
    health: deque[Row] = field(default_factory=lambda: deque(maxlen=_EVENTS_SHOWN))
    opened: tuple[OpenedDecision, ...] = ()
    unreadable: int = 0

    def of(self, model: str) -> ModelSums:
        """The sums of a model."""
        known = self.models.get(model)
        if known is None:
            known = self.models[model] = ModelSums()
        return known


def gather(store: Store, *, opened: int = 100) -> Findings:
    """Read a ledger once, row by row.

    Args:
        store: where it is.
        opened: how many decisions are kept whole.

    Raises:
        StoreError: E4301.
    """
    found = Findings()
    scores: dict[str, float] = {}
    for key, row in _rows(store, FEEDBACK, found):
        if (score := number(row, "score")) is not None:
            scores[key] = score
            found.scores.add(score)
    troubled: deque[str] = deque(maxlen=max(opened // 2, 1))
    for key, row in _rows(store, ATTEMPTS, found):
        decision = key.rpartition(":")[0]
        _take_attempt(found, row, scores.get(decision))
        if row.get("fault") is not None and (not troubled or troubled[-1] != decision):
            troubled.append(decision)
    kept: deque[tuple[str, Row]] = deque(maxlen=max(opened - len(troubled), 0))
    wanted = set(troubled)
    special: dict[str, Row] = {}
    for key, row in _rows(store, DECISIONS, found):
        _take_decision(found, row)
        if key in wanted:
            special[key] = row
        else:
            kept.append((key, row))
    for _, row in _rows(store, HEALTH, found):
        found.health.append(row)
    newest = sorted([*kept, *special.items()], key=lambda item: -(number(item[1], "at") or 0.0))
    found.opened = tuple(_opened(store, key, row) for key, row in newest)
    return found


def number(row: Row, name: str) -> float | None:
    """A finite number of a row, or None."""
    value = row.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value):
        return float(value)
    return None


def _rows(store: Store, space: str, found: Findings) -> Iterator[tuple[str, Row]]:
    for key, row in store.items(space):
        if isinstance(row, dict):
            yield key, row
        else:
            found.unreadable += 1


def _take_attempt(found: Findings, row: Row, score: float | None) -> None:
    model, fault, at = str(row.get("model")), row.get("fault"), number(row, "at")
    sums = found.of(model)
    found.attempts += 1
    cost, seconds, ttft = number(row, "cost"), number(row, "seconds"), number(row, "ttft")
    sums.input_tokens += number(row, "input_tokens") or 0.0
    sums.output_tokens += number(row, "output_tokens") or 0.0
    if fault is not None:
        sums.faults[str(fault)] += 1
        found.failures.add(at, str(fault))
    elif row.get("cached"):
        sums.cached += 1
        return
    else:
        sums.answered += 1
        found.answers.add(at, model)
        if seconds is not None:
            sums.seconds.add(seconds)
            found.latency.add(seconds)
            found.seconds.add(at, model, seconds)
            found.timed.add(at, model)
        if ttft is not None:
            sums.ttft.add(ttft)
        if score is not None:
            sums.scored += 1
            sums.score += score
    if cost is not None:
        sums.cost += cost
        sums.billed += 1
        found.costs.add(at, model, cost)


def _take_decision(found: Findings, row: Row) -> None:
    found.decisions += 1
    found.of(str(row.get("model"))).chosen += 1
    found.policies[str(row.get("policy"))] += 1
    if (override := row.get("override")) not in (None, "none"):
        found.overrides[str(override)] += 1
    at = number(row, "at")
    if at is not None:
        found.first = at if found.first is None else min(found.first, at)
        found.last = at if found.last is None else max(found.last, at)
    drawn, shares = number(row, "probability"), row.get("probabilities")
    if drawn is not None and isinstance(shares, dict):
        highest = max((value for key in shares if (value := number(shares, key)) is not None), default=drawn)
        found.explored += drawn < highest


def _opened(store: Store, key: str, row: Row) -> OpenedDecision:
    attempts = []
    missing = 0
    for at in range(1, _ATTEMPTS_LOOKED_AT + 1):
        attempt = store.get(ATTEMPTS, f"{key}:{at}")
        if isinstance(attempt, dict):
            attempts.append(attempt)
        elif (missing := missing + 1) > 1:
            break
    score = store.get(FEEDBACK, key)
    return OpenedDecision(key, row, tuple(attempts), score if isinstance(score, dict) else None)
