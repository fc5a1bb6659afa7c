"""Policies on a trace: one prompt at a time, each sees only the answer it chose, and all are held against hindsight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import numpy as np

from pointsman.errors import ConfigError
from pointsman.html import table
from pointsman.learning.rewards import scalar_reward
from pointsman.policies.base import Context, Lesson, Policy
from pointsman.policies.names import make_policy
from pointsman.registry.models import ModelRegistry
from pointsman.replay.estimators import Vector
from pointsman.replay.evaluation import Given, name_of
from pointsman.replay.fronts import Point, aiq
from pointsman.replay.results import text_table
from pointsman.replay.targets import learns
from pointsman.replay.traces import Trace, specs_of
from pointsman.types import Request

COST_WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
COLUMNS = ("policy", "of best model", "of oracle", "regret", "score", "cost", "AIQ", "overspend")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a policy got on a trace, as a mean over seeds. A reward is a score less its cost's weight.

    Attributes:
        policy: its name.
        rewards: cumulative reward after each prompt.
        regret: how much the best single model was ahead after each prompt.
        of_best: reward as a share of the best single model's in hindsight.
        of_oracle: as a share of the best answer's to each prompt.
        score: mean score.
        cost: mean USD per prompt.
        aiq: area below its cost-quality front; None where it has no `cost_weight` to vary, or it was not asked for.
        points: (cost, score) of that front, a point per weight.
        overspend: spend beyond the budget, as a share of it; None without a budget.
    """

    policy: str
    rewards: Vector
    regret: Vector
    of_best: float
    of_oracle: float
    score: float
    cost: float
    aiq: float | None = None
    points: tuple[Point, ...] = ()
    overspend: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """A line of a table, as `COLUMNS` names them."""
        return (
            self.policy,
            f"{self.of_best:.1%}",
            f"{self.of_oracle:.1%}",
            f"{self.regret[-1]:.1f}",
            f"{self.score:.3f}",
            f"${self.cost:.3g}",
            "-" if self.aiq is None else f"{self.aiq:.3f}",
            "-" if self.overspend is None else f"{self.overspend:+.1%}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Policies side by side on one trace.

    Attributes:
        trace: its name.
        prompts: how many.
        seeds: how many orders of them.
        cost_weight: how much score the mean cost of the dearest model is worth.
        best_model: the single model that got most.
        runs: of the policies.
        singles: (cost, score) of every single model, by name.
        aiq_of_singles: area below the front of the single models: what mixing them by chance reaches.
    """

    trace: str
    prompts: int
    seeds: int
    cost_weight: float
    best_model: str
    runs: tuple[Run, ...]
    singles: Mapping[str, Point]
    aiq_of_singles: float

    def __getitem__(self, policy: str) -> Run:
        """A policy's run by its name."""
        for each in self.runs:
            if each.policy == policy:
                return each
        raise KeyError(policy)

    @property
    def title(self) -> str:
        """What was replayed, in a sentence."""
        return (
            f"{self.trace}: {self.prompts} prompts, {len(self.singles)} models, {self.seeds} "
            f"{'orders' if self.seeds > 1 else 'order'}; the best single model is {self.best_model}; "
            f"AIQ of single models {self.aiq_of_singles:.3f}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything but the curves, as JSON values."""
        runs = [{key: value for key, value in asdict(each).items() if key != "rewards"} for each in self.runs]
        for run in runs:
            run["regret"] = float(run["regret"][-1])
        return {
            "trace": self.trace,
            "prompts": self.prompts,
            "models": len(self.singles),
            "seeds": self.seeds,
            "cost_weight": self.cost_weight,
            "best_model": self.best_model,
            "aiq_of_singles": self.aiq_of_singles,
            "runs": runs,
        }

    @property
    def text(self) -> str:
        """The table."""
        return "\n".join([self.title, *text_table(COLUMNS, [each.cells for each in self.runs])])

    def __repr__(self) -> str:
        """Short: curves have a number per prompt."""
        return f"Runs({self.trace!r}, policies={[each.policy for each in self.runs]})"

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        """The table, for notebooks."""
        return table(self.trace, COLUMNS, [each.cells for each in self.runs], self.title)


def run(
    trace: Trace,
    policies: Iterable[Given | type[Policy]],
    *,
    seeds: int | Sequence[int] = 3,
    cost_weight: float = 0.1,
    scored: float = 1.0,
    late: int = 0,
    budget: float | None = None,
    fronts: bool = False,
) -> Runs:
    """Let policies choose for every prompt of a trace, told of the chosen model's answer alone.

    Args:
        trace: what every model answered.
        policies: names, mappings with options, classes or objects; an object's `reset` is called before each order.
        seeds: how many orders of the prompts, or the seeds of the orders.
        cost_weight: the score that the mean cost of the dearest model is worth in the reward.
        scored: share of answers whose score is told.
        late: requests until a score is told.
        budget: USD per request, against which overspend is reported; the policy is told by its own options.
        fronts: also run each policy that has a `cost_weight` at several, for its front and AIQ.

    Raises:
        ConfigError: E4006, if there is no such policy, or it is an object that learns and cannot be reset.
    """
    stage = _Stage(trace, cost_weight, scored, late)
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    found = []
    for given in policies:
        make = _maker(given, len(chosen))
        one = stage.play(make, chosen)
        points: tuple[Point, ...] = ()
        if fronts and isinstance(given, str | Mapping) and hasattr(make(), "cost_weight"):
            points = tuple(stage.front_of({"name": given} if isinstance(given, str) else given, chosen[0]))
        found.append(
            Run(
                policy=name_of(given),
                rewards=one.rewards,
                regret=one.regret,
                of_best=float(one.rewards[-1] / stage.rewards[:, stage.best].sum()),
                of_oracle=float(one.rewards[-1] / stage.rewards.max(axis=1).sum()),
                score=one.score,
                cost=one.cost,
                aiq=aiq(points, *stage.costs_between) if points else None,
                points=points,
                overspend=None if budget is None else one.cost / budget - 1.0,
            )
        )
    return Runs(
        trace=trace.name,
        prompts=len(trace.prompts),
        seeds=len(chosen),
        cost_weight=cost_weight,
        best_model=trace.models[stage.best],
        runs=tuple(found),
        singles=stage.singles,
        aiq_of_singles=aiq(stage.singles.values(), *stage.costs_between),
    )


@dataclass(frozen=True, slots=True)
class _Played:
    rewards: Vector
    regret: Vector
    score: float
    cost: float


class _Stage:
    """A trace and its rewards; the same for every policy."""

    def __init__(self, trace: Trace, cost_weight: float, scored: float, late: int) -> None:
        self._trace = trace
        self._scored = scored
        self._late = late
        means = trace.costs.mean(axis=0)
        scale = float(means.max()) or 1.0
        self.rewards: Vector = trace.scores - cost_weight * np.minimum(trace.costs / scale, 1.0)
        self.best = int(self.rewards.sum(axis=0).argmax())
        self.singles: dict[str, Point] = {
            name: (float(cost), float(score))
            for name, cost, score in zip(trace.models, means, trace.scores.mean(axis=0), strict=True)
        }
        self.costs_between = float(means.min()), float(means.max())
        self._registry = ModelRegistry(specs_of(trace))

    def front_of(self, options: Mapping[str, Any], seed: int) -> Iterator[Point]:
        """Cost and score of a policy at several weights of cost."""
        for weight in COST_WEIGHTS:
            one = self.play(_maker({**options, "cost_weight": weight}, 1), [seed])
            yield one.cost, one.score

    def play(self, make: Callable[[], Policy], seeds: Sequence[int]) -> _Played:
        """Let a policy choose in every order."""
        size = len(self._trace.prompts)
        rewards, regret = np.zeros(size), np.zeros(size)
        score = cost = 0.0
        for seed in seeds:
            order = np.random.default_rng(seed).permutation(size)
            chosen = np.array(list(self._choose(make(), order.tolist(), seed)))
            got = self.rewards[order, chosen]
            rewards += got.cumsum() / len(seeds)
            regret += (self.rewards[order, self.best] - got).cumsum() / len(seeds)
            score += float(self._trace.scores[order, chosen].mean()) / len(seeds)
            cost += float(self._trace.costs[order, chosen].mean()) / len(seeds)
        return _Played(rewards, regret, score, cost)

    def _choose(self, policy: Policy, order: Sequence[int], seed: int) -> Iterator[int]:
        """The policy's choices, driven as the router drives it: an outcome at once, its score when it comes."""
        # What is told has a chance of its own, so that it does not move the draws.
        trace, chance, telling = self._trace, Random(seed), Random(f"told {seed}")
        arms = self._registry.snapshot.arms(self._registry.snapshot.live)
        waiting: deque[Lesson] = deque()
        for prompt in order:
            context = Context(Request(messages=trace.prompts[prompt]), trace.prompt_tokens[prompt])
            context.output_tokens = int(trace.output_tokens.mean())
            model = chance.choices(range(len(arms)), policy.probabilities(arms, context))[0]
            spec, cost = arms[model], float(trace.costs[prompt, model])
            policy.learn(
                Lesson(
                    arm=spec.arm,
                    key=spec.key,
                    decision_id=str(prompt),
                    ok=True,
                    reward=scalar_reward(seconds=None, cost=cost),
                    cost=cost,
                    input_tokens=trace.prompt_tokens[prompt],
                    output_tokens=int(trace.output_tokens[prompt, model]),
                    request=context.request,
                    memo=context.memo,
                )
            )
            waiting.append(
                Lesson(
                    arm=spec.arm,
                    key=spec.key,
                    decision_id=str(prompt),
                    ok=True,
                    quality=float(trace.scores[prompt, model]),
                    memo=context.memo,
                    counted=True,
                )
            )
            if len(waiting) > self._late:
                lesson = waiting.popleft()
                if telling.random() < self._scored:
                    policy.learn(lesson)
            yield model


def _maker(given: Given | type[Policy], orders: int) -> Callable[[], Policy]:
    """What gives a policy that knows nothing yet, once per order."""
    if isinstance(given, str | Mapping):
        return lambda: make_policy(given)
    if isinstance(given, type):
        return lambda: make_policy(given())
    policy = make_policy(given)
    reset = getattr(policy, "reset", None)
    if reset is None and learns(policy) and orders > 1:
        raise ConfigError(
            f"{type(given).__name__} would keep what it learnt from one order to the next",
            hint="give its class, or a method `reset`",
        )

    def fresh() -> Policy:
        if reset is not None:
            reset()
        return policy

    return fresh
