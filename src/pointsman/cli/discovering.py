"""`pointsman discover`: asks the configured servers which models they have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from pointsman.catalog.export import catalogue_text
from pointsman.cli.options import config_option, names, require_config
from pointsman.cli.tables import console, table
from pointsman.cli.writing import write_text
from pointsman.config import load_config
from pointsman.errors import ConfigError
from pointsman.stores.urls import open_store

if TYPE_CHECKING:
    from pointsman.discovery import Discovery
    from pointsman.registry.models import ModelRegistry

_COLOURS = {
    "new": "green",
    "not listed": "yellow",
    "changed": "yellow",
    "quarantined": "red",
    "ignored": "yellow",
    "problem": "red",
}


@click.command()
@config_option
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only this one's; may be repeated.")
@click.option("--timeout", type=float, default=5.0, show_default=True, metavar="SECONDS", help="For each server.")
@click.option("--apply", "applied", type=click.Choice(["additions"]), help="Register the new models in the store.")
@click.option("--approve", multiple=True, metavar="KEY", help="Also carry out what was found of this model; likewise.")
@click.option("--output", "-o", metavar="FILE", help="Write the new models as a catalogue; - for standard output.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def discover(
    config: str | None,
    providers: tuple[str, ...],
    timeout: float,
    applied: str | None,
    approve: tuple[str, ...],
    output: str | None,
    *,
    as_json: bool,
) -> None:
    """Ask the servers of registered models (those with an api_base) which models they have.

    Shows what is new, what is not listed any more, and what a server states differently; prices and windows that
    jump by more than ten times are quarantined. Nothing is changed unless --apply or --approve says so, and that is
    kept in the configuration's store. Exits 1 if a server could not be asked.
    """
    from pointsman.discovery import discover as ask  # noqa: PLC0415  asyncio is loaded when it is used

    registry, settings = load_config(require_config(config))
    store = open_store(settings.store)
    try:
        changes = applied is not None or bool(approve)
        if store.shared:
            registry.attach(store)
        elif changes:
            raise ConfigError(
                "the configuration's store keeps nothing", hint="set `store: sqlite:///FILE`, or write with --output"
            )
        found = ask(registry, providers=names(providers), timeout=timeout)
        done = _apply(registry, found, additions=applied is not None, approve=names(approve)) if changes else ()
    finally:
        store.close()
    if output is not None:
        write_text(output, catalogue_text(found.additions, note=f"Models that servers listed: {found.summary}."))
    if as_json:
        click.echo(json.dumps({**found.to_dict(), "applied": list(done)}, indent=2))
    elif output != "-":
        _print(found)
        if changes:
            click.echo(f"applied: {', '.join(done) or 'nothing'}")
    if found.problems:
        click.get_current_context().exit(1)


def _apply(registry: ModelRegistry, found: Discovery, *, additions: bool, approve: tuple[str, ...]) -> tuple[str, ...]:
    from pointsman.discovery import apply  # noqa: PLC0415  likewise

    return apply(registry, found, additions=additions, approve=approve, origin="manual")


def _print(found: Discovery) -> None:
    rows = list(found.rows())
    if rows:
        shown = table(columns=("what", "model or server", "detail"))
        for what, name, detail in rows:
            shown.add_row(f"[{_COLOURS[what]}]{what}[/]", escape(name), escape(detail))
        console().print(shown)
    click.echo(found.summary)
