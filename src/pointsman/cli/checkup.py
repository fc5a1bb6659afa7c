"""`pointsman health`: probe every model now and show what came of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from pointsman.cli.options import config_option, require_config
from pointsman.cli.tables import console, table
from pointsman.router import Router

if TYPE_CHECKING:
    from pointsman.health import HealthReport


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@config_option
def health(models: tuple[str, ...], config: str | None) -> None:
    """Probe models (all of them unless named), free of charge; exit 1 if one does not answer.

    Asks each model's own address for its list of models. Models without an address of their own (api_base) are not
    probed: nothing there is known to be free.
    """
    router = Router.from_config(require_config(config), store="memory://")
    specs = [router.registry.get_model(name) for name in models] or router.registry.get_available_models()
    probed = [spec.key for spec in specs if spec.api_base is not None]
    reports = asyncio.run(router.check_health(probed)) if probed else {}
    shown = table(columns=("model", "probe", "seconds", "what was found"), numbers=("seconds",))
    for spec in specs:
        shown.add_row(escape(spec.key), *_row(reports.get(spec.key)))
    console().print(shown)
    ill = sum(not report.healthy for report in reports.values())
    click.echo(f"{len(probed) - ill} of {len(probed)} probed models answer; {len(specs) - len(probed)} not probed")
    if ill:
        click.get_current_context().exit(1)


def _row(report: HealthReport | None) -> tuple[str, str, str]:
    if report is None:
        return "[dim]not probed[/]", "", "[dim]it has no api_base[/]"
    seconds = "" if report.mean_seconds is None else f"{report.mean_seconds:.3f}"
    if report.healthy:
        return "[green]answers[/]", seconds, ""
    return "[red]failed[/]", seconds, escape("; ".join(report.issues))
