"""What an outcome is worth, in one number and in its parts, and what it cost."""

from __future__ import annotations

from typing import NamedTuple

from pointsman.catalog.prices import call_cost
from pointsman.catalog.spec import ModelSpec
from pointsman.types import Outcome

_LATENCY_SCALE, _MOST_FOR_LATENCY = 10.0, 0.5
_COST_SCALE, _MOST_FOR_COST = 0.01, 0.3
_LEAST = 0.1


class Reward(NamedTuple):
    """A success in one number: 1, less at most 0.5 for latency and 0.3 for cost, but at least 0.1.

    A failure is worth what the fault table says: nothing is taken off it.
    """

    success: float
    latency: float = 0.0
    cost: float = 0.0

    @property
    def value(self) -> float:
        """The one number.

        >>> Reward.of_success(seconds=2.0, cost=0.001).value
        0.7
        """
        return max(self.success - self.latency - self.cost, _LEAST) if self.success else 0.0

    @classmethod
    def of_success(cls, *, seconds: float | None, cost: float | None) -> Reward:
        """Of an answer that took so long (seconds) and cost so much (USD)."""
        latency = min((seconds or 0.0) / _LATENCY_SCALE, _MOST_FOR_LATENCY)
        return cls(1.0, latency, min((cost or 0.0) / _COST_SCALE, _MOST_FOR_COST))

    def parts(self) -> dict[str, float]:
        """As the ledger keeps it: what was gained, and what was taken off it."""
        return {"success": self.success, "latency": -self.latency, "cost": -self.cost}


def scalar_reward(*, seconds: float | None, cost: float | None) -> float:
    """A success in one number; see `Reward`."""
    return Reward.of_success(seconds=seconds, cost=cost).value


def cost_of(spec: ModelSpec, outcome: Outcome) -> float | None:
    """USD of an attempt: as told, else from its tokens, else unknown."""
    if outcome.cost is not None or outcome.input_tokens is None or outcome.output_tokens is None:
        return outcome.cost
    return call_cost(spec, outcome.input_tokens, outcome.output_tokens).total
