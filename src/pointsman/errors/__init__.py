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

from pointsman.errors.calls import (
    AllModelsFailedError,
    BudgetExceededError,
    CostLimitError,
    DeadlineExceededError,
    EmptyAnswerError,
    LimitReachedError,
    ReportedError,
    StreamInterruptedError,
    TruncatedStreamError,
)
from pointsman.errors.catalog import (
    AmbiguousModelError,
    CatalogError,
    ConfigError,
    DuplicateModelError,
    InvalidModelError,
    ModelNotFoundError,
    UnknownVersionError,
)
from pointsman.errors.records import (
    InvalidFeedbackError,
    InvalidTraceError,
    NoSupportError,
    StoreError,
    UnknownDecisionError,
)
from pointsman.errors.requests import (
    InvalidParametersError,
    InvalidRequestError,
    NoEligibleModelsError,
    PromptTooLongError,
)
from pointsman.errors.root import PointsmanError
from pointsman.errors.surroundings import (
    MissingCredentialError,
    MissingDependencyError,
    ModelLoadError,
)

__all__ = [
    "AllModelsFailedError",
    "AmbiguousModelError",
    "BudgetExceededError",
    "CatalogError",
    "ConfigError",
    "CostLimitError",
    "DeadlineExceededError",
    "DuplicateModelError",
    "EmptyAnswerError",
    "InvalidFeedbackError",
    "InvalidModelError",
    "InvalidParametersError",
    "InvalidRequestError",
    "InvalidTraceError",
    "LimitReachedError",
    "MissingCredentialError",
    "MissingDependencyError",
    "ModelLoadError",
    "ModelNotFoundError",
    "NoEligibleModelsError",
    "NoSupportError",
    "PointsmanError",
    "PromptTooLongError",
    "ReportedError",
    "StoreError",
    "StreamInterruptedError",
    "TruncatedStreamError",
    "UnknownDecisionError",
    "UnknownVersionError",
]

# Tracebacks, logs and pickles call them by the name that users import, wherever they are defined.
for _name in __all__:
    globals()[_name].__module__ = __name__
