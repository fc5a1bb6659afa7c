"""`best`: the highest quality that the catalogue states, in the fields of expertise asked for where it has them."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.policies.base import BasePolicy, Context, one_hot
from pointsman.policies.shares import FEW, Even, mask_of
from pointsman.registry.arms import Arms

_FIELDS_KEPT = 64


class BestPolicy(BasePolicy):
    """Take the model with the best stated quality; ties are shared, models of unknown quality come last."""

    name = "best"

    def probabilities(self, arms: Arms, context: Context) -> Sequence[float]:
        """All to the best; evenly among equals."""
        rated: _Rated | None = arms.memo.get("best")
        if rated is None:
            rated = arms.memo["best"] = _Rated(arms)
        shares, context.scores = rated.in_fields(context.request.expertise)
        return shares


class _Rated:
    """Who is best in which fields, prepared once per set of models."""

    __slots__ = ("_arms", "_by_fields", "_stated")

    def __init__(self, arms: Arms) -> None:
        self._arms = arms.specs
        self._stated = frozenset().union(*(spec.quality for spec in arms))
        self._by_fields: dict[tuple[str, ...], tuple[Sequence[float], Sequence[float]]] = {}

    def in_fields(self, fields: Sequence[str]) -> tuple[Sequence[float], Sequence[float]]:
        """Shares, and the qualities that they come from."""
        # Fields that no model states a quality for make no difference; so callers cannot fill the memory with them.
        known = tuple(sorted(self._stated.intersection(fields))) if fields else ()
        found = self._by_fields.get(known)
        if found is None:
            if len(self._by_fields) >= _FIELDS_KEPT:
                self._by_fields.pop(next(iter(self._by_fields)), None)
            found = self._by_fields[known] = self._prepare(known)
        return found

    def _prepare(self, fields: tuple[str, ...]) -> tuple[Sequence[float], Sequence[float]]:
        each = [spec.quality_for(fields) for spec in self._arms]
        qualities = tuple(-1.0 if quality is None else quality for quality in each)
        most, size = max(qualities), len(qualities)
        best = [at for at, quality in enumerate(qualities) if quality == most]
        return (tuple(one_hot(size, best)) if size <= FEW else Even(size, mask_of(best, size))), qualities
