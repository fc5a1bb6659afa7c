"""Upper confidence bounds of many arms: kept in groups of equal pulls, so that few of them have to be worked out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pointsman.policies.journal import Follower, Journal
from pointsman.policies.ranking import Ranking
from pointsman.policies.shares import Even, Later, mask_of
from pointsman.policies.timeline import Timeline
from pointsman.registry.arms import Arms

if TYPE_CHECKING:
    from pointsman.policies.base import Context

_UNKNOWN_MEAN = 0.5
Totals = Mapping[str, Mapping[str, float]]


class Standing:
    """What `ucb` knows of many models, followed from one outcome, and one call under way, to the next.

    Of models with equally many pulls only the best mean can be the highest bound, and there are far fewer numbers of
    pulls than models.
    """

    def __init__(self, arms: Arms, totals: Totals, journal: Journal, pending: Mapping[str, int]) -> None:
        self._arms = arms
        self._journal = journal
        self._where = arms.by_arm
        self._calls = Follower(pending)
        self._begin(totals, pending)

    def _begin(self, totals: Totals, pending: Mapping[str, int]) -> None:
        self._mark = self._journal.end
        self._calls.restart(pending)
        self._rows = Timeline(_row(spec.arm, totals, pending) for spec in self._arms)
        members: dict[float, list[int]] = {}
        for at, (_, pulls) in enumerate(self._rows.now):
            members.setdefault(pulls, []).append(at)
        size, rows = len(self._arms), self._rows.now
        self._members = {pulls: mask_of(found, size) for pulls, found in members.items()}
        self._order = {pulls: Ranking(((-rows[at][0], at) for at in found), size) for pulls, found in members.items()}
        self._count()

    def _count(self) -> None:
        self._total = sum(pulls for _, pulls in self._rows.now)
        # Sums of whole numbers are exact in any order; others are summed anew.
        self._whole = all(pulls == int(pulls) for pulls in self._order)

    def follow(self, totals: Totals, pending: Mapping[str, int]) -> None:
        """Take in what has changed since."""
        learnt, called = self._journal.since(self._mark), self._calls.changed(pending)
        if learnt is None or called is None:
            self._begin(totals, pending)
            return
        self._mark += len(learnt)
        if learnt or called:
            for arm in {*learnt, *called}:
                for at in self._where.get(arm, ()):
                    self._put(at, *_row(arm, totals, pending))
            if not self._whole:
                self._count()

    def _put(self, at: int, mean: float, pulls: float) -> None:
        old_mean, old_pulls = self._rows.now[at]
        if old_mean == mean and old_pulls == pulls:
            return
        self._order[old_pulls].remove(-old_mean, at)
        if old_pulls != pulls:
            self._members[old_pulls] ^= 1 << at
            if not self._members[old_pulls]:
                del self._members[old_pulls], self._order[old_pulls]
            self._members[pulls] = self._members.get(pulls, 0) | 1 << at
            self._total += pulls - old_pulls
            self._whole = self._whole and pulls == int(pulls)
        order = self._order.get(pulls)
        if order is None:
            order = self._order[pulls] = Ranking()
        order.add(-mean, at)
        self._rows.put(at, (mean, pulls))

    def shares(self, context: Context, exploration: float, trials: float) -> Even:
        """All to the highest bound; untried models first. Leaves scores in the context."""
        size, rows = len(self._arms), self._rows.view()
        fewest = min(self._members)
        if fewest < trials:
            context.scores = Later(size, lambda: [math.inf if pulls == fewest else 0.0 for _, pulls in rows()])
            return Even(size, self._members[fewest])
        bonus = exploration * math.sqrt(math.log(self._total + 1))
        context.scores = Later(size, lambda: [mean + bonus / math.sqrt(pulls) for mean, pulls in rows()])
        best, winners = -math.inf, 0
        for pulls, order in self._order.items():
            more = bonus / math.sqrt(pulls)
            for worst in order:
                score = more - worst
                if score < best:
                    break
                winners = order.mask(worst) | (winners if score == best else 0)
                best = score
        return Even(size, winners)


def _row(arm: str, totals: Totals, pending: Mapping[str, int]) -> tuple[float, float]:
    """Mean reward, and pulls with those under way."""
    row = totals.get(arm)
    if row is None:
        return _UNKNOWN_MEAN, float(pending.get(arm, 0))
    n = row["n"]
    return (row["reward"] / n if n else _UNKNOWN_MEAN), n + pending.get(arm, 0)
