"""Errors of catalogues, configuration files and the registry (codes E40xx)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pointsman.errors.root import PointsmanError


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
