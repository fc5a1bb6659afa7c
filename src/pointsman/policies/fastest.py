"""`fastest`: the lowest latency, measured where it was measured, else as the catalogue states it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.registry.arms import Arms


class FastestPolicy(BasePolicy):
    """Take the model with the lowest mean latency; ties are shared, models of unknown latency are tried once first."""

    name = "fastest"

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the fastest; evenly among equals."""
        seconds = []
        for spec in arms:
            known = context.mean_seconds.get(spec.key, spec.latency_p50)
            # Only a call can tell; while one is under way others need not wait for it too.
            unknown = math.inf if context.pending.get(spec.arm) else 0.0
            seconds.append(unknown if known is None else known)
        context.scores = [-each for each in seconds]
        least = min(seconds)
        return one_hot(len(arms), (at for at, each in enumerate(seconds) if each == least))
