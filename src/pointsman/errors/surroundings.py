"""Errors of what has to be there for a model to be called: packages, memory, credentials (codes E44xx)."""

from __future__ import annotations

from pointsman.errors.root import PointsmanError


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
