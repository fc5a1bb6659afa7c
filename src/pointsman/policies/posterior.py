"""Gaussian beliefs about quality, derived from evidence: a difficulty that all arms share, and each arm's own part.

For an answer of arm k to a prompt with features x (the first of which is 1)

    quality = prior_k + (delta + theta_k) . x + noise,    theta_k ~ N(0, 1/Lambda),    delta ~ N(0, 1/rho)

in units of the noise's variance. With the sums A_k = sum of x x' and r_k = sum of x (quality - prior_k) the best linear
unbiased predictions (Henderson 1975) are, writing P_k = (A_k + Lambda)^-1 and w_k = P_k r_k,

    delta = (rho + sum_k (Lambda - Lambda P_k Lambda))^-1 Lambda sum_k w_k,    delta + theta_k = w_k + P_k Lambda delta

so an arm that was never judged is expected at its prior plus the difficulty, with the variance of Lambda alone.
"""

from __future__ import annotations

from functools import cache
from math import log, sqrt

import numpy as np

from pointsman.policies.evidence import Labels, Vector


class Posterior:
    """Beliefs about all arms, a line per arm as in the evidence; line 0 is every arm without any.

    Args:
        size: number of features, the one included.
        ridge: pseudo-observations of an arm's prior, and of a feature having no effect of its own on an arm.
        difficulty_ridge: likewise of prompts being as hard as the priors say, and of a feature making none harder.
    """

    def __init__(self, size: int, ridge: tuple[float, float], difficulty_ridge: tuple[float, float]) -> None:
        self._ridge, self._difficulty_ridge = ridge, difficulty_ridge
        self.resize(size)

    def resize(self, size: int) -> None:
        """Start anew with as many features."""
        self.size = size
        self.ridge = _first_and_others(self._ridge, size)
        self.difficulty_ridge = _first_and_others(self._difficulty_ridge, size)
        self.sums: Vector = np.zeros((1, size))
        self.scores: Vector = np.zeros((1, size))
        self.priors: Vector = np.zeros(1)
        self.labels: Vector = np.zeros(1)
        self.spread: Vector = np.diag(1.0 / self.ridge)[None]
        self.effect: Vector = np.zeros((1, size))

    def put(self, at: int, labels: Labels, prior: float) -> None:
        """Set an arm's line from its evidence; `refresh` makes it count."""
        if (more := at + 1 - len(self.labels)) > 0:
            self.sums, self.scores = (np.pad(each, ((0, more), (0, 0))) for each in (self.sums, self.scores))
            self.priors, self.labels = (np.pad(each, (0, more)) for each in (self.priors, self.labels))
            self.spread = np.append(self.spread, np.repeat(self.spread[:1], more, axis=0), axis=0)
        labels.resize(self.size)
        self.sums[at] = labels.xx[0]
        self.scores[at] = labels.xy
        self.priors[at] = prior
        self.labels[at] = labels.count
        self.spread[at] = np.linalg.inv(labels.xx + np.diag(self.ridge))

    def refresh(self) -> None:
        """Derive the difficulty and every arm's effect."""
        residual = self.scores - self.priors[:, None] * self.sums
        own = (self.spread @ residual[:, :, None])[:, :, 0]
        ridge = self.ridge
        information = -(ridge[:, None] * self.spread.sum(axis=0) * ridge)
        information.flat[:: self.size + 1] += len(self.spread) * ridge + self.difficulty_ridge
        difficulty = np.linalg.solve(information, ridge * own.sum(axis=0))
        self.effect = own + self.spread @ (ridge * difficulty)

    def expect(self, at: int, features: Vector, prior: float) -> float:
        """The expected quality of an arm's answer."""
        return prior + float(self.effect[at, : len(features)] @ features)


def _first_and_others(values: tuple[float, float], size: int) -> Vector:
    vector: Vector = np.full(size, values[1])
    vector[0] = values[0]
    return vector


def win_probabilities(means: Vector, deviations: Vector, cells: int = 48) -> Vector:
    """The probability of each of several independent Gaussians to be the largest: Thompson sampling without sampling.

    The product of their distribution functions is integrated cell by cell over the range where the largest can lie. The
    far tails are cut and the distribution function is approximated (to 3e-4), so this is the exact distribution of a
    slightly different draw; what matters is that it is the one the draw is made from.

    >>> win_probabilities(np.array([0.5, 0.5]), np.array([0.1, 0.1])).round(3).tolist()
    [0.5, 0.5]
    """
    size = len(means)
    deviations = np.maximum(deviations, 1e-6)
    # The largest of n standard normals lies near sqrt(2 ln n).
    tops = means + (1.5 + sqrt(2.0 * log(size + 1.0))) * deviations
    low = float((means - 3.0 * deviations).max())
    alive = np.flatnonzero(tops > low)
    wins: Vector = np.zeros(size)
    if len(alive) == 1:
        wins[alive] = 1.0
        return wins
    if len(alive) < size:
        means, deviations, tops = means[alive], deviations[alive], tops[alive]
    points = _grid(cells) * (float(tops.max()) - low)
    z = points + (low - means)[:, None]
    z /= deviations[:, None]
    below = z * z
    below *= 0.035677408
    below += 0.7978845608
    below *= z
    np.tanh(below, out=below)
    below += 1.0 + 1e-9
    below *= 0.5
    others = below.prod(axis=0) / below
    steps = np.diff(below)
    steps *= others[:, 1:] + others[:, :-1]
    share = steps.sum(axis=1)
    wins[alive] = share / share.sum()
    return wins


@cache
def _grid(cells: int) -> Vector:
    return np.linspace(0.0, 1.0, cells + 1)
