"""Off-policy estimators: what another policy's mean would be, from a log with exact probabilities, and how sure that is.

Write p for the probability with which the log drew its model, pi for the target policy's probability of the same model,
w = pi / p, r for what was measured, q(x, a) for what an outcome model expects, n for the number of rows.

**Intervals.** Each estimate is a mean of terms, whose variance the delta method takes from their influence function.
Seen terms alone look surer than they are: rows of large weight matter most and are drawn least. But the probabilities
are known, drawn or not, so E[w^2 | x] = sum over models of pi^2 / p is known too, and only how much r varies per model
has to be estimated. The variance used is the mean of the seen one and of that one, and the quantile is Student's with
the degrees of freedom that the terms' kurtosis leaves (Satterthwaite 1946). `benchmarks/coverage.py` measures how often
intervals made so hold the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# The 97.5 % quantile of the normal distribution.
_Z = 1.959963984540054
_LEAST_FREEDOM = 4.0
# Rows that a model's variance is held against, at the mean of all.
_ROWS_ASSUMED = 5.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % confidence interval.

    Attributes:
        mean: the estimate.
        low: where the interval begins; `high` where it ends.
        error: standard error of the mean.
    """

    mean: float
    low: float
    high: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Sample:
    """Rows of a log beside what a target policy would have done.

    Attributes:
        logged: p per row and model; 0 for those that were no candidates.
        shares: pi, likewise.
        drawn: the column of the model that was drawn, per row; its p is above 0.
        values: r per row.
    """

    logged: Vector
    shares: Vector
    drawn: NDArray[np.intp]
    values: Vector

    @cached_property
    def weights(self) -> Vector:
        """Each row's w."""
        rows = np.arange(len(self.values))
        result: Vector = self.shares[rows, self.drawn] / self.logged[rows, self.drawn]
        return result

    @cached_property
    def ratios(self) -> Vector:
        """Each row's pi^2 / p per model; 0 where the log could not draw."""
        result: Vector = np.divide(self.shares**2, self.logged, out=np.zeros_like(self.shares), where=self.logged > 0)
        return result

    def variance(self, squares: Vector) -> float:
        """Mean of w^2 times a square that depends on the model drawn, over what could have been drawn in each row."""
        models = self.logged.shape[1]
        counts = np.bincount(self.drawn, minlength=models) + _ROWS_ASSUMED
        sums = np.bincount(self.drawn, weights=squares, minlength=models) + _ROWS_ASSUMED * squares.mean()
        return float((self.ratios @ (sums / counts)).mean())


def plain_mean(values: Vector) -> Estimate:
    """The mean of what was measured: the value of the policy that made the log."""
    return _estimate(float(values.mean()), values - values.mean())


def ips(sample: Sample) -> Estimate:
    """Inverse propensity score: mean of w r.

    Unbiased where p > 0 wherever pi > 0. Source: Horvitz and Thompson 1952, "A generalization of sampling without
    replacement from a finite universe".
    """
    terms = sample.weights * sample.values
    mean = float(terms.mean())
    return _estimate(mean, terms - mean, max(sample.variance(sample.values**2) - mean**2, 0.0))


def snips(sample: Sample) -> Estimate:
    """Self-normalised IPS: sum of w r over sum of w, so it stays within the range of r.

    Source: Swaminathan and Joachims 2015, "The self-normalized estimator for counterfactual learning". The influence
    function is that of a ratio, w (r - V) / mean(w), with each row's residual taken as if the row had been left out:
    few heavy rows would otherwise draw the mean to themselves.

    Raises:
        ValueError: if all weights are 0.
    """
    weights, values = sample.weights, sample.values
    total = float(weights.sum())
    if total <= 0.0:
        raise ValueError("all weights are 0")
    mean = float((weights * values).sum()) / total
    left = np.maximum(1.0 - weights / total, 0.1)
    influence = weights * (values - mean) * (len(values) / total) / left
    return _estimate(mean, influence, sample.variance((values - mean) ** 2))


def direct(shares: Vector, expected: Vector) -> float:
    """The direct method: mean over rows of sum over models of pi q; as good as the outcome model, and no better."""
    return float((shares * expected).sum(axis=1).mean())


def doubly_robust(sample: Sample, expected: Vector, *, over: Vector | None = None) -> Estimate:
    """Doubly robust: mean of sum over models of pi q, plus w (r - q of the model drawn).

    Right if either the probabilities or the outcome model is. Source: Dudik, Langford and Li 2011, "Doubly robust
    policy evaluation and learning". The terms are their own influence function when q does not see its own row
    (cross-fitting: Chernozhukov et al. 2018).

    Args:
        sample: the log and the target policy.
        expected: q per row and model.
        over: what to take off per row, such as what the log itself got, for the difference of two means.
    """
    residuals = sample.values - expected[np.arange(len(sample.values)), sample.drawn]
    known = (sample.shares * expected).sum(axis=1)
    terms = known + sample.weights * residuals
    if over is not None:
        terms = terms - over
        mean = float(terms.mean())
        return _estimate(mean, terms - mean)
    mean = float(terms.mean())
    return _estimate(mean, terms - mean, sample.variance(residuals**2) + float(known.var()))


def effective_sample_size(weights: Vector) -> float:
    """How many rows of the target policy's own log would say as much: (sum of w)^2 / sum of w^2 (Kish 1965)."""
    squares = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0.0 else 0.0


def _estimate(mean: float, influence: Vector, expected_variance: float | None = None) -> Estimate:
    """A mean with its interval, from the influence of each row and, where known, the variance to be expected of it."""
    size = len(influence)
    if size < 2:
        return Estimate(mean, -math.inf, math.inf, math.inf)
    squares = influence**2
    variance = float(squares.sum()) / (size - 1)
    kurtosis = float((squares**2).mean()) / max(float(squares.mean()) ** 2, 1e-300)
    if expected_variance is not None:
        variance = (variance + expected_variance) / 2.0
    error = math.sqrt(variance / size)
    reach = error * student_quantile(max(2.0 * size / max(kurtosis - 1.0, 1e-9), _LEAST_FREEDOM))
    return Estimate(mean, mean - reach, mean + reach, error)


def student_quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's distribution, by its expansion around the normal one (Fisher and Cornish 1960).

    >>> round(student_quantile(10.0), 2), round(student_quantile(1e9), 2)
    (2.23, 1.96)
    """
    first = (_Z**3 + _Z) / 4.0
    second = (5.0 * _Z**5 + 16.0 * _Z**3 + 3.0 * _Z) / 96.0
    third = (3.0 * _Z**7 + 19.0 * _Z**5 + 17.0 * _Z**3 - 15.0 * _Z) / 384.0
    return _Z + first / freedom + second / freedom**2 + third / freedom**3
