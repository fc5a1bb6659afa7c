"""The outcome model of the doubly robust estimate: per model a ridge regression on features, cross-fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointsman.replay.estimators import Vector

_FOLDS = 5
# Pseudo-observations of "as the mean of all" for a model's level, and of "no effect" for each feature.
_LEVEL_RIDGE, _FEATURE_RIDGE = 1.0, 5.0


def cross_fitted(features: Vector, drawn: NDArray[np.intp], values: Vector, models: int) -> Vector:
    """What each model would have been measured at in each row, by a regression that has not seen that row.

    Rows are dealt to five folds in turn; a fold is predicted by ridge regressions on the others (Hoerl and Kennard
    1970; cross-fitting as in Chernozhukov et al. 2018). Predictions stay within what was measured.

    Args:
        features: per row, the first of which is 1.
        drawn: the column of the model that was drawn, per row.
        values: what was measured, per row.
        models: how many models there are.

    Returns:
        Rows by models.
    """
    size = len(values)
    result = np.zeros((size, models))
    fold_of = np.arange(size) % _FOLDS
    sums, crossed, ones = _by_fold(features, drawn, values, fold_of, models)
    ridge = np.full(features.shape[1], _FEATURE_RIDGE)
    ridge[0] = _LEVEL_RIDGE
    for fold in range(_FOLDS):
        seen = fold_of != fold
        if not seen.any() or seen.all():
            continue
        middle = float(values[seen].mean())
        # On what differs from the mean of all, so that a model without rows is expected there.
        others = np.arange(_FOLDS) != fold
        gram = sums[others].sum(axis=0) + np.diag(ridge)
        right = crossed[others].sum(axis=0) - middle * ones[others].sum(axis=0)
        coefficients = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
        rows = ~seen
        result[rows] = middle + features[rows] @ coefficients.T
        np.clip(result, values[seen].min(), values[seen].max(), out=result, where=rows[:, None])
    return result


def _by_fold(
    features: Vector, drawn: NDArray[np.intp], values: Vector, fold_of: NDArray[np.intp], models: int
) -> tuple[Vector, Vector, Vector]:
    """Per fold and model: sums of x x', of x r, and of x."""
    width = features.shape[1]
    sums = np.zeros((_FOLDS, models, width, width))
    crossed = np.zeros((_FOLDS, models, width))
    ones = np.zeros((_FOLDS, models, width))
    cell = fold_of * models + drawn
    for at in np.unique(cell).tolist():
        rows = cell == at
        fold, model = divmod(at, models)
        chosen = features[rows]
        sums[fold, model] = chosen.T @ chosen
        crossed[fold, model] = chosen.T @ values[rows]
        ones[fold, model] = chosen.sum(axis=0)
    return sums, crossed, ones
