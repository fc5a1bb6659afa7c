"""What a policy is: `probabilities` over the eligible models, `learn` from one outcome. Your own needs no more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pointsman.catalog.prices import TOKENS_PER_PRICE, call_cost
from pointsman.catalog.spec import ModelSpec
from pointsman.registry.arms import Arms
from pointsman.types import Request


@dataclass(slots=True)
class Context:
    """What a policy may know of the request besides who is eligible.

    Attributes:
        request: the request itself.
        input_tokens: the prompt's size, an estimate unless it was counted or given.
        output_tokens: the room kept for the answer.
        pending: calls under way per arm (`ModelSpec.arm`), whose outcome is not known yet.
        mean_seconds: measured mean latency per key, where there is one.
        scores: a policy may leave here the numbers that its distribution came from, higher is better; they order the
            fallbacks and are shown in the decision.
        override: a policy may say here what bent its distribution, such as `nursery`.
        memo: a policy may leave here what it will want to know when the decision's outcome teaches it, as JSON; the
            ledger keeps it, so it must not hold the prompt.
    """

    request: Request
    input_tokens: int = 0
    output_tokens: int = 0
    pending: Mapping[str, int] = field(default_factory=dict)
    mean_seconds: Mapping[str, float] = field(default_factory=dict)
    scores: Sequence[float] | None = None
    override: str | None = None
    memo: Any = None

    def expected_cost(self, spec: ModelSpec) -> float | None:
        """USD for a call of this size, or None where the price is not known."""
        return call_cost(spec, self.input_tokens, self.output_tokens).total

    def expected_costs(self, arms: Arms) -> list[float | None]:
        """`expected_cost` of every arm; prices are gathered once per set of models."""
        prices = arms.memo.get("prices")
        if prices is None:
            prices = arms.memo["prices"] = [flat_prices(spec) for spec in arms]
        tokens_in, tokens_out = self.input_tokens, self.output_tokens
        return [
            each[0] * tokens_in + each[1] * tokens_out if each is not None else self.expected_cost(arms[at])
            for at, each in enumerate(prices)
        ]


def flat_prices(spec: ModelSpec) -> tuple[float, float] | None:
    """USD per input and output token, where no threshold changes them and both are known."""
    price_in, price_out = spec.cost_per_1m_input_tokens, spec.cost_per_1m_output_tokens
    if price_in is None or price_out is None or spec.long_context_threshold is not None:
        return None
    return price_in / TOKENS_PER_PRICE, price_out / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One outcome, as policies see it.

    Attributes:
        arm: what is learnt about (`ModelSpec.arm`).
        key: the deployment that served.
        decision_id: the decision it belongs to.
        ok: whether an answer came.
        reward: scalar in 0 to 1 from success, latency and cost; None when the outcome teaches nothing.
        quality: score in 0 to 1 where somebody judged the answer.
        cost: USD, where it is known.
        input_tokens: as the provider counted them, where known; likewise `output_tokens`.
        seconds: latency, where it is known.
        probability: with which the arm was drawn.
        request: what was asked; known with an outcome, not with a score that comes later (see `memo`).
        memo: what the policy left in `Context.memo` when it chose.
        counted: whether this call is in the sums already, because its outcome came before its score or its score
            before its outcome; then only what is new counts.
        weight: how much the score counts against one that a person gave; checks count less.
        revised: the score and its weight that this score takes the place of, where the decision was scored before by
            something that knows less.
    """

    arm: str
    key: str
    decision_id: str
    ok: bool
    reward: float | None = None
    quality: float | None = None
    cost: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    probability: float = 1.0
    request: Request | None = None
    memo: Any = None
    counted: bool = False
    weight: float = 1.0
    revised: tuple[float, float] | None = None


@runtime_checkable
class Policy(Protocol):
    """Spreads probability over eligible models; knows nothing of health, prices' origin or HTTP."""

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """One number per arm, same order, not negative, summing to 1."""
        ...

    def learn(self, lesson: Lesson) -> None:
        """Take in one outcome; policies that do not learn ignore it."""
        ...


class BasePolicy(ABC):
    """What the policies here share: a name, and learning nothing.

    Attributes:
        name: what decisions carry.
        counts_pulls: whether a decision counts in `Context.pending` from the moment it is made; for policies that would
            send concurrent requests to the same arm otherwise. Choosing is then one at a time.
    """

    name: str = "policy"
    counts_pulls: bool = False

    @abstractmethod
    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """One number per arm, same order, not negative, summing to 1."""

    def learn(self, lesson: Lesson) -> None:
        """Take in one outcome; here: nothing."""
        del lesson


class LearningPolicy(BasePolicy):
    """A policy with state: sums per arm, which merge over replicas because each replica keeps its own."""

    @abstractmethod
    def state(self) -> dict[str, dict[str, Any]]:
        """This replica's sums per arm, as JSON values; each has a count `changes` that only grows until `reset`."""

    @abstractmethod
    def merge(self, replica: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in another replica's sums; for the same replica and arm the newest count wins."""

    @abstractmethod
    def statistics(self) -> dict[str, dict[str, float]]:
        """Per arm what was counted, for people."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything learnt."""


def one_hot(size: int, winners: Iterable[int]) -> list[float]:
    """Probability shared evenly by the winners."""
    winners = list(winners)
    result = [0.0] * size
    for winner in winners:
        result[winner] = 1.0 / len(winners)
    return result
