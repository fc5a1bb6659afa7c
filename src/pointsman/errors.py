"""Every error pointsman raises, as a tree; each class carries data, a code and a hint.

::

    PointsmanError
    ├── CatalogError              E4005  a catalogue or configuration file cannot be used (path, line, column)
    │   ├── InvalidModelError     E4003  one model's entry is wrong (field, issues)
    │   ├── ConfigError           E4006  another section of the configuration is wrong
    │   └── InvalidTraceError     E4305  a trace to replay cannot be read; also a ValueError
    ├── ModelNotFoundError        E4001  no such model (name, nearest); also a LookupError
    ├── AmbiguousModelError       E4002  a bare name means several deployments (keys)
    ├── DuplicateModelError       E4004  the key is registered already
    ├── UnknownVersionError       E4007  no such version of the registry is kept; also a LookupError
    ├── InvalidRequestError       E4103  a request that no model could serve as it is written
    ├── InvalidParametersError    E4104  parameters that the model refuses (issues)
    ├── NoEligibleModelsError     E4101  nothing can serve the request (stage, excluded)
    │   └── PromptTooLongError    E4102  larger than every window (tokens, largest)
    ├── AllModelsFailedError      E4201  every attempt failed; also an ExceptionGroup of the causes
    ├── DeadlineExceededError     E4202  no time was left for an attempt; also a TimeoutError
    ├── CostLimitError            E4204  no money was left for an attempt
    ├── EmptyAnswerError          E4205  the provider said 200 and delivered nothing of use
    ├── TruncatedStreamError      E4206  a stream ended without a finish reason
    ├── LimitReachedError         E4207  no model has room at its rate (retry_after, models)
    │   └── BudgetExceededError   E4208  the budget has no room for the request
    ├── ReportedError             E4209  the provider said 200 and then reported an error (body)
    ├── StreamInterruptedError    E4203  a stream broke after it had delivered something (partial)
    ├── StoreError                E4301  state could not be read or written
    ├── UnknownDecisionError      E4302  feedback for a decision nobody made; also a LookupError
    ├── InvalidFeedbackError      E4303  a score outside 0 to 1, or given twice; also a ValueError
    ├── NoSupportError            E4304  a log cannot say how a policy would have done (policy, reason)
    ├── MissingDependencyError    E4401  an optional package is not installed; also an ImportError
    ├── ModelLoadError            E4403  a client or local model could not be built (model)
    └── MissingCredentialError    E4402  an environment variable that a model's key refers to is not set

Exceptions of providers are re-raised as they came or sit inside `AllModelsFailedError`.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self


class PointsmanError(Exception):
    """The root: a message, a stable `code`, a `hint` on what to do, and whether trying again can help."""

    code: ClassVar[str] = "E4000"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross to another process whole: without `__init__`, whose arguments are not kept."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class CatalogError(PointsmanError):
    """A catalogue or configuration file cannot be used; nothing of it was applied."""

    code = "E4005"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: str | None = None,
        line: int | None = None,
        column: int | None = None,
        problems: Sequence[CatalogError] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.path, self.line, self.column = path, line, column
        self.problems: tuple[CatalogError, ...] = tuple(problems) or (self,)

    @property
    def location(self) -> str:
        """`path:line:column`, as far as it is known."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        text = super().__str__()
        where = f"{self.location}: {text}" if self.location else text
        more = len(self.problems) - 1
        return f"{where} [and {more} more]" if more > 0 else where


class InvalidModelError(CatalogError):
    """A model's entry is wrong: `field` names where, the message what was found and expected."""

    code = "E4003"

    def __init__(self, message: str, *, field: str | None = None, **location: Any) -> None:
        super().__init__(message, **location)
        self.field = field


class ConfigError(CatalogError):
    """A section of the configuration other than a model is wrong."""

    code = "E4006"


class ModelNotFoundError(PointsmanError, LookupError):
    """No registered model has this name; `nearest` holds names that look alike."""

    code = "E4001"

    def __init__(self, name: str, *, nearest: Sequence[str] = ()) -> None:
        hint = f"did you mean {', '.join(nearest)}?" if nearest else "`pointsman models` lists what is registered"
        super().__init__(f"model {name!r} is not registered", hint=hint)
        self.name = name
        self.nearest = tuple(nearest)


class AmbiguousModelError(PointsmanError, LookupError):
    """A bare name that several providers offer; `keys` lists them."""

    code = "E4002"

    def __init__(self, name: str, keys: Sequence[str]) -> None:
        super().__init__(f"{name!r} is offered by several providers: {', '.join(keys)}", hint="name one of these keys")
        self.name = name
        self.keys = tuple(keys)


class DuplicateModelError(PointsmanError, ValueError):
    """The key is registered already; pass `replace=True` to replace it."""

    code = "E4004"

    def __init__(self, key: str) -> None:
        super().__init__(f"model {key!r} is already registered", hint="pass replace=True to replace it")
        self.key = key


class UnknownVersionError(PointsmanError, LookupError):
    """No version of this name is kept; `known` lists the newest."""

    code = "E4007"

    def __init__(self, version: str, known: Iterable[str]) -> None:
        super().__init__(f"version {version!r} is not kept", hint=f"the newest are {', '.join(list(known)[-5:])}")
        self.version = version


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


class MissingDependencyError(PointsmanError, ImportError):
    """An optional package is needed; the hint is the command that installs it."""

    code = "E4401"

    def __init__(self, package: str, *, extra: str | None = None) -> None:
        install = f"pip install 'pointsman[{extra}]'" if extra else f"pip install {package}"
        super().__init__(f"the package {package!r} is needed for this", hint=install)
        self.package = package


class ModelLoadError(PointsmanError):
    """A client or a local model could not be built, or memory has no room for it now; the cause is chained."""

    code = "E4403"

    def __init__(self, model: str, reason: str, *, retryable: bool = True) -> None:
        super().__init__(f"{model}: {reason}")
        self.model = model
        self.retryable = retryable  # type: ignore[misc]


class MissingCredentialError(PointsmanError):
    """A model's key refers to an environment variable that is not set; `variable` names it."""

    code = "E4402"

    def __init__(self, model: str, variable: str) -> None:
        super().__init__(f"{model} takes its key from {variable}, which is not set", hint=f"export {variable}=...")
        self.model = model
        self.variable = variable
