"""Errors of requests that nobody can serve as they are (codes E41xx)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.errors.root import PointsmanError


class InvalidRequestError(PointsmanError, ValueError):
    """A request that contradicts itself or holds a value of the wrong kind; `field` names it."""

    code = "E4103"

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class InvalidParametersError(PointsmanError, ValueError):
    """Parameters that a model does not accept; `issues` lists every one."""

    code = "E4104"

    def __init__(self, model: str, issues: Sequence[Any]) -> None:
        super().__init__(f"{model}: " + "; ".join(str(issue) for issue in issues))
        self.model = model
        self.issues = tuple(issues)


class NoEligibleModelsError(PointsmanError):
    """Nothing registered can serve the request; `stage` says where the list ran empty, `excluded` why for each."""

    code = "E4101"

    def __init__(
        self, message: str, *, stage: str, excluded: Mapping[str, Any] | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.stage = stage
        self.excluded: Mapping[str, Any] = excluded if excluded is not None else {}


class PromptTooLongError(NoEligibleModelsError):
    """The prompt and the room for its answer are larger than every window on offer (both in tokens)."""

    code = "E4102"

    def __init__(
        self, message: str, *, tokens: int, largest: int | None, excluded: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(
            message,
            stage="requirements",
            excluded=excluded,
            hint="shorten the prompt, ask for fewer output tokens, or register a model with a larger window",
        )
        self.tokens = tokens
        self.largest = largest
