"""`pointsman health`: probe every model now, or again and again, and show what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live
from rich.markup import escape

from pointsman.cli.options import config_option, json_option, open_router, require_config
from pointsman.cli.tables import console, table
from pointsman.cli.writing import print_json

if TYPE_CHECKING:
    from rich.table import Table

    from pointsman.catalog.spec import ModelSpec
    from pointsman.health.states import HealthReport
    from pointsman.router import Router

_COLOURS = {"healthy": "green", "unhealthy": "red", "degraded": "yellow", "recovering": "yellow"}


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@config_option
@click.option("--watch", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Probe again so often.")
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="With --watch: stop after so many rounds.")
@json_option
def health(
    models: tuple[str, ...], config: str | None, watch: float | None, rounds: int | None, *, as_json: bool
) -> None:
    """Probe models (all of them unless named), free of charge; exit 1 if one does not answer.

    Asks each model's own address for its list of models. Models without an address of their own (api_base) are not
    probed: nothing there is known to be free. With --watch the table stays up to date until Ctrl-C; with --json each
    round is one line.
    """
    router = open_router(require_config(config), store="memory://")
    specs = [router.registry.get_model(name) for name in models] or router.registry.get_available_models()
    if watch is not None:
        asyncio.run(_watch(router, specs, watch, rounds, as_json=as_json))
        return
    reports = asyncio.run(_probe(router, specs))
    ill = sum(not report.healthy for report in reports.values())
    if as_json:
        print_json([_as_json(spec, reports.get(spec.key)) for spec in specs])
    else:
        shown = table(columns=("model", "probe", "seconds", "what was found"), numbers=("seconds",))
        for spec in specs:
            shown.add_row(escape(spec.key), *_row(reports.get(spec.key)))
        console().print(shown)
        answering = f"{len(reports) - ill} of {len(reports)} probed models answer"
        click.echo(f"{answering}; {len(specs) - len(reports)} not probed")
    if ill:
        click.get_current_context().exit(1)


async def _probe(router: Router, specs: Sequence[ModelSpec]) -> dict[str, HealthReport]:
    probed = [spec.key for spec in specs if spec.api_base is not None]
    return await router.check_health(probed) if probed else {}


async def _watch(
    router: Router, specs: Sequence[ModelSpec], seconds: float, rounds: int | None, *, as_json: bool
) -> None:
    """Probe until the rounds are over or somebody presses Ctrl-C."""
    made = 0
    with Live(console=console(), auto_refresh=False) if not as_json else _Lines() as live:
        while rounds is None or made < rounds:
            if made:
                await router.clock.asleep(seconds)
            reports = await _probe(router, specs)
            made += 1
            if isinstance(live, Live):
                live.update(_picture(specs, reports), refresh=True)
            else:
                found = [_as_json(spec, reports.get(spec.key)) for spec in specs]
                click.echo(json.dumps({"at": router.clock.time(), "models": found}))


class _Lines:
    """Nothing to hold up: each round is a line."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _picture(specs: Sequence[ModelSpec], reports: dict[str, HealthReport]) -> Table:
    shown = table(columns=("model", "state", "seconds", "what was found"), numbers=("seconds",))
    shown.caption = f"probed at {datetime.now(UTC):%H:%M:%S} UTC; Ctrl-C ends"
    for spec in specs:
        report = reports.get(spec.key)
        _, seconds, found = _row(report)
        state = "[dim]not probed[/]" if report is None else f"[{_COLOURS.get(report.state, 'dim')}]{report.state}[/]"
        shown.add_row(escape(spec.key), state, seconds, found)
    return shown


def _row(report: HealthReport | None) -> tuple[str, str, str]:
    if report is None:
        return "[dim]not probed[/]", "", "[dim]it has no api_base[/]"
    seconds = "" if report.mean_seconds is None else f"{report.mean_seconds:.3f}"
    if report.healthy:
        return "[green]answers[/]", seconds, ""
    return "[red]failed[/]", seconds, escape("; ".join(report.issues))


def _as_json(spec: ModelSpec, report: HealthReport | None) -> dict[str, Any]:
    if report is None:
        return {"model": spec.key, "probed": False}
    return {
        "model": spec.key,
        "probed": True,
        "answers": report.healthy,
        "state": report.state,
        "seconds": report.mean_seconds,
        "issues": list(report.issues),
    }
