"""The policies that are compared: this package's, and what people use."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from pointsman import ModelRegistry, ModelSpec, Request
from pointsman.policies import Context, Lesson, make_policy
from protocol.scenarios import Player, Told


class PolicyPlayer:
    """A policy of this package, driven as the router drives it."""

    def __init__(self, told: Told, policy: str, *, on_reward: bool = False, **options: Any) -> None:
        trace = told.trace
        registry = ModelRegistry()
        for name, (price_in, price_out), prior in zip(trace.models, trace.prices, told.priors, strict=True):
            registry.register_model(
                ModelSpec(
                    name=name,
                    provider="trace",
                    capabilities=("generation.text.chat",),
                    cost_per_1m_input_tokens=price_in,
                    cost_per_1m_output_tokens=price_out,
                    quality={"general": prior},
                )
            )
        if told.budget is not None:
            options["budget_per_request"] = told.budget
        self.policy: Any = make_policy({"name": policy, **options})
        self._trace = trace
        self._arms = registry.snapshot.arms(registry.snapshot.live)
        self._chance = Random(told.seed)
        self._memos: dict[int, Any] = {}
        self._on_reward = on_reward

    def choose(self, prompt: int) -> int:
        context = Context(
            request=Request(messages=self._trace.prompts[prompt]), input_tokens=self._trace.prompt_tokens[prompt]
        )
        shares = self.policy.probabilities(self._arms, context)
        self._memos[prompt] = context.memo
        return self._chance.choices(range(len(shares)), shares)[0]

    def answered(self, prompt: int, model: int) -> None:
        if not self._on_reward:
            self.policy.learn(self._lesson(prompt, model, cost=float(self._trace.costs[prompt, model])))

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None:
        if self._on_reward:
            self.policy.learn(self._lesson(prompt, model, reward=max(reward, 0.0)))
        else:
            self.policy.learn(self._lesson(prompt, model, quality=score, counted=True))

    def _lesson(self, prompt: int, model: int, *, reward: float = 1.0, **facts: Any) -> Lesson:
        spec = self._arms[model]
        return Lesson(
            arm=spec.arm,
            key=spec.key,
            decision_id=str(prompt),
            ok=True,
            reward=reward,
            input_tokens=self._trace.prompt_tokens[prompt],
            output_tokens=int(self._trace.output_tokens[prompt, model]),
            memo=self._memos[prompt],
            **facts,
        )


class RandomPlayer:
    """Any model, each time."""

    def __init__(self, told: Told) -> None:
        self._chance = Random(told.seed)
        self._size = len(told.trace.models)

    def choose(self, prompt: int) -> int:
        del prompt
        return self._chance.randrange(self._size)

    def answered(self, prompt: int, model: int) -> None: ...

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
    """MABWiser's LinTS on the same features and rewards; only where the package is installed."""

    def __init__(self, told: Told) -> None:
        from mabwiser.mab import MAB, LearningPolicy

        from pointsman.features import surface

        self._features = [surface(prompt) for prompt in told.trace.prompts]
        arms = list(range(len(told.trace.models)))
        self._mab = MAB(arms, LearningPolicy.LinTS(alpha=0.25), seed=told.seed)
        half = len(arms) // 2
        # It must be fitted before it predicts; every arm starts at the same neutral reward.
        self._mab.fit(arms, [0.5] * len(arms), [self._features[0]] * len(arms))
        del half

    def choose(self, prompt: int) -> int:
        return int(self._mab.predict([self._features[prompt]]))

    def answered(self, prompt: int, model: int) -> None: ...

    def scored(self, prompt: int, model: int, score: float, reward: float) -> None:
        del score
        self._mab.partial_fit([model], [reward], [self._features[prompt]])


def players() -> dict[str, Any]:
    """Every player there is here, by the name in the table; each is called with what it is told."""

    def ucb(exploration: float) -> Any:
        return lambda told: PolicyPlayer(told, "ucb", on_reward=True, exploration=exploration)

    found: dict[str, Any] = {
        "random": RandomPlayer,
        "UCB1, factor 2.0": ucb(2.0),
        "UCB, factor 0.25": ucb(0.25),
    }
    peers = (
        ("LiteLLM adaptive router", "litellm.router_strategy.adaptive_router", LiteLLMAdaptivePlayer),
        ("MABWiser LinTS", "mabwiser", MABWiserPlayer),
    )
    found |= {name: player for name, module, player in peers if _is_installed(module)}
    return {**found, "adaptive": lambda told: PolicyPlayer(told, "adaptive")}


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module.split(".", maxsplit=1)[0]) is not None


__all__ = ["Player", "PolicyPlayer", "math", "players"]
