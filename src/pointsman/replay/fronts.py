"""Cost-quality fronts: what quality a set of choices offers at each cost, and the area below that (AIQ)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

Point = tuple[float, float]


def front(points: Iterable[Point]) -> list[Point]:
    """The non-decreasing concave hull of (cost, quality) points: what mixing them by chance can reach.

    >>> front([(1.0, 0.5), (2.0, 0.4), (3.0, 0.9)])
    [(1.0, 0.5), (3.0, 0.9)]
    """
    hull: list[Point] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if hull and quality <= hull[-1][1]:
            continue
        while len(hull) >= 2 and _turns_up(hull[-2], hull[-1], (cost, quality)):
            hull.pop()
        hull.append((cost, quality))
    return hull


def aiq(points: Iterable[Point], cheapest: float, dearest: float) -> float:
    """Average improvement in quality: the mean of the front between two costs (RouterBench, Hu et al. 2024, section 3).

    Below its cheapest point a front offers nothing; beyond its dearest, what that offers.

    >>> aiq([(1.0, 0.5), (3.0, 0.9)], 1.0, 5.0)
    0.8
    """
    hull = front(points)
    if not hull or dearest <= cheapest:
        return 0.0
    area = 0.0
    corners = [*hull, (max(dearest, hull[-1][0]), hull[-1][1])]
    for (left, low), (right, high) in pairwise(corners):
        start, end = max(left, cheapest), min(right, dearest)
        if end > start:
            slope = (high - low) / (right - left)
            area += (end - start) * (low + slope * ((start + end) / 2.0 - left))
    return round(area / (dearest - cheapest), 12)


def _turns_up(first: Point, second: Point, third: Point) -> bool:
    """Whether the middle point lies on or below the line between its neighbours."""
    return (second[1] - first[1]) * (third[0] - first[0]) <= (third[1] - first[1]) * (second[0] - first[0])
