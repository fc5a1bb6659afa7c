"""What people use instead: LiteLLM's strategies and its bandit, and installable routing bandits, each at its defaults.

Every one of them is driven through its own interface and told what it asks for. The bandits get our surface features where
they want vectors, so that they are compared as learners and not by the encoder that they would download.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from random import Random
from typing import Any

import numpy as np

from protocol.scenarios import COST_WEIGHT, Told

# The traces have no latencies: all models are taken to write equally fast.
_SECONDS_TO_START, _TOKENS_PER_SECOND = 0.5, 60.0


class LiteLLMRouterPlayer:
    """A `litellm.Router` over one group of deployments, asked for a deployment per prompt."""

    def __init__(self, told: Told, strategy: str) -> None:
        import litellm

        litellm.suppress_debug_info = True
        for name in ("LiteLLM", "LiteLLM Router"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._trace = told.trace
        self._random = Random(told.seed)
        self._loop = asyncio.new_event_loop()
        self._router = litellm.Router(
            model_list=[
                {
                    "model_name": "group",
                    "litellm_params": {
                        "model": "openai/gpt-4o-mini",
                        "api_key": "none",
                        "input_cost_per_token": price_in / 1e6,
                        "output_cost_per_token": price_out / 1e6,
                    },
                    "model_info": {"id": str(at)},
                }
                for at, (price_in, price_out) in enumerate(told.trace.prices)
            ],
            routing_strategy=strategy,
        )
        self._latency = self._router.lowestlatency_logger if strategy == "latency-based-routing" else None

    def choose(self, prompt: int) -> int:
        messages = [{"role": "user", "content": self._trace.prompts[prompt]}]
        asked = self._router.async_get_available_deployment(model="group", messages=messages, request_kwargs={})
        return int(self._loop.run_until_complete(asked)["model_info"]["id"])

    def answered(self, prompt: int, model: int) -> None:
        if self._latency is None:
            return
        import litellm

        asked, written = self._trace.prompt_tokens[prompt], int(self._trace.output_tokens[prompt, model])
        usage = litellm.Usage(prompt_tokens=asked, completion_tokens=written, total_tokens=asked + written)
        ended = datetime.now(UTC)
        seconds = (_SECONDS_TO_START + written / _TOKENS_PER_SECOND) * self._random.uniform(0.8, 1.2)
        about = {"litellm_params": {"metadata": {"model_group": "group"}, "model_info": {"id": str(model)}}}
        self._latency.log_success_event(
            about, litellm.ModelResponse(usage=usage), ended - timedelta(seconds=seconds), ended
        )

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None: ...


class LiteLLMAdaptivePlayer:
    """LiteLLM's adaptive router: its classifier and its Beta bandit per request type, at its default weights.

    In the proxy it learns from signals in the conversation; here it is told the score itself. Tiers (1 to 3) come from
    the priors' thirds, which is what its users are asked to declare.
    """

    def __init__(self, told: Told) -> None:
        from litellm.router_strategy.adaptive_router import bandit, classifier
        from litellm.types.router import AdaptiveRouterPreferences, RequestType

        self._bandit, self._classify = bandit, classifier.classify_prompt
        self._prompts = told.trace.prompts
        self._models = told.trace.models
        self._chance = Random(told.seed)
        ranked = sorted(range(len(self._models)), key=lambda at: told.priors[at])
        tiers = {at: 1 + 3 * place // len(ranked) for place, at in enumerate(ranked)}
        self._cells = {
            (kind, name): bandit.initial_cell(AdaptiveRouterPreferences(quality_tier=tiers[at], strengths=[]), kind)
            for at, name in enumerate(self._models)
            for kind in RequestType
        }
        self._costs = {
            name: (price_in + price_out) / 2000
            for name, (price_in, price_out) in zip(self._models, told.trace.prices, strict=True)
        }

    def choose(self, prompt: int) -> int:
        kind = self._classify(self._prompts[prompt])
        cells = {name: self._cells[kind, name] for name in self._models}
        return self._models.index(self._bandit.pick_best(cells, self._costs, rng=self._chance))

    def answered(self, prompt: int, model: int) -> None: ...

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None:
        del reward
        at = self._classify(self._prompts[prompt]), self._models[model]
        self._cells[at] = self._bandit.apply_delta(self._cells[at], score, 1.0 - score)


class MABWiserPlayer:
    """MABWiser's LinUCB on our features and the reward; every arm starts from one neutral observation."""

    def __init__(self, told: Told) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        self._features = _surfaces(told)
        arms = list(range(len(told.trace.models)))
        self._mab = MAB(arms, LearningPolicy.LinUCB(alpha=0.25), seed=told.seed)
        self._mab.fit(arms, [0.5] * len(arms), [self._features[0].tolist()] * len(arms))

    def choose(self, prompt: int) -> int:
        return int(self._mab.predict([self._features[prompt].tolist()]))

    def answered(self, prompt: int, model: int) -> None: ...

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None:
        del score
        self._mab.partial_fit([model], [reward], [self._features[prompt].tolist()])


