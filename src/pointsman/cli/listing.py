"""`pointsman models`: what is registered, as a table or as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.text import Text

from pointsman.catalog.files import builtin_names
from pointsman.cli.options import config_option, find_config, names
from pointsman.cli.tables import console, table
from pointsman.eligibility.mentions import undeclared
from pointsman.registry.models import ModelRegistry

if TYPE_CHECKING:
    from pointsman.catalog.spec import ModelSpec

_CAPABILITIES_SHOWN = 6
_COLUMNS = ("model", "status", "window", "output", "$/1M in", "$/1M out", "can")
_NUMBERS = ("window", "output", "$/1M in", "$/1M out")
_COLOURS = {"active": "green", "deprecated": "yellow", "maintenance": "yellow", "disabled": "red"}


@click.command()
@click.argument("catalogues", nargs=-1, metavar="[CATALOGUE]...")
@config_option
@click.option("--capability", multiple=True, metavar="PATH", help="Only models that have it; may be repeated.")
@click.option("--provider", metavar="NAME", help="Only this provider's.")
@click.option("--family", metavar="NAME", help="Only this family.")
@click.option(
    "--status", type=click.Choice(["active", "deprecated", "disabled", "maintenance"]), help="Only with this status."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of models with every known field.")
def models(catalogues: tuple[str, ...], config: str | None, *, as_json: bool, **wanted: Any) -> None:
    """List the registered models.

    Shows the configuration's models; with CATALOGUEs (such as openai gemini), or without a configuration, the
    built-in ones.
    """
    path = None if catalogues else find_config(config)
    registry = ModelRegistry.builtin(*catalogues) if path is None else ModelRegistry.load(path)
    found = _selected(registry, **wanted)
    if as_json:
        click.echo(json.dumps([_as_json(spec) for spec in found], indent=2))
        return
    if path is None and not catalogues:
        click.echo(f"no configuration here: the built-in catalogues ({', '.join(builtin_names())})", err=True)
    if found:
        _print(found)
    else:
        _tell_misspelt(registry, **wanted)
    more = f" of {len(registry)}" if len(found) != len(registry) else ""
    click.echo(f"{len(found)}{more} models, registry {registry.version}")


def _selected(registry: ModelRegistry, capability: tuple[str, ...], **filters: Any) -> list[ModelSpec]:
    able = {spec.key for spec in registry.get_models_by_capabilities(names(capability))}
    return [spec for spec in registry.list_models(**filters) if spec.key in able]


def _tell_misspelt(registry: ModelRegistry, capability: tuple[str, ...], **filters: Any) -> None:
    """Name what was probably meant by a word that no model declares."""
    asked = [("cap", registry.snapshot.capability(name)) for name in names(capability)]
    asked += [(name, value) for name, value in filters.items() if value is not None]
    for prefix, value in asked:
        if hint := undeclared(registry.snapshot, prefix, value):
            click.echo(f"  hint: {hint}", err=True)


def _as_json(spec: ModelSpec) -> dict[str, Any]:
    return {"key": spec.key, **spec.model_dump(mode="json", exclude_unset=True), "status": spec.status}


def _print(specs: list[ModelSpec]) -> None:
    shown = table(columns=_COLUMNS, numbers=_NUMBERS)
    for spec in specs:
        shown.add_row(
            escape(spec.key),
            f"[{_COLOURS[spec.status]}]{spec.status}[/]",
            _tokens(spec.context_window),
            _tokens(spec.max_output_tokens),
            _price(spec.cost_per_1m_input_tokens),
            _price(spec.cost_per_1m_output_tokens),
            Text(_some(spec.capabilities), no_wrap=True, overflow="ellipsis"),
        )
    console().print(shown)


def _tokens(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _price(usd: float | None) -> str:
    return "?" if usd is None else f"{usd:g}"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _CAPABILITIES_SHOWN
    shown = " ".join(name.removeprefix("generation.") for name in names[:_CAPABILITIES_SHOWN])
    return shown + (f" +{more}" if more > 0 else "")
