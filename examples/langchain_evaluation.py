"""An evaluation loop that teaches the router: answers are graded, and the better model gets more of the calls.

Runs offline: one model is dear and right, one cheap and often wrong, and the prompts can be graded.
"""

from __future__ import annotations

import os
from collections import Counter

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from langchain_core.messages import BaseMessage

from pointsman import ModelRegistry, ModelSpec, Router
from pointsman.langchain import ChatPointsman, PointsmanFeedback
from pointsman.testing import GradablePrompt, ServedModel, gradable_prompts, grade, serve

MODELS = [
    ServedModel("careless", input_price_per_1m=1.0, output_price_per_1m=4.0, quality=0.3),
    ServedModel("careful", input_price_per_1m=1.2, output_price_per_1m=5.0, quality=0.95),
]
ROUNDS, PER_ROUND = 4, 40


def judge(prompt: GradablePrompt) -> PointsmanFeedback:
    """A callback that scores the answer to this prompt the moment it comes."""

    def score(message: BaseMessage) -> float:
        return grade(prompt, message.text)

    return PointsmanFeedback(router, judge=score)


with serve(MODELS, seed=7) as fleet:
    registry = ModelRegistry(ModelSpec(**entry) for entry in fleet.catalogue())
    router = Router(registry, policy="ucb", seed=7)
    llm = ChatPointsman(router=router)
    prompts = iter(gradable_prompts(ROUNDS * PER_ROUND, seed=7))
    for number in range(1, ROUNDS + 1):
        served: Counter[str] = Counter()
        for _ in range(PER_ROUND):
            prompt = next(prompts)
            answer = llm.invoke(prompt.text, {"callbacks": [judge(prompt)]})
            served[answer.response_metadata["model_name"]] += 1
        print(f"round {number}: {dict(sorted(served.items()))}")
