"""What a call costs in USD: parts, total, and what is not known said as unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointsman.catalog.spec import ModelSpec

TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """USD of one call; a part whose price is not known is None and named in `unknown`, and so is the total."""

    input: float | None
    output: float | None
    unknown: tuple[str, ...] = ()

    @property
    def total(self) -> float | None:
        """The sum, or None while a part is unknown."""
        if self.input is None or self.output is None:
            return None
        return self.input + self.output

    def __str__(self) -> str:
        total = self.total
        if total is None:
            return f"unknown ({', '.join(self.unknown)})"
        return f"${total:.6f}"


def call_cost(
    spec: ModelSpec, input_tokens: int, output_tokens: int, *, cached_input_tokens: int = 0, batch: bool = False
) -> Cost:
    """Price a call of known size; cached input and batch use their own prices where the model has them."""
    input_price, output_price = spec.cost_per_1m_input_tokens, spec.cost_per_1m_output_tokens
    if spec.long_context_threshold is not None and input_tokens > spec.long_context_threshold:
        input_price = first_known(spec.long_context_cost_per_1m_input_tokens, input_price)
        output_price = first_known(spec.long_context_cost_per_1m_output_tokens, output_price)
    if batch:
        input_price = first_known(spec.batch_cost_per_1m_input_tokens, input_price)
        output_price = first_known(spec.batch_cost_per_1m_output_tokens, output_price)
    unknown = []
    cost_in = cost_out = None
    if input_price is not None:
        cost_in = max(input_tokens - cached_input_tokens, 0) * input_price / TOKENS_PER_PRICE
        if cached_input_tokens:
            cached_price = first_known(spec.cached_cost_per_1m_input_tokens, input_price)
            cost_in += cached_input_tokens * (cached_price or 0.0) / TOKENS_PER_PRICE
    elif input_tokens:
        unknown.append("input price")
    else:
        cost_in = 0.0
    if output_price is not None:
        cost_out = output_tokens * output_price / TOKENS_PER_PRICE
    elif output_tokens:
        unknown.append("output price")
    else:
        cost_out = 0.0
    return Cost(cost_in, cost_out, tuple(unknown))


def first_known(*prices: float | None) -> float | None:
    """The first that is not unknown."""
    return next((price for price in prices if price is not None), None)
