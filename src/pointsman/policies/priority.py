"""`priority`: the lowest `priority` number first, as operators rank their models by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.registry.arms import Arms


class PriorityPolicy(BasePolicy):
    """Take the model with the lowest `priority`; equals share by `weight`, models without a priority come last."""

    name = "priority"

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the first rank; prepared once per set of models."""
        prepared: tuple[Sequence[float], Sequence[float]] | None = arms.memo.get("priority")
        if prepared is None:
            ranks = [math.inf if spec.priority is None else float(spec.priority) for spec in arms]
            first = min(ranks)
            weights = [
                (1.0 if spec.weight is None else spec.weight) if rank == first else 0.0
                for spec, rank in zip(arms, ranks, strict=True)
            ]
            total = sum(weights)
            even = one_hot(len(arms), (at for at, rank in enumerate(ranks) if rank == first))
            shares = tuple(weight / total for weight in weights) if total > 0 else tuple(even)
            prepared = arms.memo["priority"] = (shares, [-rank for rank in ranks])
        context.scores = prepared[1]
        return prepared[0]
