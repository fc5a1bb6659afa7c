"""Off-policy estimators: laws that hold on every world, and numbers worked out by hand."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.replay.estimators import (
    Sample,
    direct,
    doubly_robust,
    effective_sample_size,
    ips,
    plain_mean,
    snips,
    student_quantile,
)
from pointsman.replay.outcomes import cross_fitted

# Two rows with three models: p, pi, and what each model would have been measured at.
LOGGED = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
SHARES = np.array([[0.2, 0.0, 0.8], [0.6, 0.3, 0.1]])
WORTH = np.array([[1.0, 0.4, 0.0], [0.2, 0.9, 0.5]])
VALUE = (SHARES * WORTH).sum(axis=1).mean()


def every_log() -> list[tuple[float, Sample]]:
    """Each log that could have been drawn, with its probability."""
    found = []
    for drawn in product(range(3), repeat=2):
        at = np.array(drawn)
        chance = prod(LOGGED[row, model] for row, model in enumerate(drawn))
        found.append((chance, Sample(LOGGED, SHARES, at, WORTH[np.arange(2), at])))
    return found


def test_ips_is_unbiased_over_every_log_that_could_be_drawn() -> None:
    assert sum(chance * ips(sample).mean for chance, sample in every_log()) == pytest.approx(VALUE)


@pytest.mark.parametrize("expected", [np.zeros((2, 3)), np.full((2, 3), 0.7), WORTH, 1 - WORTH])
def test_doubly_robust_is_unbiased_whatever_the_outcome_model(expected: np.ndarray) -> None:
    assert sum(chance * doubly_robust(sample, expected).mean for chance, sample in every_log()) == pytest.approx(VALUE)


def test_doubly_robust_with_the_right_outcome_model_is_right_in_every_log() -> None:
    for _, sample in every_log():
        assert doubly_robust(sample, WORTH).mean == pytest.approx(VALUE)


def test_with_weights_of_zero_doubly_robust_is_the_direct_method() -> None:
    logged = np.array([[1.0, 0.0], [1.0, 0.0]])
    shares = np.array([[0.0, 1.0], [0.0, 1.0]])
    expected = np.array([[0.3, 0.8], [0.1, 0.4]])
    sample = Sample(logged, shares, np.array([0, 0]), np.array([1.0, 0.0]))
    assert doubly_robust(sample, expected).mean == pytest.approx(direct(shares, expected)) == pytest.approx(0.6)


def test_numbers_worked_out_by_hand() -> None:
    # w = 0.5/0.25, 0.5/0.5, 0/0.5 = 2, 1, 0.
    logged = np.array([[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])
    shares = np.array([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])
    sample = Sample(logged, shares, np.array([0, 1, 1]), np.array([1.0, 0.4, 0.9]))
    assert sample.weights.tolist() == [2.0, 1.0, 0.0]
    assert ips(sample).mean == pytest.approx((2 * 1.0 + 1 * 0.4) / 3)
    assert snips(sample).mean == pytest.approx(2.4 / 3.0)
    assert effective_sample_size(sample.weights) == pytest.approx(9 / 5)
    # q = 0.6 for the first model, 0.2 for the second: 0.4 + 2 * 0.4, 0.4 + 0.2, 0.6 + 0.
    expected = np.array([[0.6, 0.2]] * 3)
    assert doubly_robust(sample, expected).mean == pytest.approx((1.2 + 0.6 + 0.6) / 3)


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.array([0.0, 1.0] * 50)
    estimate = plain_mean(values)
    assert estimate.mean == 0.5
    assert estimate.error == pytest.approx(values.std(ddof=1) / 10)
    assert estimate.high - estimate.mean == pytest.approx(1.96 * estimate.error, rel=0.05)


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (1e6, 1.960)])
def test_students_quantile_is_that_of_the_tables(freedom: float, quantile: float) -> None:
    assert student_quantile(freedom) == pytest.approx(quantile, abs=0.01)


@given(st.integers(0, 10_000), st.integers(2, 40))
def test_snips_stays_within_what_was_measured_and_moves_with_it(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    logged = rng.dirichlet(np.ones(3), size=rows) * 0.9 + 0.1 / 3
    drawn = rng.integers(0, 3, size=rows)
    values = rng.random(rows)
    sample = Sample(logged, rng.dirichlet(np.ones(3), size=rows), drawn, values)
    mean = snips(sample).mean
    assert values.min() - 1e-9 <= mean <= values.max() + 1e-9
    moved = Sample(sample.logged, sample.shares, drawn, values + 5.0)
    assert snips(moved).mean == pytest.approx(mean + 5.0)


@given(st.integers(0, 10_000))
def test_of_the_logs_own_policy_every_estimate_is_the_plain_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logged = rng.dirichlet(np.ones(4), size=30)
    drawn, values = logged.argmax(axis=1), rng.random(30)
    sample = Sample(logged, logged, drawn, values)
    assert ips(sample).mean == pytest.approx(values.mean())
    assert snips(sample).mean == pytest.approx(values.mean())
    assert effective_sample_size(sample.weights) == pytest.approx(30)
    expected = rng.random((30, 1)).repeat(4, axis=1)  # the same for every model, so it takes off what it puts on
    assert doubly_robust(sample, expected).mean == pytest.approx(values.mean())


def test_snips_without_any_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="weights"):
        snips(Sample(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([0]), np.array([1.0])))


def test_one_row_is_no_evidence() -> None:
    estimate = plain_mean(np.array([0.4]))
    assert (estimate.mean, estimate.low, estimate.high) == (0.4, -np.inf, np.inf)


def test_the_outcome_model_learns_what_depends_on_features() -> None:
    rng = np.random.default_rng(0)
    features = np.column_stack([np.ones(600), rng.uniform(-1, 1, 600)])
    drawn = rng.integers(0, 2, 600)
    worth = np.column_stack([0.5 + 0.4 * features[:, 1], 0.5 - 0.4 * features[:, 1]])
    expected = cross_fitted(features, drawn, worth[np.arange(600), drawn], 2)
    assert np.abs(expected - worth).max() < 0.05


def test_the_outcome_model_does_not_see_the_row_that_it_predicts() -> None:
    features, drawn = np.ones((20, 1)), np.zeros(20, dtype=int)
    before = cross_fitted(features, drawn, np.full(20, 0.5), 1)
    values = np.full(20, 0.5)
    values[7] = 1.0
    after = cross_fitted(features, drawn, values, 1)
    same_fold = np.arange(20) % 5 == 7 % 5
    assert after[same_fold] == pytest.approx(before[same_fold])
    assert (after[~same_fold] > before[~same_fold]).all()


def test_a_model_without_rows_is_expected_at_the_mean_of_all() -> None:
    values = np.array([0.2, 0.8] * 10)
    expected = cross_fitted(np.ones((20, 1)), np.zeros(20, dtype=int), values, 2)
    assert expected[:, 1] == pytest.approx(0.5, abs=0.05)
    assert values.min() <= expected.min() <= expected.max() <= values.max()
