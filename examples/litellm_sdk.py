"""A `litellm.Router` that pointsman chooses for: the cheapest deployment that can serve, and one dies meanwhile.

Runs offline: the three models are servers of `pointsman.testing` on loopback.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

from pointsman.litellm import install
from pointsman.testing import ServedModel, serve

CONFIG = """
policy: cheapest
calls: {deadline: 30}
pools:
  auto: {}
"""
MODELS = [
    ServedModel("small", input_price_per_1m=0.1, output_price_per_1m=0.4, context_window=16_000),
    ServedModel("medium", input_price_per_1m=1.0, output_price_per_1m=3.0, context_window=32_000),
    ServedModel("large", input_price_per_1m=5.0, output_price_per_1m=15.0, context_window=200_000),
]


async def main() -> None:
    config = Path(tempfile.mkdtemp()) / "pointsman.yaml"
    config.write_text(CONFIG)
    with serve(MODELS, seed=7) as fleet:
        router = litellm.Router(model_list=fleet.litellm_model_list("chat"))
        strategy = install(router, config=config)

        async def ask(text: str) -> str:
            answer = await router.acompletion(model="chat", messages=[{"role": "user", "content": text}])
            return str(answer.model)

        print("a short prompt goes to       ", await ask("Hello!"))
        print("60,000 words go to           ", await ask("word " * 60_000))

        fleet["small"].kill()
        print("with small killed, answers   ", await ask("Hello again!"))
        stream = await router.acompletion(
            model="chat", messages=[{"role": "user", "content": "Stream, please."}], stream=True
        )
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
        print("a stream too                 ", len("".join(words)), "characters")

        await asyncio.sleep(0.5)  # LiteLLM tells of successes a moment after the answer
        for _, row in strategy.router.ledger.rows("ledger.attempts"):
            print("learnt                       ", row["model"], row["fault"] or "answered")
        strategy.uninstall()


if __name__ == "__main__":
    asyncio.run(main())
