"""`best`: the highest quality that the catalogue states, in the fields of expertise asked for where it has them."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.registry.arms import Arms


class BestPolicy(BasePolicy):
    """Take the model with the best stated quality; ties are shared, models of unknown quality come last."""

    name = "best"

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the best; evenly among equals."""
        expertise = tuple(context.request.expertise)
        qualities = [-1.0 if (quality := spec.quality_for(expertise)) is None else quality for spec in arms]
        context.scores = qualities
        most = max(qualities)
        return one_hot(len(arms), (at for at, quality in enumerate(qualities) if quality == most))
