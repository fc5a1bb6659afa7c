"""Errors of calls under way: limits, streams, and attempts that all failed (codes E42xx)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pointsman.errors.root import PointsmanError


class AllModelsFailedError(PointsmanError, ExceptionGroup[Exception]):
    """Every attempt that deadline and cost allowed has failed; `.exceptions` are the causes, in order.

    Attributes:
        models: the key of the model behind each cause, same order as `.exceptions`.
        decision_id: the decision whose plan this was.
        stopped_by: why no further model was tried: `plan`, `deadline`, `cost`, `budget`, `attempts` or `fault`.
        retry_after: seconds after which the earliest model may be asked again, if one said so.
    """

    code = "E4201"
    retryable = True

    def __new__(cls, message: str, causes: Sequence[Exception], **_: Any) -> Self:
        """Build the group from its causes; the data attributes are set by `__init__`."""
        return super().__new__(cls, message, list(causes))

    def __init__(
        self,
        message: str,
        causes: Sequence[Exception],
        *,
        models: Sequence[str] = (),
        decision_id: str | None = None,
        stopped_by: str = "plan",
        retry_after: float | None = None,
    ) -> None:
        Exception.__init__(self, message, list(causes))
        self.hint = None
        self.models = tuple(models)
        self.decision_id = decision_id
        self.stopped_by, self.retry_after = stopped_by, retry_after

    def derive(self, excs: Sequence[Exception], /) -> AllModelsFailedError:  # type: ignore[override]
        """Make a group of some of the causes, as `split` and `except*` ask for."""
        kept = {name: getattr(self, name) for name in ("models", "decision_id", "stopped_by", "retry_after")}
        return AllModelsFailedError(self.message, excs, **kept)

    def __repr__(self) -> str:
        # A group's own repeats what providers said, which may quote the prompt, or a key.
        return f"{type(self).__name__}({str(self)!r})"

    def __str__(self) -> str:
        pairs = zip(self.models, self.exceptions, strict=False)
        causes = "; ".join(f"{model}: {type(cause).__name__}" for model, cause in pairs)
        return f"{self.message} ({causes})" if causes else self.message


class DeadlineExceededError(PointsmanError, TimeoutError):
    """No time was left to start, or to wait for, an attempt."""

    code = "E4202"
    retryable = True


class CostLimitError(PointsmanError):
    """The next attempt could cost more than the call may still spend (USD)."""

    code = "E4204"


class EmptyAnswerError(PointsmanError):
    """The provider answered with success and nothing of use in it."""

    code = "E4205"
    retryable = True


class TruncatedStreamError(PointsmanError):
    """A stream ended cleanly but without a finish reason: it is not complete."""

    code = "E4206"
    retryable = True


class LimitReachedError(PointsmanError):
    """No model has room at its rate before the deadline: `models`, and seconds until one has, `retry_after`."""

    code = "E4207"
    retryable = True

    def __init__(self, message: str, *, retry_after: float | None, models: Sequence[str] = ()) -> None:
        super().__init__(message, hint="ask again then" if retry_after is not None else "ask for less, or allow more")
        self.retry_after = retry_after
        self.models = tuple(models)


class BudgetExceededError(LimitReachedError):
    """A tenant, or all of them, may use up no more in this period; nothing was called."""

    code = "E4208"


class ReportedError(PointsmanError):
    """The provider said 200 and then reported an error, in a stream or in an answer's place; `body` is what it sent."""

    code = "E4209"
    retryable = True
    body: Any = None


class StreamInterruptedError(PointsmanError):
    """A stream broke after part of it was delivered; the cause is chained.

    Attributes:
        partial: `partial_text` or `partial_tool_call`.
        chunks: how many chunks the caller has received.
        safe_to_restart: whether asking again from the start repeats no side effect (no tool call was begun).
    """

    code = "E4203"
    retryable = True

    def __init__(self, message: str, *, partial: str, chunks: int, model: str, decision_id: str) -> None:
        super().__init__(message, hint="ask again from the start, or keep what has arrived")
        self.partial, self.chunks = partial, chunks
        self.model, self.decision_id = model, decision_id

    @property
    def safe_to_restart(self) -> bool:
        """Whether a restart repeats nothing but text."""
        return self.partial != "partial_tool_call"