class ParetoBanditPlayer:
    """ParetoBandit's router from a cold start (`priors="none"`, as it recommends for models of one's own).

    Its cost penalty is the protocol's: at its default of 0.3 it stays with the cheapest model.
    """

    def __init__(self, told: Told) -> None:
        from pareto_bandit import BanditRouter, FeatureService

        trace = told.trace
        self._tokens = trace.prompt_tokens
        # A one at the end is the bias that it looks for there.
        self._features = [np.append(values, 1.0) for values in _surfaces(told)]
        size = len(self._features[0])
        self._router = BanditRouter.create(
            {
                str(at): {
                    "input_cost_per_m": price_in,
                    "output_cost_per_m": price_out,
                    "initial_quality": prior,
                    "time_to_first_token_seconds": _SECONDS_TO_START,
                }
                for at, ((price_in, price_out), prior) in enumerate(zip(trace.prices, told.priors, strict=True))
            },
            priors="none",
            feature_service=FeatureService.for_precomputed(size),
            bandit_seed=told.seed,
            cost_penalty=COST_WEIGHT,
        )
        self._logs: dict[int, str] = {}

    def choose(self, prompt: int) -> int:
        model, log = self._router.route(self._features[prompt], input_tokens=self._tokens[prompt])
        self._logs[prompt] = log.request_id
        return int(model)

    def answered(self, prompt: int, model: int) -> None: ...

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None:
        del model, reward
        self._router.process_feedback(self._logs[prompt], score)


class OpenRoutiQPlayer:
    """OpenRoutiQ's router, which averages recent scores per model and task; the catalogue's quality is its start."""

    def __init__(self, told: Told) -> None:
        from openroutiq.router.core import Router

        self._trace = told.trace
        self._router = Router(
            [
                {
                    "id": str(at),
                    "provider": "openai",
                    "model": name,
                    "quality": {"general": 100.0 * prior},
                    "latency_ms": 1000.0 * _SECONDS_TO_START,
                    "input_price_per_million": price_in,
                    "output_price_per_million": price_out,
                    "max_context_tokens": 1_000_000,
                    "capabilities": ["text"],
                }
                for at, (name, (price_in, price_out), prior) in enumerate(
                    zip(told.trace.models, told.trace.prices, told.priors, strict=True)
                )
            ]
        )
        self._tasks: dict[int, str] = {}

    def choose(self, prompt: int) -> int:
        tokens = self._trace.prompt_tokens[prompt]
        decision = self._router.route(self._trace.prompts[prompt], input_tokens=tokens)
        self._tasks[prompt] = decision.task
        return int(decision.selected.id if hasattr(decision.selected, "id") else decision.to_dict()["selected"]["id"])

    def answered(self, prompt: int, model: int) -> None: ...

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None:
        del reward
        self._router.record_outcome(str(model), self._tasks[prompt], 100.0 * score)


PEERS: dict[str, tuple[str, Any]] = {
    "LiteLLM simple-shuffle": ("litellm", lambda told: LiteLLMRouterPlayer(told, "simple-shuffle")),
    "LiteLLM cost-based": ("litellm", lambda told: LiteLLMRouterPlayer(told, "cost-based-routing")),
    "LiteLLM latency-based": ("litellm", lambda told: LiteLLMRouterPlayer(told, "latency-based-routing")),
    "LiteLLM adaptive_router": ("litellm", LiteLLMAdaptivePlayer),
    "MABWiser LinUCB": ("mabwiser", MABWiserPlayer),
    "ParetoBandit": ("pareto_bandit", ParetoBanditPlayer),
    "OpenRoutiQ": ("openroutiq", OpenRoutiQPlayer),
}


def installed(name: str) -> bool:
    """Whether a peer's package is there."""
    return find_spec(PEERS[name][0]) is not None


def _surfaces(told: Told) -> list[Any]:
    from pointsman.features import surface

    return [np.array(surface(prompt)) for prompt in told.trace.prompts]
