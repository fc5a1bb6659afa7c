"""What a learner has seen per arm, as sums that merge: each replica keeps its own rows, the newest of a replica counts.

A row belongs to an epoch of its arm. An alarm (the arm has changed) opens the next epoch from a *base*, which is what
was left of the old sums; rows of older epochs stop counting. Two replicas may raise the same alarm: of their bases the
one with the most evidence counts, so that folding the rows does not depend on the order in which they came.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.policies.journal import Journal

Vector = NDArray[np.float64]

COUNTS = ("calls", "failures", "scored", "answers", "input_tokens", "output_tokens", "billed", "cost", "reward")
CALLS, FAILURES, SCORED, ANSWERS, INPUT, OUTPUT, BILLED, COST, REWARD = range(len(COUNTS))
_MOST_FEATURES = 256


class Labels:
    """Sums over scored answers: their number, scores, outer products of features, features times score."""

    __slots__ = ("count", "score", "xx", "xy")

    def __init__(self, size: int) -> None:
        self.count = 0.0
        self.score = 0.0
        self.xx: Vector = np.zeros((size, size))
        self.xy: Vector = np.zeros(size)

    def add(self, features: Vector, weight: float, score: float) -> None:
        """Take in so much of a scored answer; `score` is weighted already."""
        self.resize(len(features))
        size = len(features)
        self.count += weight
        self.score += score
        self.xx[:size, :size] += weight * np.outer(features, features)
        self.xy[:size] += features * score

    def include(self, other: Labels, share: float = 1.0) -> None:
        """Take in a share of other sums."""
        size = len(other.xy)
        self.resize(size)
        self.count += share * other.count
        self.score += share * other.score
        self.xx[:size, :size] += share * other.xx
        self.xy[:size] += share * other.xy

    def resize(self, size: int) -> None:
        """Make room for more features; the new ones were 0 so far."""
        more = size - len(self.xy)
        if more > 0:
            self.xx = np.pad(self.xx, (0, more))
            self.xy = np.pad(self.xy, (0, more))

    def shift(self, amount: float) -> None:
        """Move the level that the scores speak of."""
        self.xy += self.xx[:, 0] * amount
        self.score += self.count * amount

    def to_json(self) -> dict[str, Any]:
        """The sums as JSON; of the symmetric matrix one half."""
        upper = self.xx[np.triu_indices(len(self.xy))]
        return {"count": self.count, "score": self.score, "xx": upper.tolist(), "xy": self.xy.tolist()}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Labels:
        """Read what `to_json` wrote.

        Raises:
            ValueError: (or TypeError, KeyError) for anything else.
        """
        xy, upper = np.asarray(row["xy"], dtype=float), np.asarray(row["xx"], dtype=float)
        size = len(xy)
        if xy.ndim != 1 or not 0 < size <= _MOST_FEATURES or upper.shape != (size * (size + 1) // 2,):
            raise ValueError("sums of the wrong size")
        labels = cls(size)
        labels.count, labels.score, labels.xy = _number(row["count"]), _number(row["score"]), xy
        labels.xx[np.triu_indices(size)] = upper
        labels.xx = labels.xx + np.triu(labels.xx, 1).T
        if not (np.isfinite(xy).all() and np.isfinite(upper).all()) or labels.count < 0:
            raise ValueError("sums that are no numbers")
        return labels

    @property
    def rank(self) -> tuple[Any, ...]:
        """An order among bases that does not depend on who made them."""
        return (self.count, len(self.xy), self.xy.tolist(), self.xx.tolist())


class Row:
    """One replica's sums of one arm: counts of calls, which outlive epochs, and labels of the present epoch."""

    __slots__ = ("base", "changes", "counts", "epoch", "labels", "written")

    def __init__(self, size: int, epoch: int = 0) -> None:
        self.written: dict[str, Any] | None = None
        self.changes = 0
        self.epoch = epoch
        self.base: Labels | None = None
        self.labels = Labels(size)
        self.counts: Vector = np.zeros(len(COUNTS))

    def to_json(self) -> dict[str, Any]:
        """The row as JSON; kept until the row changes, as of many arms one changes at a time."""
        if self.written is None:
            self.written = {
                "changes": self.changes,
                "epoch": self.epoch,
                "base": None if self.base is None else self.base.to_json(),
                "labels": self.labels.to_json(),
                **dict(zip(COUNTS, self.counts.tolist(), strict=True)),
            }
        return self.written

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Row:
        """Read what `to_json` wrote.

        Raises:
            ValueError: (or TypeError, KeyError) for anything else.
        """
        row = cls(1, int(_number(given["epoch"])))
        row.changes = int(_number(given["changes"]))
        row.labels = Labels.from_json(given["labels"])
        row.base = None if given["base"] is None else Labels.from_json(given["base"])
        # A count that an older version did not know starts at 0.
        row.counts = np.array([_number(given.get(name, 0.0)) for name in COUNTS])
        if row.epoch < 0 or (row.counts < 0).any():
            raise ValueError("counts below zero")
        return row


