"""The page of every error: class, code, whether trying again can help, and what it means."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from pointsman import errors
from pointsman.errors import PointsmanError
from pointsman.reference.markdown import page, table

_TITLE = "# Errors"
_INTRODUCTION = """\
Every error is a `PointsmanError` with a stable `.code`, a `.hint` on what to do and `.retryable`, which says whether the
same call may succeed when it is made again. A catalogue that cannot be used also knows `.path`, `.line`, `.column`, and
lists everything wrong with it in `.problems`. Providers' own exceptions are raised as they came, or sit inside
`AllModelsFailedError`, which is an `ExceptionGroup`."""


def error_codes() -> str:
    """The page as Markdown."""
    rows = [(f"`{each.__name__}`", each.code, _kinds(each), _again(each), _meaning(each)) for each in every_error()]
    return page(_TITLE, _INTRODUCTION, table(("class", "code", "also a", "retryable", "meaning"), rows))


def every_error() -> list[type[PointsmanError]]:
    """Every class of error that the package raises, by code."""
    return sorted(_below(PointsmanError), key=lambda each: each.code)


def _below(kind: type[PointsmanError]) -> Iterator[type[PointsmanError]]:
    if kind.__module__ == errors.__name__:
        yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


def _kinds(kind: type[PointsmanError]) -> str:
    bases = [each for each in kind.__bases__ if each not in (PointsmanError, Exception)]
    return ", ".join(f"`{each.__name__}`" for each in bases)


def _again(kind: type[PointsmanError]) -> str:
    return "yes" if kind.retryable else "no"


def _meaning(kind: type[PointsmanError]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
