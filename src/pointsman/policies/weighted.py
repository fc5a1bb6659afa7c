"""`weighted`: draws in proportion to each model's `weight`."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.policies.base import BasePolicy, Context
from pointsman.registry.arms import Arms


class WeightedPolicy(BasePolicy):
    """Share traffic by weight; a model without a weight counts 1, and if all weigh 0 all are equal."""

    name = "weighted"

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """Weights, normalised; prepared once per set of models."""
        del context
        prepared: Sequence[float] | None = arms.memo.get("weighted")
        if prepared is None:
            weights = [1.0 if spec.weight is None else spec.weight for spec in arms]
            total = sum(weights)
            prepared = tuple(weight / total for weight in weights) if total > 0 else (1 / len(arms),) * len(arms)
            arms.memo["weighted"] = prepared
        return prepared
