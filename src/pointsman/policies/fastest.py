"""`fastest`: the lowest latency, measured where it was measured, else as the catalogue states it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.policies.journal import Follower
from pointsman.policies.ranking import Ranking
from pointsman.policies.shares import FEW, Even, Later, mask_of
from pointsman.policies.timeline import Timeline
from pointsman.registry.arms import Arms


class FastestPolicy(BasePolicy):
    """Take the model with the lowest mean latency; ties are shared, models of unknown latency are tried once first."""

    name = "fastest"

    def __init__(self) -> None:
        self._key = object()
        self._lock = threading.RLock()

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the fastest; evenly among equals."""
        if len(arms) > FEW:
            with self._lock:
                times: _Times | None = arms.memo.get(self._key)
                if times is None:
                    times = arms.memo[self._key] = _Times(arms, context.mean_seconds)
                return times.shares(context)
        seconds = []
        for spec in arms:
            known = context.mean_seconds.get(spec.key, spec.latency_p50)
            # Only a call can tell; while one is under way others need not wait for it too.
            unknown = math.inf if context.pending.get(spec.arm) else 0.0
            seconds.append(unknown if known is None else known)
        context.scores = [-each for each in seconds]
        least = min(seconds)
        return one_hot(len(arms), (at for at, each in enumerate(seconds) if each == least))


class _Times:
    """The latencies of many models, followed from one measurement to the next."""

    def __init__(self, arms: Arms, measured: Mapping[str, float]) -> None:
        self._arms = arms
        self._news = Follower(measured)
        self._begin(measured)

    def _begin(self, measured: Mapping[str, float]) -> None:
        arms = self._arms
        self._known = Timeline(measured.get(spec.key, spec.latency_p50) for spec in arms)
        self._order = Ranking(((each, at) for at, each in enumerate(self._known.now) if each is not None), len(arms))
        unknown = [at for at, each in enumerate(self._known.now) if each is None]
        self._unknown = mask_of(unknown, len(arms))
        self._waiting: dict[str, list[int]] = {}
        for at in unknown:
            self._waiting.setdefault(arms[at].arm, []).append(at)

    def shares(self, context: Context) -> Even:
        """All to the fastest, as measured until now; leaves scores in the context."""
        self._follow(context.mean_seconds)
        pending = context.pending
        tried = [arm for arm in list(pending) if arm in self._waiting and pending.get(arm)] if pending else ()
        untried = self._unknown
        for arm in tried:
            untried &= ~mask_of(self._waiting[arm], len(self._arms))
        context.scores = Later(len(self._arms), self._scores(frozenset(tried)))
        least = next(iter(self._order), math.inf)
        if untried and least > 0.0:
            return Even(len(self._arms), untried)
        if least == math.inf:
            return Even(len(self._arms), self._unknown)
        fastest = self._order.mask(least)
        return Even(len(self._arms), fastest | untried if least == 0.0 else fastest)

    def _follow(self, measured: Mapping[str, float]) -> None:
        news = self._news.changed(measured)
        if news is None:
            self._news.restart(measured)
            self._begin(measured)
            return
        for key in set(news):
            at = self._arms.positions.get(key)
            if at is not None:
                self._put(at, measured.get(key, self._arms[at].latency_p50))

    def _put(self, at: int, seconds: float | None) -> None:
        before = self._known.now[at]
        if seconds == before:
            return
        if before is None:
            self._unknown &= ~(1 << at)
        else:
            self._order.remove(before, at)
        if seconds is None:
            self._unknown |= 1 << at
        else:
            self._order.add(seconds, at)
        self._known.put(at, seconds)

    def _scores(self, tried: frozenset[str]) -> Callable[[], list[float]]:
        known, specs = self._known.view(), self._arms.specs

        def scores() -> list[float]:
            return [
                -each if each is not None else -math.inf if spec.arm in tried else -0.0
                for each, spec in zip(known(), specs, strict=True)
            ]

        return scores
