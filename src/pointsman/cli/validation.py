"""`pointsman validate`: every problem of a configuration, with file, line, column and a hint."""

from __future__ import annotations

import os
from typing import Any

import click

from pointsman.catalog.files import gathered, parse_catalogue
from pointsman.catalog.loader import load_file
from pointsman.cli.schema import SECTIONS_WITHOUT_EFFECT
from pointsman.config import Settings, read_settings
from pointsman.errors import CatalogError
from pointsman.registry import ModelRegistry


@click.command()
@click.argument("file")
def validate(file: str) -> None:
    """Check a configuration FILE; every problem gets a line.

    Exits 0 if the file can be used, 1 if not. What can be used but will surprise you is a warning.
    """
    registry, settings = _read(file)
    for warning in _warnings(registry):
        click.echo(f"{file}: {click.style('warning', fg='yellow')}: {warning}", err=True)
    pools = len(registry.snapshot.pools)
    policy = settings.policy if isinstance(settings.policy, str) else settings.policy["name"]
    click.echo(
        f"{file}: fine: {len(registry)} models of {len(registry.list_providers())} providers, {pools} pools, "
        f"policy {policy}, store {settings.store.partition('://')[0]}"
    )


def _read(path: str) -> tuple[ModelRegistry, Settings]:
    """Read everything, so that one run shows every problem.

    Raises:
        CatalogError: with all of them.
    """
    tree = load_file(path)
    problems: list[CatalogError] = []
    settings = Settings()
    try:
        parse_catalogue(tree, path)
    except CatalogError as error:
        problems += error.problems
    if isinstance(tree, dict):
        try:
            settings = read_settings(tree, path)
        except CatalogError as error:
            problems += error.problems
    if problems:
        raise gathered(sorted(problems, key=_position))
    return ModelRegistry.load(path), settings


def _position(problem: CatalogError) -> tuple[int, int]:
    return problem.line or 0, problem.column or 0


def _warnings(registry: ModelRegistry) -> list[str]:
    sections: Any = registry.sections
    warnings = [
        f"the section {name!r} has no effect in this version" for name in SECTIONS_WITHOUT_EFFECT if name in sections
    ]
    users: dict[str, list[str]] = {}
    for spec in registry:
        if spec.api_key is not None:
            users.setdefault(spec.api_key.removeprefix("env:"), []).append(spec.key)
    for variable, keys in sorted(users.items()):
        if not os.environ.get(variable):
            others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            warnings.append(f"{variable} is not set; {keys[0]}{others} cannot be called without it")
    if not len(registry):
        warnings.append("it declares no model")
    return warnings
