"""Win probabilities: what drawing from every arm's Gaussian and taking the largest would come to."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policies.posterior import win_probabilities


def test_they_are_the_shares_that_sampling_comes_to() -> None:
    chance = Random(4)
    means, deviations = [0.5, 0.45, 0.3, 0.52], [0.02, 0.1, 0.2, 0.001]
    wins = [0] * 4
    for _ in range(40_000):
        draws = [chance.gauss(mean, deviation) for mean, deviation in zip(means, deviations, strict=True)]
        wins[draws.index(max(draws))] += 1
    exact = win_probabilities(np.array(means), np.array(deviations))
    assert exact.tolist() == pytest.approx([each / 40_000 for each in wins], abs=0.02)


@pytest.mark.parametrize("size", [1, 2, 50, 5000])
def test_equals_win_equally_often(size: int) -> None:
    wins = win_probabilities(np.full(size, 0.5), np.full(size, 0.1))
    assert wins.tolist() == pytest.approx([1 / size] * size)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e3)), min_size=1, max_size=20))
def test_they_are_a_distribution_whatever_the_numbers(arms: list[tuple[float, float]]) -> None:
    means, deviations = (np.array(each) for each in zip(*arms, strict=True))
    wins = win_probabilities(means, deviations)
    assert wins.min() >= 0
    assert wins.sum() == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-3, 1)), min_size=2, max_size=8), st.floats(0.01, 1))
def test_a_better_mean_never_lowers_an_arms_share(arms: list[tuple[float, float]], gain: float) -> None:
    means, deviations = (np.array(each) for each in zip(*arms, strict=True))
    better = means.copy()
    better[0] += gain
    assert win_probabilities(better, deviations)[0] >= win_probabilities(means, deviations)[0] - 0.01
