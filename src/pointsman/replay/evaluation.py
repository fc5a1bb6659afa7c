"""Judging policies on a log that another policy made: estimates with intervals, or a refusal that says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import NoSupportError
from pointsman.policies.base import BasePolicy, Policy
from pointsman.policies.names import make_policy
from pointsman.registry.models import ModelRegistry
from pointsman.replay.estimators import (
    Estimate,
    Sample,
    Vector,
    direct,
    doubly_robust,
    effective_sample_size,
    ips,
    plain_mean,
    snips,
)
from pointsman.replay.logs import Log, Measure, read_log
from pointsman.replay.outcomes import cross_fitted
from pointsman.replay.results import Bin, Comparison, Evaluation
from pointsman.replay.targets import learns, shares_over

LEAST_ROWS, LEAST_EFFECTIVE_ROWS, MOST_LOST = 50, 30.0, 0.01
_WARM_UP = 0.2
_BINS = 10

Given = str | Mapping[str, Any] | Policy


def evaluate(log: Any, policy: Given, **options: Any) -> Evaluation:
    """Estimate how a policy would have done in place of the one that made a log.

    Args:
        log: a router, a store, its URL, or the path of its file.
        policy: a name, a mapping with options, or an object; an object is used, and taught, as it is.
        options: as `compare` takes them.

    Raises:
        NoSupportError: E4304, if the log cannot say.
        StoreError: E4301, if the log cannot be read.
        ConfigError: E4006, if there is no such policy.
    """
    found = compare(log, [policy], **options)
    if found.refusals:
        raise found.refusals[0]
    return found.evaluations[0]


def compare(
    log: Any,
    policies: Iterable[Given],
    *,
    measure: Measure = "score",
    registry: ModelRegistry | None = None,
    learn: bool = True,
    warm_up: float | None = None,
) -> Comparison:
    """Estimate how several policies would have done, all on the same rows; those that the log says nothing of are refused.

    Args:
        log: a router, a store, its URL, or the path of its file.
        policies: as `evaluate` takes them.
        measure: `score` (feedback; 0 for a first attempt that failed), `success`, `reward` (success, less latency and
            cost) or `cost`.
        registry: the models; else those that the log's store keeps.
        learn: whether policies learn from the log as they go through it, or are judged as they come.
        warm_up: share of the rows, the earliest, that are only learnt from; a fifth if a policy learns, else none.
    """
    read = read_log(log, registry)
    targets = [(name_of(each), make_policy(each)) for each in policies]
    if warm_up is None:
        warm_up = _WARM_UP if learn and any(learns(policy) for _, policy in targets) else 0.0
    table = Table(read, measure, warm_up)
    evaluations, refusals = [], []
    for name, policy in targets:
        try:
            table.check_rows(name)
            evaluations.append(table.judge(name, shares_over(read, policy, learn=learn)))
        except NoSupportError as refusal:
            refusals.append(refusal)
    logged, logged_cost = table.baseline()
    return Comparison(
        measure=measure,
        rows=len(read.rows),
        used=len(table.rows),
        warm_up=table.warmed,
        left_out=table.left_out,
        strangers=sorted(read.strangers),
        logged=logged,
        logged_cost=logged_cost,
        evaluations=tuple(evaluations),
        refusals=tuple(refusals),
        calibration=table.calibration(),
    )


def name_of(given: Given | type[Policy]) -> str:
    """A policy as tables call it."""
    if isinstance(given, str):
        return given
    if isinstance(given, Mapping):
        options = ", ".join(f"{key}={value}" for key, value in given.items() if key != "name")
        return f"{given.get('name')}({options})" if options else str(given.get("name"))
    kind = given if isinstance(given, type) else type(given)
    name = getattr(given, "name", None)
    return name if isinstance(name, str) and name != BasePolicy.name else kind.__name__


class Table:
    """The rows of a log that estimates are made from, as arrays: the same for every policy.

    Attributes:
        rows: positions in the log.
        left_out: how many rows were not used, by the reason.
        warmed: how many rows were only learnt from.
    """

    def __init__(self, log: Log, measure: Measure, warm_up: float) -> None:
        self.log = log
        self.left_out: Counter[str] = Counter({"not as a ledger writes them": log.unreadable} if log.unreadable else {})
        measured: list[tuple[int, float]] = []
        for at, row in enumerate(log.rows):
            value = None if row.left_out else row.measured(measure)
            if value is None:
                self.left_out[row.left_out or f"no {measure}"] += 1
            else:
                measured.append((at, value))
        self.warmed = int(len(measured) * warm_up)
        kept = measured[self.warmed :]
        self.rows = [at for at, _ in kept]
        self.values: Vector = np.array([value for _, value in kept])
        self.keys = sorted({key for at in self.rows for key in log.rows[at].keys})
        column = {key: at for at, key in enumerate(self.keys)}
        self._columns = [np.array([column[key] for key in log.rows[at].keys]) for at in self.rows]
        self.logged = self._spread([log.rows[at].probabilities for at in self.rows])
        self.drawn: NDArray[np.intp] = np.array(
            [column[log.rows[at].keys[log.rows[at].drawn]] for at in self.rows], dtype=np.intp
        )
        costs = [log.rows[at].measured("cost") for at in self.rows]
        self._billed: NDArray[np.bool_] = np.array([cost is not None for cost in costs], dtype=bool)
        self._costs: Vector = np.array([cost for cost in costs if cost is not None])
        self._features = self._read_features()
        self._expected = cross_fitted(self._features, self.drawn, self.values, len(self.keys))
        self._bounded = measure != "cost"

    def _spread(self, per_row: Sequence[Sequence[float]]) -> Vector:
        """Numbers per row's own models as rows by all models."""
        result = np.zeros((len(self.rows), len(self.keys)))
        for at, values in enumerate(per_row):
            result[at, self._columns[at]] = values
        return result

    def _read_features(self) -> Vector:
        rows = [tuple(self.log.rows[at].request.features or (1.0,)) for at in self.rows]
        result = np.zeros((len(rows), max(map(len, rows), default=1)))
        for at, values in enumerate(rows):
            result[at, : len(values)] = values
        return result

    def check_rows(self, name: str) -> None:
        """Refuse where there is too little of anything."""
        if len(self.rows) < LEAST_ROWS:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self.left_out.most_common(3))
            unused = f"; left out: {reasons}" if reasons else ""
            raise NoSupportError(
                f"{name}: only {len(self.rows)} rows to estimate from, fewer than {LEAST_ROWS}{unused}",
                policy=name,
                reason="few_rows",
                figures={"rows": len(self.rows)},
                hint="let more requests be decided and scored (router.feedback), or replay another measure",
            )

    def judge(self, name: str, shares_by_row: Sequence[Sequence[float]]) -> Evaluation:
        """Estimate from a policy's probabilities per row of the log.

        Raises:
            NoSupportError: E4304.
        """
        shares = self._spread([shares_by_row[at] for at in self.rows])
        lost = self._check_support(name, shares)
        sample = Sample(self.logged, shares, self.drawn, self.values)
        effective = effective_sample_size(sample.weights)
        if effective < LEAST_EFFECTIVE_ROWS:
            raise NoSupportError(
                f"{name}: the log has {len(self.rows)} rows, which say as much as {effective:.0f} of its own; "
                f"fewer than {LEAST_EFFECTIVE_ROWS:.0f} are no evidence",
                policy=name,
                reason="few_effective_rows",
                figures={
                    "rows": len(self.rows),
                    "effective_rows": effective,
                    "max_weight": float(sample.weights.max()),
                },
                hint=_EXPLORE,
            )
        cost = None
        if self._billed.sum() >= LEAST_ROWS:
            billed = self._billed
            bills = Sample(self.logged[billed], shares[billed], self.drawn[billed], self._costs)
            cost = _above_zero(snips(bills)) if bills.weights.sum() > 0.0 else None
        bound = _within if self._bounded else _above_zero
        return Evaluation(
            policy=name,
            dr=bound(doubly_robust(sample, self._expected)),
            snips=bound(snips(sample)),
            ips=bound(ips(sample)),
            direct=direct(shares, self._expected),
            gain=doubly_robust(sample, self._expected, over=self.values),
            cost=cost,
            rows=len(self.rows),
            effective_rows=effective,
            max_weight=float(sample.weights.max()),
            mean_weight=float(sample.weights.mean()),
            support=1.0 - lost,
        )

    def _check_support(self, name: str, shares: Vector) -> float:
        """The share of its choices that the log has no row of; refuse where that is more than a hundredth."""
        never = np.bincount(self.drawn, minlength=len(self.keys)) == 0
        lost = np.where((self.logged <= 0.0) | never, shares, 0.0).mean(axis=0)
        total = float(lost.sum())
        if total > MOST_LOST:
            most = sorted(zip(lost.tolist(), self.keys, strict=True), reverse=True)[:3]
            named = ", ".join(f"{key} {share:.0%}" for share, key in most if share > MOST_LOST / 2)
            raise NoSupportError(
                f"{name}: {total:.0%} of its choices are models that the log could not draw there ({named})",
                policy=name,
                reason="no_support",
                figures={"support": 1.0 - total},
                hint=_EXPLORE,
            )
        return total

    def baseline(self) -> tuple[Estimate | None, Estimate | None]:
        """What the log's own policy got: the measure, and the cost."""
        bound = _within if self._bounded else _above_zero
        own = bound(plain_mean(self.values)) if len(self.values) > 1 else None
        return own, _above_zero(plain_mean(self._costs)) if len(self._costs) > 1 else None

    def calibration(self) -> tuple[Bin, ...]:
        """What the outcome model expected of the models drawn, and what was measured, in ten bins of equal size."""
        if len(self.rows) < LEAST_ROWS:
            return ()
        expected = self._expected[np.arange(len(self.rows)), self.drawn]
        parts = np.array_split(np.argsort(expected, kind="stable"), _BINS)
        return tuple(Bin(float(expected[part].mean()), float(self.values[part].mean()), len(part)) for part in parts)


_EXPLORE = (
    "make a log that gives every model a chance: policy {name: adaptive, floor: 0.05} or {name: thompson, floor: 0.05}"
)


def _within(estimate: Estimate) -> Estimate:
    """A score's interval does not reach beyond 0 to 1."""
    return Estimate(estimate.mean, max(estimate.low, 0.0), min(estimate.high, 1.0), estimate.error)


def _above_zero(estimate: Estimate) -> Estimate:
    return Estimate(estimate.mean, max(estimate.low, 0.0), estimate.high, estimate.error)
