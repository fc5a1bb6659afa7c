"""`cheapest`: the lowest expected cost of this very call; ties are shared, unknown prices come last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.policies.shares import FEW, Even, Later
from pointsman.policies.tariffs import Tariffs
from pointsman.registry.arms import Arms


class CheapestPolicy(BasePolicy):
    """Take the model whose prices make this call cheapest, its input and output sizes considered."""

    name = "cheapest"

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the cheapest; evenly among equals."""
        size = len(arms)
        if size > FEW:
            tariffs: Tariffs | None = arms.memo.get("tariffs")
            if tariffs is None:
                tariffs = arms.memo["tariffs"] = Tariffs(arms)
            context.scores = Later(size, partial(_scores, arms, context))
            return Even(size, tariffs.cheapest(context))
        costs = [math.inf if cost is None else cost for cost in context.expected_costs(arms)]
        context.scores = [-cost for cost in costs]
        least = min(costs)
        return one_hot(size, (at for at, cost in enumerate(costs) if cost == least))


def _scores(arms: Arms, context: Context) -> list[float]:
    return [-math.inf if cost is None else -cost for cost in context.expected_costs(arms)]
