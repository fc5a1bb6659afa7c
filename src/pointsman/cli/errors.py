"""How errors are shown: one or two lines with the code and what to do, never a traceback; with `--json` an object too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import click

from pointsman.cli.writing import print_json
from pointsman.errors import AllModelsFailedError, CatalogError, PointsmanError

_LONGEST_REASON = 200


def show(error: PointsmanError) -> None:
    """Print an error to standard error."""
    for where, code, text in _lines_of(error):
        head = click.style(f"error {code}", fg="red", bold=True) + ": " if code else "  hint: "
        click.echo(f"{where}{head}{text}", err=True)


def fail(error: PointsmanError, *, as_json: bool, exit_code: int = 1, **more: Any) -> NoReturn:
    """Show an error and end the command; with `--json` it is on standard output too, after what else there is to say."""
    show(error)
    if as_json:
        print_json({**more, **told(error)})
    raise click.exceptions.Exit(exit_code)


def told(error: PointsmanError) -> dict[str, Any]:
    """An error as JSON: `code`, `message` and `hint`, and what else is known of errors of its kind."""
    found: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, CatalogError):
        found["problems"] = [problem_of(each) for each in error.problems]
    if isinstance(error, AllModelsFailedError):
        causes = zip(error.models, error.exceptions, strict=False)
        found |= {"hint": _after_failure(error), "retry_after": error.retry_after, "decision": error.decision_id}
        found["causes"] = [{"model": model, "error": type(cause).__name__} for model, cause in causes]
    return found


def problem_of(problem: CatalogError) -> dict[str, Any]:
    """One problem of a file as JSON."""
    place = {"path": problem.path, "line": problem.line, "column": problem.column}
    return {"code": problem.code, "message": problem.message, "hint": problem.hint, **place}


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


def show_refusal(error: Exception, *, as_json: bool = False) -> None:
    """Print what a provider said when it refused the request itself."""
    reason = _flat(str(error))
    reason = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + " ..."
    message = f"the model refused the request: {reason}"
    hint = f"{type(error).__name__} means the request itself; no other model was asked"
    click.echo(click.style("error", fg="red", bold=True) + f": {message}", err=True)
    click.echo(f"  hint: {hint}", err=True)
    if as_json:
        print_json({"code": None, "message": message, "hint": hint})


def _after_failure(error: AllModelsFailedError) -> str:
    asked = "`pointsman health` shows who is up"
    return asked if error.retry_after is None else f"{asked}; trying again may help in {error.retry_after:.0f} s"


def _flat(text: str) -> str:
    return " ".join(text.split())
