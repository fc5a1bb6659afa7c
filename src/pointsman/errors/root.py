"""The root of all errors: what every one of them has."""

from __future__ import annotations

import copyreg
from typing import Any, ClassVar


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
