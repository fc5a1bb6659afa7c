"""How errors are shown: one or two lines with the code and what to do, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator

import click

from pointsman.errors import AllModelsFailedError, CatalogError, PointsmanError

_LONGEST_REASON = 200


def show(error: PointsmanError) -> None:
    """Print an error to standard error."""
    for where, code, text in _lines_of(error):
        head = click.style(f"error {code}", fg="red", bold=True) + ": " if code else "  hint: "
        click.echo(f"{where}{head}{text}", err=True)


def _lines_of(error: PointsmanError) -> Iterator[tuple[str, str, str]]:
    """One line for the error and one for its hint; for a file, one line per problem, as compilers print them."""
    if isinstance(error, CatalogError):
        for problem in error.problems:
            where = f"{problem.location}: " if problem.location else ""
            hint = f" ({_flat(problem.hint)})" if problem.hint else ""
            yield where, problem.code, f"{_flat(problem.message)}{hint}"
    elif isinstance(error, AllModelsFailedError):
        yield "", error.code, _flat(str(error))
        yield "", "", _after_failure(error)
    else:
        yield "", error.code, _flat(error.message)
        if error.hint:
            yield "", "", _flat(error.hint)


def show_refusal(error: Exception) -> None:
    """Print what a provider said when it refused the request itself."""
    reason = _flat(str(error))
    reason = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + " ..."
    click.echo(click.style("error", fg="red", bold=True) + f": the model refused the request: {reason}", err=True)
    click.echo(f"  hint: {type(error).__name__} means the request itself; no other model was asked", err=True)


def _after_failure(error: AllModelsFailedError) -> str:
    asked = "`pointsman health` shows who is up"
    return asked if error.retry_after is None else f"{asked}; trying again may help in {error.retry_after:.0f} s"


def _flat(text: str) -> str:
    return " ".join(text.split())
