"""`pointsman diff`: which models two catalogues or configurations differ in."""

from __future__ import annotations

import json

import click
from rich.markup import escape

from pointsman.catalog.difference import CatalogDiff, compare
from pointsman.cli.errors import fail
from pointsman.cli.tables import console, table
from pointsman.errors import PointsmanError
from pointsman.registry.models import ModelRegistry

_BUILTIN = "builtin:"
_COLOURS = {"added": "green", "removed": "red"}


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: whole entries, [old, new] per changed field.")
def diff(old: str, new: str, *, as_json: bool) -> None:
    """Show which models differ between two files, OLD and NEW, field by field.

    Each is a configuration or catalogue, or a built-in one such as builtin:openai. Exits 0 if all models are the
    same, 1 if not, 2 if a file cannot be read.
    """
    try:
        found = compare(_read(old), _read(new))
    except PointsmanError as error:
        fail(error, as_json=as_json, exit_code=2)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _print(found)
    if found:
        click.get_current_context().exit(1)


def _read(name: str) -> ModelRegistry:
    if name.startswith(_BUILTIN):
        return ModelRegistry.builtin(name.removeprefix(_BUILTIN))
    return ModelRegistry.load(name)


def _print(found: CatalogDiff) -> None:
    if found:
        shown = table(columns=("model", "what", "old", "new"))
        for key, what, old, new in found.rows():
            colour = _COLOURS.get(what, "yellow")
            shown.add_row(escape(key), f"[{colour}]{escape(what)}[/]", escape(old), escape(new))
        console().print(shown)
    click.echo(found.summary if found else "no difference")
