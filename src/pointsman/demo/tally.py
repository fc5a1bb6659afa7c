"""What happened so far: answers, scores, money and time per model; requests per door; what was lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointsman.demo.door import Answer
    from pointsman.registry.models import ModelRegistry


@dataclass(slots=True)
class Line:
    """The account of one model."""

    answers: int = 0
    right: float = 0.0
    cost: float = 0.0
    seconds: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float | None:
        """Median seconds that callers waited, failed attempts before it included."""
        return median(self.seconds) if self.seconds else None


class Tally:
    """All accounts.

    Args:
        registry: the models and their prices.
        total: how many requests there will be.
    """

    def __init__(self, registry: ModelRegistry, total: int) -> None:
        self.registry = registry
        self.total = total
        self.lines: dict[str, Line] = {spec.key: Line() for spec in registry.get_available_models()}
        self.doors: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.unpriced = 0
        self.dearest = self._dearest()
        self.cost_of_dearest = 0.0

    def answered(self, door: str, answer: Answer, *, score: float, seconds: float) -> None:
        """An answer came."""
        self.doors[door] += 1
        line = self.lines.setdefault(answer.model, Line())
        line.answers += 1
        line.right += score
        line.seconds.append(seconds)
        cost = self._cost(answer.model, answer)
        if cost is None:
            self.unpriced += 1
        else:
            line.cost += cost
            self.cost_of_dearest += (self._cost(self.dearest, answer) if self.dearest else None) or 0.0

    def failed(self, door: str) -> None:
        """No answer came."""
        self.doors[door] += 1
        self.lost[door] += 1

    @property
    def done(self) -> int:
        """Requests that are over."""
        return sum(self.doors.values())

    @property
    def requests_lost(self) -> int:
        """Requests without an answer, over all doors."""
        return sum(self.lost.values())

    @property
    def answers(self) -> int:
        """Requests with an answer."""
        return self.done - self.requests_lost

    @property
    def right(self) -> float:
        """Answers that were right."""
        return sum(line.right for line in self.lines.values())

    @property
    def cost(self) -> float:
        """USD spent, as far as prices are known."""
        return sum(line.cost for line in self.lines.values())

    @property
    def saved(self) -> float | None:
        """Share of money saved against sending the same tokens to the dearest model; None where nothing was priced."""
        return 1 - self.cost / self.cost_of_dearest if self.cost_of_dearest else None

    def share(self, model: str) -> float:
        """Share of all answers that a model gave."""
        return self.lines[model].answers / self.answers if self.answers else 0.0

    def most_used(self) -> str:
        """The model that has answered most."""
        return max(self.lines, key=lambda key: self.lines[key].answers)

    def _cost(self, model: str, answer: Answer) -> float | None:
        if self.registry.find_model(model) is None:
            return None
        return self.registry.request_cost(model, answer.input_tokens, answer.output_tokens).total

    def _dearest(self) -> str | None:
        """The model with the highest price of input and output together."""
        priced = {
            spec.key: spec.cost_per_1m_input_tokens + spec.cost_per_1m_output_tokens
            for spec in self.registry.get_available_models()
            if spec.cost_per_1m_input_tokens is not None and spec.cost_per_1m_output_tokens is not None
        }
        return max(priced, key=lambda key: priced[key]) if priced else None
