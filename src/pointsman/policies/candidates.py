"""What `adaptive` prepares once per set of models: priors, prices, and who gets a nursery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.policies.evidence import (
    ANSWERS,
    BILLED,
    CALLS,
    COST,
    FAILURES,
    INPUT,
    OUTPUT,
    SCORED,
    Evidence,
    Vector,
)
from pointsman.policies.journal import Follower, Journal
from pointsman.policies.nursery import Nursery
from pointsman.policies.posterior import Posterior
from pointsman.policies.shares import FEW
from pointsman.registry.arms import Arms

# Before anything was seen: the tokens of a prompt and of an answer, each worth one observation.
_PROMPT, _ANSWER = 300.0, 300.0
_UNKNOWN_QUALITY = 0.5
_EXPERTISES_KEPT = 64
# Failures are held against so many successes that nobody has seen yet.
_CALLS_ASSUMED = 20.0
# How much wider than usual the draws of an arm are that was never called, and the calls in which that falls by a factor e.
_CURIOSITY, _CURIOUS_CALLS = 2.0, 5.0
# Exploring pays only as far as scores come back: an answer that nobody scored weighs this much against a scored one.
_UNSCORED = 0.05
_SCORES_ASSUMED = 20.0


class Candidates:
    """Facts of one set of models as arrays, in the set's order.

    Attributes:
        arms: what each model teaches.
        priors: catalogue quality; where it is unknown, the mean of those that are known.
        newborn: positions that may be owed nursery pulls, best prior first.
        at: each arm's line in evidence and posterior.
        effect: likewise from the posterior, as `spread`, of which each arm's matrix is a row.
        row: of many models, the row of these two that is each one's; those that nobody has scored share the first.
        counts: likewise from the evidence.
        reach: how far draws go, in posterior deviations; see `look_up`.
        nursery: of many models, who waits in it.
    """

    def __init__(self, arms: Arms) -> None:
        self.arms = tuple(spec.arm for spec in arms)
        self._specs = arms.specs
        self._places = arms.by_arm
        self._positions = arms.positions
        self.priors = self._by_arm([spec.mean_quality for spec in arms])
        self._input = _per_token([spec.cost_per_1m_input_tokens for spec in arms])
        self._output = _per_token([spec.cost_per_1m_output_tokens for spec in arms])
        self._unpriced = bool(np.isnan(self._input + self._output).any())
        born = np.flatnonzero(~self._dominated()).tolist()
        self.newborn: list[int] = sorted(born, key=lambda at: (-self.priors[at], arms.keys[at]))
        self.shared = len(set(self.arms)) < len(self.arms)
        self._by_expertise: dict[Sequence[str], Vector] = {}
        self._believed = self._counted = -1
        self.at: NDArray[np.intp] = np.zeros(len(arms), dtype=np.intp)
        self.effect: Vector = np.zeros((0, 0))
        self.spread: Vector = np.zeros((0, 0))
        self.counts: Vector = np.zeros((0, 0))
        self.answering = self.reach = self._answer = self._answer_cost = self._bill = np.zeros(0)
        self._billed = False
        self._dearest = 0.0
        self.many = len(arms) > FEW
        self.row: NDArray[np.intp] | None = None
        self.nursery: Nursery | None = None
        self._lines: NDArray[np.intp] = np.zeros(len(arms), dtype=np.intp)
        self._named = 0
        self._seconds: Vector | None = None
        self._measurements: Follower | None = None

    def look_up(self, evidence: Evidence, posterior: Posterior, believed: int) -> None:
        """Take what is believed and counted now; nothing to do while both are the same."""
        if believed != self._believed and self.many:
            self._take_beliefs(evidence, posterior)
        elif believed != self._believed:
            known = len(posterior.labels)
            lines = (evidence.at.get(arm, 0) for arm in self.arms)
            self.at = np.fromiter((at if at < known else 0 for at in lines), dtype=np.intp, count=len(self.arms))
            # Another set of models may have given a learnt arm another prior; what was learnt belongs to that one.
            self.priors = np.where(self.at > 0, posterior.priors[self.at], self.priors)
            self.effect = posterior.effect[self.at]
            self.spread = posterior.spread[self.at].reshape(len(self.at), -1)
        if believed != self._believed or evidence.changes != self._counted:
            self._take_counts(evidence.counts)
            self._believed, self._counted = believed, evidence.changes

    def _take_beliefs(self, evidence: Evidence, posterior: Posterior) -> None:
        """The same for many models, most of which share the belief about those that nobody has scored."""
        for line, arm in enumerate(evidence.names[self._named :], start=self._named + 1):
            for position in self._places.get(arm, ()):
                self._lines[position] = line
        self._named = len(evidence.names)
        self.at = np.where(self._lines < len(posterior.labels), self._lines, 0)
        self.priors = np.where(self.at > 0, posterior.priors[self.at], self.priors)
        own = np.flatnonzero(posterior.labels > 0.0)
        rows = np.zeros(len(posterior.labels), dtype=np.intp)
        rows[own] = np.arange(1, len(own) + 1)
        lines = np.append(0, own)
        self.effect, self.row = posterior.effect[lines], rows[self.at]
        self.spread = posterior.spread[lines].reshape(len(lines), -1)

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

    def _take_counts(self, lines: Vector) -> None:
        """What follows from the counts alone: who answers, how long, for how much, and how far draws go."""
        if self.many:  # worked out per line, of which there may be far fewer than models
            counts = lines
            models = np.bincount(self.at, minlength=len(lines))
            totals = (models @ lines).tolist()
        else:
            counts = self.counts = lines[self.at]
            totals = counts.sum(axis=0).tolist()
        calls, answers = counts[:, CALLS], counts[:, ANSWERS]
        self.answering = 1.0 - counts[:, FAILURES] / (calls + _CALLS_ASSUMED)
        worth = totals[SCORED] + _SCORES_ASSUMED
        share = worth / (worth + _UNSCORED * max(totals[CALLS] - totals[SCORED], 0.0))
        self.reach = (share * self.answering) * (1.0 + _CURIOSITY * np.exp(calls / -_CURIOUS_CALLS))
        seen = totals[ANSWERS] + 1.0
        self._answer = (counts[:, OUTPUT] + (totals[OUTPUT] + _ANSWER) / seen) / (answers + 1.0)
        if self.many:
            self.answering, self.reach = self.answering[self.at], self.reach[self.at]
            self._answer = self._answer[self.at]
        self._answer_cost = self._answer * self._output
        typical = (totals[INPUT] + _PROMPT) / seen * self._input + self._answer_cost
        billed = counts[:, BILLED]
        more = billed > answers
        self._billed = self._unpriced or bool((more[self.at] if self.many else more).any())
        if self._billed:
            if self.many:
                counts = self.counts = lines[self.at]
                billed = counts[:, BILLED]
            self._bill = np.where(billed > 0, counts[:, COST] / np.maximum(billed, 1.0), np.nan)
            typical = self._as_billed(typical)
        self._dearest = float(typical.max())

    def costs(self, input_tokens: int, most_output: int | None) -> tuple[Vector, float]:
        """Expected USD of this request per model, and the mean cost of the dearest over all requests.

        Output tokens are learnt per arm and prices come from the catalogue, so a price change needs no relearning. A
        model without a price costs what its bills said on average; without bills, as much as the others.
        """
        answer = self._answer_cost if most_output is None else np.minimum(self._answer, most_output) * self._output
        costs = input_tokens * self._input + answer
        return self._as_billed(costs) if self._billed else costs, self._dearest

    def _as_billed(self, costs: Vector) -> Vector:
        """The costs, where they cannot be worked out those of earlier bills."""
        wanted = np.isnan(costs) | ((self.counts[:, ANSWERS] == 0) & (self.counts[:, BILLED] > 0))
        return known_or_mean(np.where(wanted, self._bill, costs))

    def seconds(self, measured: Mapping[str, float]) -> Vector:
        """Expected latency per model: measured, else as the catalogue says, else as the others'."""
        if not self.many:
            return known_or_mean([measured.get(spec.key, spec.latency_p50) for spec in self._specs])
        changed = None if self._measurements is None else self._measurements.changed(measured)
        if changed is None or self._seconds is None:
            self._measurements = Follower(measured)
            seconds = [measured.get(spec.key, spec.latency_p50) for spec in self._specs]
            self._seconds = np.array([np.nan if each is None else each for each in seconds])
        else:
            for key in changed:
                if (at := self._positions.get(key)) is not None:
                    now = measured.get(key, self._specs[at].latency_p50)
                    self._seconds[at] = np.nan if now is None else now
        return known_or_mean(self._seconds)

    def waiting(
        self, calls: Journal, pending: Mapping[str, int], called: Callable[[str], float], enough: float
    ) -> Nursery:
        """Who waits for a first call, of many models."""
        if self.nursery is None:
            arms = [self.arms[at] for at in self.newborn]
            self.nursery = Nursery(arms, self.newborn, calls, pending, called, enough)
        return self.nursery


def known_or_mean(values: Sequence[float | None] | Vector) -> Vector:
    """The values, unknown ones replaced by the mean of the known, else by a half."""
    if isinstance(values, np.ndarray):
        result = values.copy()
    else:
        result = np.array([np.nan if value is None else value for value in values], dtype=float)
    unknown = np.isnan(result)
    if unknown.any():
        result[unknown] = _UNKNOWN_QUALITY if unknown.all() else result[~unknown].mean()
    return result


def _per_token(prices: Sequence[float | None]) -> Vector:
    return np.array([np.nan if price is None else price / 1e6 for price in prices])
