"""Who of many models is owed a first call, without counting the calls of each anew for every decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pointsman.policies.journal import Follower, Journal
from pointsman.policies.shares import mask_of

_Called = Callable[[str], float]


class Nursery:
    """Models that still wait for calls, in groups of equally many calls so far.

    Args:
        arms: what the models teach, those who come first first.
        places: each model's place in the set of models.
        calls: notes whose calls have changed.
        pending: calls under way.
        called: how many calls an arm had.
        enough: of so many calls.
    """

    def __init__(
        self,
        arms: Sequence[str],
        places: Sequence[int],
        calls: Journal,
        pending: Mapping[str, int],
        called: _Called,
        enough: float,
    ) -> None:
        self._arms = arms
        self._places = places
        self._calls, self._mark = calls, calls.end
        self._pending = Follower(pending)
        self._enough = enough
        self._turns: dict[str, list[int]] = {}
        for turn, arm in enumerate(arms):
            self._turns.setdefault(arm, []).append(turn)
        counts = [(turn, called(arm)) for turn, arm in enumerate(arms)]
        self._had = {turn: count for turn, count in counts if count < enough}
        self._groups: dict[float, int] = {}
        self._group()

    def _group(self) -> None:
        members: dict[float, list[int]] = {}
        for turn, count in self._had.items():
            members.setdefault(count, []).append(turn)
        self._groups = {count: mask_of(turns, len(self._arms)) for count, turns in members.items()}

    def next(self, pending: Mapping[str, int], called: _Called) -> int | None:
        """The place of the model with the fewest calls; of several the first. Who had enough once never comes back."""
        if not self._had:
            return None
        noted, changed = self._calls.since(self._mark), self._pending.changed(pending)
        self._mark = self._calls.end if noted is None else self._mark + len(noted)
        if noted is None or changed is None:
            self._pending.restart(pending)
            self._take(self._turns, called)
        elif noted or changed:
            self._take({*noted, *changed}, called)
        if not self._groups:
            return None
        first = self._groups[min(self._groups)]
        return self._places[(first & -first).bit_length() - 1]

    def _take(self, arms: Iterable[str], called: _Called) -> None:
        for arm in arms:
            for turn in self._turns.get(arm, ()):
                before = self._had.get(turn)
                if before is None or (count := called(arm)) == before:
                    continue
                left = self._groups[before] ^ (1 << turn)
                if left:
                    self._groups[before] = left
                else:
                    del self._groups[before]
                if count < self._enough:
                    self._had[turn] = count
                    self._groups[count] = self._groups.get(count, 0) | 1 << turn
                else:
                    del self._had[turn]
