"""`round_robin`: one after the other, whoever was not chosen for longest."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from heapq import heapify, heapreplace

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.policies.journal import Follower, Noted
from pointsman.policies.shares import FEW, Even, Later
from pointsman.policies.timeline import Timeline
from pointsman.registry.arms import Arms


class RoundRobinPolicy(BasePolicy):
    """Take turns. Turns are kept per model, so they stay fair when requests can be served by different sets of models."""

    name = "round_robin"

    def __init__(self) -> None:
        self._key = object()
        self._lock = threading.RLock()
        self._turns: Noted[int] = Noted()
        self._turn = 0

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the model whose turn it is; the first by name among those that never had one."""
        size = len(arms)
        if size > FEW:
            with self._lock:
                queue: _Queue | None = arms.memo.get(self._key)
                if queue is None:
                    queue = arms.memo[self._key] = _Queue(arms, self._turns)
                first = queue.first(context)
                self._take(arms.keys[first])
            return Even(size, 1 << first)
        with self._lock:
            last = [self._turns.get(key, 0) for key in arms.keys]
            longest = min(last)
            chosen = last.index(longest)
            if not longest:  # turns differ, but for those that nobody had
                chosen = min((at for at, turn in enumerate(last) if not turn), key=arms.keys.__getitem__)
            self._take(arms.keys[chosen])
        context.scores = [-float(turn) for turn in last]
        return one_hot(size, [chosen])

    def _take(self, key: str) -> None:
        self._turn += 1
        self._turns[key] = self._turn
        self._turns.journal.note(key)


class _Queue:
    """Many models in the order of their latest turns, followed from one turn to the next."""

    def __init__(self, arms: Arms, turns: Noted[int]) -> None:
        self._arms = arms
        self._turns = turns
        self._news = Follower(turns)
        self._begin()

    def _begin(self) -> None:
        keys = self._arms.keys
        self._last = Timeline(self._turns.get(key, 0) for key in keys)
        self._heap = [(turn, key, at) for at, (turn, key) in enumerate(zip(self._last.now, keys, strict=True))]
        heapify(self._heap)

    def first(self, context: Context) -> int:
        """Whose turn it is; leaves scores in the context."""
        news = self._news.changed(self._turns)
        if news is None:
            self._news.restart(self._turns)
            self._begin()
        for key in news or ():
            at = self._arms.positions.get(key)
            if at is not None:
                self._last.put(at, self._turns[key])
        heap, last = self._heap, self._last
        # Turns only grow, so an entry that is out of date stands too early, never too late.
        while heap[0][0] != last.now[heap[0][2]]:
            _, key, at = heap[0]
            heapreplace(heap, (last.now[at], key, at))
        earlier = last.view()
        context.scores = Later(len(self._arms), lambda: [-float(turn) for turn in earlier()])
        return heap[0][2]
