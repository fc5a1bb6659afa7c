"""Gaussian beliefs about quality, derived from evidence: a difficulty that all arms share, and each arm's own part.

For an answer of arm k to a prompt with features x (the first of which is 1)

    quality = prior_k + (delta + theta_k) . x + noise,    theta_k ~ N(0, 1/Lambda),    delta ~ N(0, 1/rho)

in units of the noise's variance. With the sums A_k = sum of x x' and r_k = sum of x (quality - prior_k) the best linear
unbiased predictions (Henderson 1975) are, writing P_k = (A_k + Lambda)^-1 and w_k = P_k r_k,

    delta = (rho + sum_k (Lambda - Lambda P_k Lambda))^-1 Lambda sum_k w_k,    delta + theta_k = w_k + P_k Lambda delta

so an arm that was never judged is expected at its prior plus the difficulty, with the variance of Lambda alone.
"""

from __future__ import annotations

import threading
from functools import cache
from math import log, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointsman.policies.evidence import Labels, Vector
from pointsman.policies.shares import FEW

# Beyond so many models it pays to look for equal ones, and to reckon with one of each kind if they are so much fewer.
_MANY, _WORTHWHILE = 256, 0.7
_BLOCK = 256
# A product of so little is not told from nought, except by the processor, which is slow with even less.
_NOTHING = 1e-280
_kept = threading.local()


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
        self._room = [self.sums, self.scores, self.priors, self.labels, self.spread]
        self.effect: Vector = np.zeros((1, size))

    def put(self, at: int, labels: Labels, prior: float) -> None:
        """Set an arm's line from its evidence; `refresh` makes it count."""
        if at >= len(self.labels):
            self._grow(at + 1)
        labels.resize(self.size)
        self.sums[at] = labels.xx[0]
        self.scores[at] = labels.xy
        self.priors[at] = prior
        self.labels[at] = labels.count
        self.spread[at] = np.linalg.inv(labels.xx + np.diag(self.ridge))

    def _grow(self, lines: int) -> None:
        """Make more lines, of arms without evidence; the room for them is doubled when it is full."""
        if lines > len(self._room[0]):
            more = max(lines, 2 * len(self._room[0])) - len(self._room[0])
            self._room = [np.append(each, np.repeat(each[:1], more, axis=0), axis=0) for each in self._room]
        self.sums, self.scores, self.priors, self.labels, self.spread = (each[:lines] for each in self._room)

    def refresh(self) -> None:
        """Derive the difficulty and every arm's effect."""
        if len(self.labels) > FEW:
            self._refresh_judged()
            return
        residual = self.scores - self.priors[:, None] * self.sums
        own = (self.spread @ residual[:, :, None])[:, :, 0]
        ridge = self.ridge
        information = -(ridge[:, None] * self.spread.sum(axis=0) * ridge)
        information.flat[:: self.size + 1] += len(self.spread) * ridge + self.difficulty_ridge
        difficulty = np.linalg.solve(information, ridge * own.sum(axis=0))
        self.effect = own + self.spread @ (ridge * difficulty)

    def _refresh_judged(self) -> None:
        """The same from those lines that have evidence; the others add nothing to the difficulty, and are all alike."""
        judged = np.flatnonzero(self.labels > 0.0)
        spread, ridge = self.spread[judged], self.ridge
        residual = self.scores[judged] - self.priors[judged, None] * self.sums[judged]
        own = (spread @ residual[:, :, None])[:, :, 0]
        information = -(ridge[:, None] * spread.sum(axis=0) * ridge)
        information.flat[:: self.size + 1] += len(judged) * ridge + self.difficulty_ridge
        pull = ridge * np.linalg.solve(information, ridge * own.sum(axis=0))
        self.effect = np.repeat((self.spread[0] @ pull)[None], len(self.labels), axis=0)
        self.effect[judged] = own + spread @ pull

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
    width = float(tops.max()) - low
    if len(alive) > _MANY:
        wins[alive] = _among_many(low - means, deviations, _grid(cells) * width)
        return wins
    points = _grid(cells) * width
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


def _among_many(offsets: Vector, deviations: Vector, points: Vector) -> Vector:
    """The same for very many: equal ones are reckoned once, and the rest in blocks that the processor's cache holds."""
    kinds = _kinds(offsets, deviations)
    if kinds is not None:
        offsets, deviations = offsets[kinds.firsts], deviations[kinds.firsts]
    size = len(offsets)
    blocks = [slice(start, start + _BLOCK) for start in range(0, size, _BLOCK)]
    below = _room(len(points), size)
    every = np.ones(len(points))
    first = 0  # of the points that matter: the product grows from point to point, and shrinks with each block
    for block in blocks:
        z = points[first:, None] + offsets[block]
        z /= deviations[block]
        part = np.multiply(z, z, out=below[first:, block])
        part *= 0.035677408
        part += 0.7978845608
        part *= z
        np.tanh(part, out=part)
        part += 1.0 + 1e-9
        part *= 0.5
        every[first:] *= part.prod(axis=1) if kinds is None else np.exp(np.log(part) @ kinds.counts[block])
        nothing = every < _NOTHING
        every[nothing] = 0.0
        first = max(int(np.count_nonzero(nothing)) - 1, 0)
    every, share = every[first:], np.empty(size)
    for block in blocks:
        part = below[first:, block]
        others = every[:, None] / part
        others[1:] += others[:-1]
        steps = np.diff(part, axis=0)
        steps *= others[1:]
        share[block] = steps.sum(axis=0)
    each: Vector = share / share.sum() if kinds is None else (share / (share @ kinds.counts))[kinds.of]
    return each


def _room(rows: int, columns: int) -> Vector:
    """An array for this thread's use until it asks again: the system takes longer to give memory than we to fill it."""
    flat: Vector | None = getattr(_kept, "flat", None)
    if flat is None or len(flat) < rows * columns:
        flat = _kept.flat = np.empty(rows * columns)
    return flat[: rows * columns].reshape(rows, columns)


class _Kinds(NamedTuple):
    """Equal ones among many: one of each kind, how many there are, and of which kind each is."""

    firsts: NDArray[np.intp]
    counts: NDArray[np.intp]
    of: NDArray[np.intp]


def _kinds(means: Vector, deviations: Vector) -> _Kinds | None:
    """Models of the same mean and deviation, which have the same share; None if there are few such."""
    order = np.lexsort((deviations, means))
    sorted_means, sorted_deviations = means[order], deviations[order]
    new = np.empty(len(order), dtype=bool)
    new[0] = True
    np.not_equal(sorted_means[1:], sorted_means[:-1], out=new[1:])
    new[1:] |= sorted_deviations[1:] != sorted_deviations[:-1]
    starts = np.flatnonzero(new)
    if len(starts) > _WORTHWHILE * len(order):
        return None
    of = np.empty(len(order), dtype=np.intp)
    of[order] = np.cumsum(new) - 1
    return _Kinds(order[starts], np.diff(starts, append=len(order)), of)


@cache
def _grid(cells: int) -> Vector:
    return np.linspace(0.0, 1.0, cells + 1)
