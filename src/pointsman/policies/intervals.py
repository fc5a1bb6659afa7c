"""Confidence intervals of what tallies know: Wilson's for a share of successes, Hoeffding's for a mean reward."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(successes: float, n: float, level: float) -> tuple[float, float]:
    """Bounds of the chance of success (Wilson 1927): close to the level even for few calls and extreme shares.

    >>> [round(bound, 3) for bound in wilson(8, 10, 0.95)]
    [0.49, 0.943]
    """
    if n <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = min(max(successes / n, 0.0), 1.0)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    width = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - width, 0.0), min(middle + width, 1.0)


def hoeffding(mean: float, n: float, level: float) -> tuple[float, float]:
    """Bounds of the mean of rewards in 0 to 1 (Hoeffding 1963): true for every distribution, so rather wide.

    >>> [round(bound, 3) for bound in hoeffding(0.5, 100, 0.95)]
    [0.364, 0.636]
    """
    if n <= 0:
        return 0.0, 1.0
    width = math.sqrt(math.log(2 / (1 - level)) / (2 * n))
    return max(mean - width, 0.0), min(mean + width, 1.0)
