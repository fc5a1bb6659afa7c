"""Errors of what is kept and learnt from: stores, scores, logs and traces (codes E43xx)."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.errors.catalog import CatalogError
from pointsman.errors.root import PointsmanError


class StoreError(PointsmanError):
    """State could not be read or written; serving goes on without it."""

    code = "E4301"
    retryable = True


class UnknownDecisionError(PointsmanError, LookupError):
    """Feedback or an outcome for a decision that this store has never seen."""

    code = "E4302"

    def __init__(self, decision_id: str) -> None:
        super().__init__(f"no decision {decision_id!r} is known here", hint="made with another store, or aged out?")
        self.decision_id = decision_id


class InvalidFeedbackError(PointsmanError, ValueError):
    """A score that is not a number in 0 to 1, or a second score for the same decision."""

    code = "E4303"


class NoSupportError(PointsmanError):
    """A log cannot say how a policy would have done: too little of what the policy would do is in it.

    Attributes:
        reason: `few_rows`, `no_support` or `few_effective_rows`; `policy` names whom it is about.
        figures: the numbers that it was refused for.
    """

    code = "E4304"

    def __init__(self, message: str, *, policy: str, reason: str, figures: Mapping[str, float], hint: str) -> None:
        super().__init__(message, hint=hint)
        self.policy, self.reason, self.figures = policy, reason, dict(figures)


class InvalidTraceError(CatalogError, ValueError):
    """A trace to replay policies on cannot be read; `path` and `line` say where."""

    code = "E4305"
