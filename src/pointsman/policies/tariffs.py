"""Who is cheapest among many models, from the few price lists that can be cheapest for some call."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable

from pointsman.catalog.prices import TOKENS_PER_PRICE, first_known
from pointsman.catalog.spec import ModelSpec
from pointsman.policies.base import Context, flat_prices
from pointsman.policies.shares import mask_of
from pointsman.registry.arms import Arms

_Pair = tuple[float, float]
# USD from the tokens of a call and a pair of prices; the same arithmetic, rounding included, as for one model alone.
_Reckon = Callable[[int, int, float, float], float]


class Tariffs:
    """The price lists of a set of models, and for each who has it."""

    __slots__ = ("_above", "_below", "_flat", "_odd")

    def __init__(self, arms: Arms) -> None:
        flat: dict[_Pair, list[int]] = {}
        below: dict[int, dict[_Pair, list[int]]] = {}
        above: dict[int, dict[_Pair, list[int]]] = {}
        odd: dict[tuple[float | None, ...], list[int]] = {}
        for at, spec in enumerate(arms):
            pair = flat_prices(spec)
            if pair is not None:
                flat.setdefault(pair, []).append(at)
                continue
            low, high, limit = *_stepped(spec), spec.long_context_threshold
            if None in low or limit is None:
                odd.setdefault((*low, *high, limit), []).append(at)
            else:
                below.setdefault(limit, {}).setdefault(low, []).append(at)  # type: ignore[arg-type]
                above.setdefault(limit, {}).setdefault(high, []).append(at)  # type: ignore[arg-type]
        size = len(arms)
        self._flat = _Layers(flat, size)
        self._below = {limit: _Layers(pairs, size) for limit, pairs in below.items()}
        self._above = {limit: _Layers(pairs, size) for limit, pairs in above.items()}
        self._odd = [(arms[found[0]], mask_of(found, size)) for found in odd.values()]

    def cheapest(self, context: Context) -> int:
        """The mask of those whose expected cost is the least; models of unknown cost only if there are no others."""
        tokens_in, tokens_out = context.input_tokens, context.output_tokens
        found = [self._flat.least(tokens_in, tokens_out, _per_token)]
        for limit, below in self._below.items():
            layers = self._above[limit] if tokens_in > limit else below
            found.append(layers.least(tokens_in, tokens_out, _per_million))
        for spec, mask in self._odd:
            cost = context.expected_cost(spec)
            found.append((math.inf if cost is None else cost, mask))
        least = min(cost for cost, _ in found)
        everybody = 0
        for cost, mask in found:
            if cost == least:
                everybody |= mask
        return everybody


class _Layers:
    """Pairs of prices in layers: each pair is in both prices no less than some pair of the layer before.

    So the first layer has the least cost whatever the call, and who shares it stands there or in the layers next to it.
    """

    __slots__ = ("_layers",)

    def __init__(self, pairs: dict[_Pair, list[int]], size: int) -> None:
        layers: list[list[tuple[float, float, int]]] = []
        lowest: list[float] = []  # the output price of the pair that each layer took last, which is its lowest
        for pair in sorted(pairs):
            number = bisect_right(lowest, pair[1])
            if number == len(layers):
                layers.append([])
                lowest.append(0.0)
            lowest[number] = pair[1]
            layers[number].append((*pair, mask_of(pairs[pair], size)))
        self._layers = layers

    def least(self, tokens_in: int, tokens_out: int, reckon: _Reckon) -> tuple[float, int]:
        """The least cost, and who has it."""
        least, everybody = math.inf, 0
        for layer in self._layers:
            shared = False
            for price_in, price_out, mask in layer:
                cost = reckon(tokens_in, tokens_out, price_in, price_out)
                if cost < least:
                    least, everybody, shared = cost, mask, True
                elif cost == least:
                    everybody |= mask
                    shared = True
            if not shared:
                break
        return least, everybody


def _stepped(spec: ModelSpec) -> Iterable[tuple[float | None, float | None]]:
    """USD per million input and output tokens, of prompts up to the threshold and beyond it."""
    price_in, price_out = spec.cost_per_1m_input_tokens, spec.cost_per_1m_output_tokens
    long_in = first_known(spec.long_context_cost_per_1m_input_tokens, price_in)
    return (price_in, price_out), (long_in, first_known(spec.long_context_cost_per_1m_output_tokens, price_out))


def _per_token(tokens_in: int, tokens_out: int, price_in: float, price_out: float) -> float:
    return price_in * tokens_in + price_out * tokens_out


def _per_million(tokens_in: int, tokens_out: int, price_in: float, price_out: float) -> float:
    return tokens_in * price_in / TOKENS_PER_PRICE + tokens_out * price_out / TOKENS_PER_PRICE
