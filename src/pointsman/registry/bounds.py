"""Numbers over all models, sorted, so that a limit is a bitmask: who has at least, or at most, so much."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable

from pointsman.catalog.spec import ModelSpec

BOUNDS: dict[str, Callable[[ModelSpec], float | None]] = {
    "context_window": lambda spec: spec.context_window,
    "max_input_tokens": lambda spec: spec.max_input_tokens,
    "max_output_tokens": lambda spec: spec.max_output_tokens,
    "size_billions": lambda spec: spec.size_billions,
    "tokens_per_second": lambda spec: spec.tokens_per_second,
    "latency_p50": lambda spec: spec.latency_p50,
    "input_price": lambda spec: spec.cost_per_1m_input_tokens,
    "output_price": lambda spec: spec.cost_per_1m_output_tokens,
    "quality": lambda spec: spec.mean_quality,
    "deprecation_day": lambda spec: None if spec.deprecation_date is None else spec.deprecation_date.toordinal(),
    "sunset_day": lambda spec: None if spec.sunset_date is None else spec.sunset_date.toordinal(),
}


class Bound:
    """One number over all models, sorted: which models have at least, or at most, a value."""

    __slots__ = ("_at_least", "_values", "known")

    def __init__(self, pairs: Iterable[tuple[float, int]]) -> None:
        by_value: dict[float, int] = {}
        for value, bit in pairs:
            by_value[value] = by_value.get(value, 0) | (1 << bit)
        self._values = sorted(by_value)
        masks = [0] * (len(self._values) + 1)
        for position in range(len(self._values) - 1, -1, -1):
            masks[position] = masks[position + 1] | by_value[self._values[position]]
        self._at_least = masks
        self.known = masks[0]

    def at_least(self, value: float) -> int:
        """Models known to have `value` or more."""
        return self._at_least[bisect_left(self._values, value)]

    def at_most(self, value: float) -> int:
        """Models known to have `value` or less."""
        return self.known & ~self._at_least[bisect_right(self._values, value)]

    @property
    def largest(self) -> float | None:
        """The largest known value."""
        return self._values[-1] if self._values else None
