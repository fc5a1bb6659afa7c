"""What `adaptive` prepares once per set of models: priors, prices, and who gets a nursery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.policies.evidence import ANSWERS, BILLED, COST, INPUT, OUTPUT, Evidence, Vector
from pointsman.policies.posterior import Posterior
from pointsman.snapshot import Arms

# Before anything was seen: the tokens of a prompt and of an answer, each worth one observation.
_PROMPT, _ANSWER = 300.0, 300.0
_UNKNOWN_QUALITY = 0.5
_EXPERTISES_KEPT = 64


class Candidates:
    """Facts of one set of models as arrays, in the set's order.

    Attributes:
        arms: what each model teaches.
        priors: catalogue quality; where it is unknown, the mean of those that are known.
        newborn: positions that may be owed nursery pulls, best prior first.
        at: each arm's line in evidence and posterior.
        effect: likewise from the posterior, as `spread`.
    """

    def __init__(self, arms: Arms) -> None:
        self.arms = tuple(spec.arm for spec in arms)
        self._specs = arms.specs
        self.priors = self._by_arm([spec.mean_quality for spec in arms])
        self._input = _per_token([spec.cost_per_1m_input_tokens for spec in arms])
        self._output = _per_token([spec.cost_per_1m_output_tokens for spec in arms])
        self._unpriced = bool(np.isnan(self._input + self._output).any())
        born = np.flatnonzero(~self._dominated()).tolist()
        self.newborn: list[int] = sorted(born, key=lambda at: (-self.priors[at], arms.keys[at]))
        self.shared = len(set(self.arms)) < len(self.arms)
        self._by_expertise: dict[Sequence[str], Vector] = {}
        self._version = -1
        self.at: NDArray[np.intp] = np.zeros(len(arms), dtype=np.intp)
        self.effect: Vector = np.zeros((0, 0))
        self.spread: Vector = np.zeros((0, 0, 0))

    def look_up(self, evidence: Evidence, posterior: Posterior, version: int) -> None:
        """Take what is believed now; nothing to do while the version is the same."""
        if version == self._version:
            return
        known = len(posterior.labels)
        lines = (evidence.at.get(arm, 0) for arm in self.arms)
        self.at = np.fromiter((at if at < known else 0 for at in lines), dtype=np.intp, count=len(self.arms))
        # Another set of models may have given a learnt arm another prior; what was learnt belongs to that one.
        self.priors = np.where(self.at > 0, posterior.priors[self.at], self.priors)
        self.effect = posterior.effect[self.at]
        self.spread = posterior.spread[self.at]
        self._version = version

    def _dominated(self) -> NDArray[np.bool_]:
        """Models that are dearer and by their prior worse than another: they do not get a nursery."""
        price = self._input + self._output
        rated = np.array([bool(spec.quality) for spec in self._specs])
        dominated = np.zeros(len(price), dtype=bool)
        best_cheaper = best = -1.0
        last = -1.0
        for at in sorted(np.flatnonzero(rated & ~np.isnan(price)).tolist(), key=lambda at: float(price[at])):
            if price[at] > last:
                best_cheaper, last = best, price[at]
            dominated[at] = self.priors[at] < best_cheaper
            best = max(best, self.priors[at])
        return dominated

    def priors_for(self, expertise: Sequence[str]) -> Vector:
        """Catalogue quality in a field."""
        known = self._by_expertise.get(expertise)
        if known is None:
            known = self._by_arm([spec.quality_for(tuple(expertise)) for spec in self._specs])
            if len(self._by_expertise) < _EXPERTISES_KEPT:
                self._by_expertise[expertise] = known
        return known

    def _by_arm(self, qualities: Sequence[float | None]) -> Vector:
        """Quality per model where deployments of one arm are of one quality: the best that is known of any."""
        best: dict[str, float] = {}
        for arm, quality in zip(self.arms, qualities, strict=True):
            if quality is not None:
                best[arm] = max(quality, best.get(arm, 0.0))
        return known_or_mean([best.get(arm) for arm in self.arms])

    def costs(self, counts: Vector, input_tokens: int, most_output: int | None) -> tuple[Vector, float]:
        """Expected USD of this request per model, and the mean cost of the dearest over all requests.

        Output tokens are learnt per arm and prices come from the catalogue, so a price change needs no relearning. A
        model without a price costs what its bills said on average; without bills, as much as the others.
        """
        answers = counts[:, ANSWERS]
        total = answers.sum() + 1.0
        prompt = (counts[:, INPUT].sum() + _PROMPT) / total
        output = (counts[:, OUTPUT] + (counts[:, OUTPUT].sum() + _ANSWER) / total) / (answers + 1.0)
        typical = prompt * self._input + output * self._output
        if most_output is not None:
            output = np.minimum(output, most_output)
        costs = input_tokens * self._input + output * self._output
        billed = counts[:, BILLED]
        if self._unpriced or (billed > answers).any():
            bill = np.where(billed > 0, counts[:, COST] / np.maximum(billed, 1.0), np.nan)
            wanted = np.isnan(costs) | ((answers == 0) & (billed > 0))
            costs, typical = (known_or_mean(np.where(wanted, bill, each)) for each in (costs, typical))
        return costs, float(typical.max())

    def seconds(self, measured: Mapping[str, float]) -> Vector:
        """Expected latency per model: measured, else as the catalogue says, else as the others'."""
        return known_or_mean([measured.get(spec.key, spec.latency_p50) for spec in self._specs])


def known_or_mean(values: Sequence[float | None] | Vector) -> Vector:
    """The values, unknown ones replaced by the mean of the known, else by a half."""
    result = np.array([np.nan if value is None else value for value in values], dtype=float)
    unknown = np.isnan(result)
    if unknown.any():
        result[unknown] = _UNKNOWN_QUALITY if unknown.all() else result[~unknown].mean()
    return result


def _per_token(prices: Sequence[float | None]) -> Vector:
    return np.array([np.nan if price is None else price / 1e6 for price in prices])
