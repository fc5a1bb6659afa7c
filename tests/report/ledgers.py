"""Ledgers to report on: a router with real decisions over a clock that moves when told, written where it is asked."""

from __future__ import annotations

from random import Random
from typing import Any

from samples import StatusError, make_spec

from pointsman import ModelRegistry, Request, Router
from pointsman.testing import FakeClock

PROMPT = "a prompt that must not be found"


def registry_of_four() -> ModelRegistry:
    """Four models of different price, speed and quality; one cannot see, one is deprecated."""
    chat = "generation.text.chat"
    return ModelRegistry(
        [
            make_spec(
                "small",
                capabilities=[chat],
                cost_per_1m_input_tokens=0.15,
                cost_per_1m_output_tokens=0.6,
                quality={"a": 0.6},
            ),
            make_spec(
                "large",
                capabilities=[chat, "vision"],
                cost_per_1m_input_tokens=2.5,
                cost_per_1m_output_tokens=10,
                quality={"a": 0.8},
            ),
            make_spec(
                "sonnet",
                provider="anthropic",
                capabilities=[chat, "vision"],
                cost_per_1m_input_tokens=3,
                cost_per_1m_output_tokens=15,
                quality={"a": 0.85},
            ),
            make_spec(
                "flash",
                provider="gemini",
                capabilities=[chat, "vision"],
                cost_per_1m_input_tokens=0.3,
                cost_per_1m_output_tokens=2.5,
                quality={"a": 0.7},
            ),
        ]
    )


def play(store: str, *, calls: int = 300, seed: int = 1, policy: Any = "adaptive") -> Router:
    """Serve calls of which some fail, one model is ill for a while, and half of the answers are scored."""
    clock = FakeClock(epoch=1_760_000_000.0)
    router = Router(registry_of_four(), policy, store, seed=seed, clock=clock)
    chance = Random(seed)
    skill = {"openai:small": 0.55, "openai:large": 0.8, "anthropic:sonnet": 0.9, "gemini:flash": 0.85}
    usual = {"openai:small": 0.5, "openai:large": 1.6, "anthropic:sonnet": 2.2, "gemini:flash": 0.8}

    for number in range(calls):
        clock.advance(chance.expovariate(1 / 90))
        ill = calls * 0.5 < number < calls * 0.62

        def call(attempt: Any, *, ill: bool = ill) -> dict[str, Any]:
            clock.advance(usual[attempt.model] * chance.uniform(0.6, 1.9))
            if (ill and attempt.model == "openai:large") or chance.random() < 0.02:
                raise StatusError(chance.choice([503, 429, 500]))
            return {
                "choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": chance.randint(200, 4000), "completion_tokens": chance.randint(50, 900)},
            }

        needs = {"vision"} if chance.random() < 0.2 else set()
        decision = router.decide(Request(messages=PROMPT, needs=needs, max_output_tokens=900))
        record = router.execute(decision, call, honours_timeout=True)
        if chance.random() < 0.5:
            router.feedback(decision.id, float(chance.random() < skill[record.spec.key]))
    router.flush()
    return router
