"""Logs made by a router in small worlds whose truth is known."""

from __future__ import annotations

from random import Random
from typing import Any

from pointsman import ModelRegistry, ModelSpec, Outcome, Request, Router
from pointsman.policies import Context
from pointsman.registry.arms import Arms
from pointsman.testing import FakeClock

QUALITY = {"cheap": 0.5, "good": 0.9, "fast": 0.7}
PRICE = {"cheap": 0.1, "good": 30.0, "fast": 1.0}


class Shares:
    """A policy that always spreads alike, which is known to all."""

    name = "shares"

    def __init__(self, **shares: float) -> None:
        self.shares = shares

    def probabilities(self, arms: Arms, context: Context) -> list[float]:
        del context
        return [self.shares.get(spec.name, 0.0) for spec in arms]

    def learn(self, lesson: Any) -> None:
        del lesson


EVEN = Shares(cheap=1 / 3, good=1 / 3, fast=1 / 3)


def models() -> ModelRegistry:
    return ModelRegistry(
        ModelSpec(
            name=name,
            provider="openai",
            capabilities=["generation.text.chat"],
            cost_per_1m_input_tokens=PRICE[name],
            cost_per_1m_output_tokens=PRICE[name] * 4,
            quality={"general": quality},
        )
        for name, quality in QUALITY.items()
    )


def make_log(
    policy: Any = EVEN, rows: int = 1_000, *, seed: int = 1, store: Any = "memory://", scored: float = 1.0
) -> Router:
    """A router that has served so many requests; an answer is right as often as its model's quality says."""
    clock, chance = FakeClock(), Random(seed)
    router = Router(models(), policy, store, seed=seed, clock=clock)
    for number in range(rows):
        decision = router.decide(Request(messages=f"question {number}, secret {seed}"))
        clock.advance(1.0)
        router.observe(decision, Outcome(seconds=0.5, input_tokens=100, output_tokens=100))
        if chance.random() < scored:
            router.feedback(decision.id, float(chance.random() < QUALITY[decision.spec.name]), source="test")
    return router