class Evidence:
    """All rows of all arms: this replica's, which grow, and the others', which are replaced by newer ones.

    Attributes:
        size: the most features seen.
        at: the line of `counts` and of everything derived that belongs to an arm; line 0 is every arm never seen.
        counts: the counts of all replicas together, a line per arm, in the order of `COUNTS`.
        changes: how often the counts have changed.
        journal: whose counts have changed.
        names: the arms in the order of their lines, from line 1 on.
        ignored: rows of other replicas that could not be read.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.at: dict[str, int] = {}
        self._room: Vector = np.zeros((64, len(COUNTS)))  # doubled when it is full
        self.counts: Vector = self._room[:1]
        self.changes = 0
        self.journal = Journal()
        self.names: list[str] = []
        self.ignored = 0
        self._own: dict[str, Row] = {}
        self._others: dict[str, dict[str, Row]] = {}
        self._labels: dict[str, Labels] = {}
        self._epochs: dict[str, int] = {}

    def labels(self, arm: str) -> Labels:
        """The labels of an arm's present epoch, all replicas together."""
        return self._labels[arm]

    def count(self, arm: str, changes: Mapping[int, float]) -> None:
        """Add to an arm's counts."""
        row = self._open(arm)
        self.changes += 1
        for column, amount in changes.items():
            row.counts[column] += amount
            self.counts[self.at[arm], column] += amount
        self.journal.note(arm)

    def label(
        self, arm: str, features: Vector, score: float, weight: float = 1.0, revised: tuple[float, float] | None = None
    ) -> None:
        """Add a scored answer, in the place of an earlier score and its weight if there was one."""
        self.size = max(self.size, len(features))
        self.count(arm, {SCORED: float(revised is None)})
        earlier, replaced = revised or (0.0, 0.0)
        # Information is never taken away, or the sums could stop being those of any answers.
        more = max(weight - replaced, 0.0)
        change = (replaced + more) * score - replaced * earlier
        self._own[arm].labels.add(features, more, change)
        self._labels[arm].add(features, more, change)

    def renew(self, arm: str, keep: float, shift: float) -> None:
        """Open an arm's next epoch from a share of what is known, its level moved by `shift`."""
        row = self._open(arm)
        base = Labels(self.size)
        base.include(self._labels[arm], keep)
        base.shift(shift)
        row.epoch, row.base, row.labels = self._epochs[arm] + 1, base, Labels(self.size)
        self._fold(arm)

    def merge(self, replica: str, rows: Mapping[str, Any]) -> set[str]:
        """Take in another replica's rows; of the same replica and arm the one with more changes counts.

        Returns:
            the arms of which something new is known.
        """
        fresh = set()
        for arm, given in rows.items():
            try:
                row = Row.from_json(given)
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
                self.ignored += 1
                continue
            known = self._others.setdefault(arm, {}).get(replica)
            if known is None or row.changes > known.changes:
                self.size = max(self.size, len(row.labels.xy))
                self._others[arm][replica] = row
                self._fold(arm)
                fresh.add(arm)
        return fresh

    def to_json(self) -> dict[str, dict[str, Any]]:
        """This replica's rows."""
        return {arm: row.to_json() for arm, row in self._own.items()}

    def _open(self, arm: str) -> Row:
        """This replica's row in the arm's present epoch, which is about to change."""
        if arm not in self.at:
            self._fold(arm)
        row = self._own.get(arm)
        if row is None:
            row = self._own[arm] = Row(self.size, self._epochs[arm])
        elif row.epoch < self._epochs[arm]:
            row.epoch, row.base, row.labels = self._epochs[arm], None, Labels(self.size)
        row.changes += 1
        row.written = None
        return row

    def _fold(self, arm: str) -> None:
        """Add up an arm's rows, counts of all epochs, labels of the latest; in the order of replicas, not of arrival."""
        rows = [row for _, row in sorted(self._others.get(arm, {}).items())]
        rows += [self._own[arm]] if arm in self._own else []
        self.changes += 1
        at = self.at.get(arm)
        if at is None:
            at = self.at[arm] = len(self.at) + 1
            self.names.append(arm)
            if at == len(self._room):
                self._room = np.append(self._room, np.zeros_like(self._room), axis=0)
            self.counts = self._room[: at + 1]
        self.counts[at] = sum((row.counts for row in rows), start=np.zeros(len(COUNTS)))
        epoch = self._epochs[arm] = max((row.epoch for row in rows), default=0)
        labels = self._labels[arm] = Labels(self.size)
        present = [row for row in rows if row.epoch == epoch]
        for row in present:
            labels.include(row.labels)
        bases = [row.base for row in present if row.base is not None]
        if bases:
            labels.include(max(bases, key=lambda base: base.rank))
        self.journal.note(arm)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
