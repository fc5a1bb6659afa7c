"""The policies that are compared: this package's, and what people use."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from pointsman import ModelRegistry, Request
from pointsman.policies import Context, Lesson, make_policy
from pointsman.replay.traces import specs_of
from protocol.peers import PEERS, installed
from protocol.scenarios import Told


class PolicyPlayer:
    """A policy of this package, driven as the router drives it."""

    def __init__(self, told: Told, policy: str, *, on_reward: bool = False, **options: Any) -> None:
        trace = told.trace
        registry = ModelRegistry(specs_of(replace(trace, priors=told.priors)))
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


def players() -> dict[str, Any]:
    """Every player by its name in the table, each called with what it is told; None where its package is missing."""

    def ucb(exploration: float) -> Any:
        return lambda told: PolicyPlayer(told, "ucb", on_reward=True, exploration=exploration)

    peers = {name: make if installed(name) else None for name, (_, make) in PEERS.items()}
    return {
        "random": RandomPlayer,
        "UCB1, factor 2.0": ucb(2.0),
        "ucb": ucb(0.25),
        "thompson": lambda told: PolicyPlayer(told, "thompson", on_reward=True),
        "best": lambda told: PolicyPlayer(told, "best"),
        **peers,
        "adaptive": lambda told: PolicyPlayer(told, "adaptive"),
    }
