"""`pointsman validate`: every problem of a configuration, with file, line, column and a hint."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta

import click

from pointsman.catalog.files import gathered, parse_catalogue
from pointsman.catalog.loader import load_file
from pointsman.cli.errors import fail
from pointsman.cli.options import json_option, require_config
from pointsman.cli.schema import SECTIONS_WITHOUT_EFFECT
from pointsman.cli.writing import print_json
from pointsman.config import LifecycleSettings, Settings, read_settings
from pointsman.errors import CatalogError
from pointsman.registry.lifecycle import deprecation_note, is_due
from pointsman.registry.models import ModelRegistry

# Of an imported catalogue hundreds may fade at once.
_SHOWN = 10


@click.command()
@click.argument("file", required=False, envvar="POINTSMAN_CONFIG")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Judge lifecycles as of this day.  [default: today]")
@click.option("--all", "show_all", is_flag=True, help="Every warning, however many.")
@json_option
@click.option(
    "--days", type=click.IntRange(min=0), help="How far ahead to look.  [default: the file's notice_days, 90]"
)
def validate(file: str | None, as_of: datetime | None, days: int | None, *, show_all: bool, as_json: bool) -> None:
    """Check a configuration FILE, ./pointsman.yaml unless given; every problem gets a line.

    Exits 0 if the file can be used, 1 if not. What can be used but will surprise you is a warning, and so is every
    model, of the file or of a catalogue it includes, that is deprecated or will be gone within the days asked for.
    """
    file = require_config(file)
    try:
        registry, settings = _read(file)
    except CatalogError as error:
        if not as_json:
            raise
        fail(error, as_json=True, file=file, usable=False)
    day = (as_of or datetime.now(UTC)).date()
    whole = as_of is not None or days is not None
    warnings = [*_without_effect(registry), *_without_key(registry)]
    fading = _fading(registry, day, days, whole=whole)
    if as_json:
        found = {"file": file, "usable": True, "models": len(registry), "providers": registry.list_providers()}
        print_json({**found, "registry": registry.version, "warnings": [*warnings, *fading]})
        return
    shown = fading if show_all or len(fading) <= _SHOWN + 1 else fading[:_SHOWN]
    if len(shown) < len(fading):
        shown = [*shown, f"and {len(fading) - len(shown):,} more models that fade or are gone; --all shows them"]
    for warning in (*warnings, *shown):
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


def _without_effect(registry: ModelRegistry) -> list[str]:
    warnings = [
        f"the section {name!r} has no effect in this version"
        for name in SECTIONS_WITHOUT_EFFECT
        if name in registry.sections
    ]
    return warnings if len(registry) else [*warnings, "it declares no model"]


def _without_key(registry: ModelRegistry) -> list[str]:
    users: dict[str, list[str]] = {}
    for spec in registry:
        if spec.api_key is not None:
            users.setdefault(spec.api_key.removeprefix("env:"), []).append(spec.key)
    warnings = []
    for variable, keys in sorted(users.items()):
        if not os.environ.get(variable):
            others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            warnings.append(f"{variable} is not set; {keys[0]}{others} cannot be called without it")
    return warnings


def _fading(registry: ModelRegistry, day: date, days: int | None, *, whole: bool) -> list[str]:
    """Models that are deprecated or gone, or will be within the notice; of included catalogues only when asked for."""
    notice = LifecycleSettings.model_validate(registry.sections.get("lifecycle") or {}).notice_days
    soon = day + timedelta(days=notice if days is None else days)
    warnings = []
    for spec in registry:
        own = registry.snapshot.origins[spec.key] == "file"
        if spec.status == "disabled" or not (own or whole):
            continue
        if is_due(spec, day) or (spec.sunset_date is not None and spec.sunset_date <= soon):
            warnings.append(deprecation_note(spec, day) or "")
        elif spec.deprecation_date is not None and spec.deprecation_date <= soon:
            warnings.append(f"{spec.key} will be deprecated on {spec.deprecation_date}")
    return warnings
