"""The Python door: a registry, a router, a decision that explains itself, and a model that dies unnoticed.

Runs offline on model servers of its own. For your own models: `Router.from_config("pointsman.yaml")`.
"""

from __future__ import annotations

from pointsman import ModelRegistry, ModelSpec, Request, Router
from pointsman.testing import ServedModel, serve

MODELS = [
    ServedModel("cheap", input_price_per_1m=0.1, output_price_per_1m=0.4, quality=0.5, context_window=16_000),
    ServedModel("good", input_price_per_1m=3.0, output_price_per_1m=12.0, quality=0.95, context_window=128_000),
]

with serve(MODELS) as fleet:
    registry = ModelRegistry(ModelSpec(**entry) for entry in fleet.catalogue())
    router = Router(registry, policy="cheapest", seed=7)

    print(router.decide(Request(messages="What is 2 + 3?", max_output_tokens=100)))
    print("answer:", router.ask("What is 2 + 3?"))

    print("\na prompt of 60,000 tokens:")
    print(router.decide(Request(input_tokens=60_000)))

    fleet["cheap"].kill()
    print("\ncheap is dead; answer:", router.ask("What is 2 + 3?"))
    print("".join(router.ask_stream("Tell me a short story about trains")))
    print(router.health("cheap"))
