"""How many tokens a model makes of what we count, learnt from usage: a factor per arm whose tokenizer is not known.

It learns from prompts that were counted anyway, because their bytes did not settle whether they fit; nothing is counted
for its sake. It only decides exclusion near the limit.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.eligibility.tokens import FOREIGN_FACTOR, PromptSize

LOWEST, HIGHEST = 0.5, 2.0
# Until so many prompts were seen, the factor is what foreign tokenizers are given anyway.
_LEAST = 5
# Older prompts count half when so many have come, so that what is asked today decides.
_HALVED_AT = 200.0
# Below so many tokens the ratio says more about chat templates than about the tokenizer.
_LEAST_TOKENS = 200
_MARGIN = 0.02
_DEVIATIONS = 2.0
_SUMS = ("n", "ratios", "squares", "changes")


class Calibration:
    """Sums of observed ratios per arm; each replica keeps its own, the newest of a replica counts.

    Attributes:
        factors: per arm, mean and two deviations, between 0.5 and 2; arms that are not known yet are absent.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._own: dict[str, dict[str, float]] = {}
        self._others: dict[str, dict[str, dict[str, float]]] = {}
        self._factors: dict[str, float] = {}
        self.factors: Mapping[str, float] = self._factors

    def learn(self, spec: ModelSpec, size: PromptSize, input_tokens: int) -> bool:
        """Take in what a provider counted; whether it taught anything."""
        counted = size.counted
        if counted is None or size.known or size.has_media or counted < _LEAST_TOKENS or input_tokens <= 0:
            return False
        ratio = min(max(input_tokens / counted, LOWEST), HIGHEST)
        with self._lock:
            row = self._own.setdefault(spec.arm, dict.fromkeys(_SUMS, 0.0))
            if row["n"] >= _HALVED_AT:
                for name in ("n", "ratios", "squares"):
                    row[name] /= 2
            row["n"] += 1
            row["ratios"] += ratio
            row["squares"] += ratio * ratio
            row["changes"] += 1
            self._derive(spec.arm)
        return True

    def state(self) -> dict[str, dict[str, Any]]:
        """This replica's sums per arm."""
        with self._lock:
            return {arm: dict(row) for arm, row in self._own.items()}

    def merge(self, replica: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in another replica's sums; rows that cannot be read are left out."""
        with self._lock:
            for arm, given in rows.items():
                row = _read(given)
                others = self._others.setdefault(arm, {})
                if row is not None and row["changes"] > others.get(replica, {"changes": 0.0})["changes"]:
                    others[replica] = row
                    self._derive(arm)

    def reset(self) -> None:
        """Forget all sums."""
        with self._lock:
            self._own.clear()
            self._others.clear()
            self._factors.clear()

    def _derive(self, arm: str) -> None:
        rows = [*self._others.get(arm, {}).values(), *([self._own[arm]] if arm in self._own else [])]
        n, ratios, squares = (sum(row[name] for row in rows) for name in ("n", "ratios", "squares"))
        if n < _LEAST:
            self._factors.pop(arm, None)
            return
        mean = ratios / n
        deviation = math.sqrt(max(squares / n - mean * mean, 0.0))
        self._factors[arm] = min(max(mean + _DEVIATIONS * deviation + _MARGIN, LOWEST), HIGHEST)


def factor_for(spec: ModelSpec, factors: Mapping[str, float]) -> float:
    """What our count is multiplied by for a model."""
    return factors.get(spec.arm, FOREIGN_FACTOR)


def _read(row: Any) -> dict[str, float] | None:
    try:
        values = {name: float(row[name]) for name in _SUMS}
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    lawful = all(math.isfinite(value) and value >= 0 for value in values.values())
    return values if lawful and LOWEST * values["n"] <= values["ratios"] <= HIGHEST * values["n"] else None
