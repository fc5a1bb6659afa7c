"""`round_robin`: one after the other, whoever was not chosen for longest."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.registry.arms import Arms


class RoundRobinPolicy(BasePolicy):
    """Take turns. Turns are kept per model, so they stay fair when requests can be served by different sets of models."""

    name = "round_robin"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, int] = {}
        self._turn = 0

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the model whose turn it is; the first by name among those that never had one."""
        with self._lock:
            last = [self._turns.get(key, 0) for key in arms.keys]
            chosen = min(range(len(arms)), key=lambda at: (last[at], arms.keys[at]))
            self._turn += 1
            self._turns[arms.keys[chosen]] = self._turn
        context.scores = [-float(turn) for turn in last]
        return one_hot(len(arms), [chosen])
