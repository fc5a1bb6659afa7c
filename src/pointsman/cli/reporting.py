"""`pointsman report`: a ledger as one page, or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.options import config_option, find_config, json_option
from pointsman.cli.writing import print_json, write_text
from pointsman.config import load_config
from pointsman.errors import ConfigError
from pointsman.registry.models import ModelRegistry
from pointsman.stores.urls import open_store

if TYPE_CHECKING:
    from pointsman.report import Findings
    from pointsman.stores.base import Store

_SQLITE = "sqlite:///"


@click.command()
@click.argument("ledger", required=False, metavar="[LEDGER]")
@config_option
@click.option(
    "--output", "-o", metavar="FILE", help="Where the page goes; - for standard output.  [default: report.html]"
)
@click.option(
    "--decisions", type=click.IntRange(1, 2_000), default=100, show_default=True, help="How many can be opened."
)
@json_option
def report(ledger: str | None, config: str | None, output: str | None, decisions: int, *, as_json: bool) -> None:
    """Write what LEDGER holds as one page that needs no network: who served what, when, at what cost, and why.

    LEDGER is a router's file or its URL; without it, the configuration's store. With --json the sums are printed, and
    a page is written only if --output says where.
    """
    from pointsman.report import gather, page_of  # noqa: PLC0415  next to its use

    path = find_config(config)
    registry, store, name = _opened(ledger, path)
    try:
        if output is not None or not as_json:
            page = page_of(store, name=name, decisions=decisions, registry=registry)
            write_text(output or "report.html", page)
        found = gather(store, opened=decisions) if as_json else None
    finally:
        store.close()
    if found is not None:
        print_json(_as_json(found))
    elif output != "-":
        click.echo(f"{output or 'report.html'}: {name}, {len(page):,} bytes")


def _opened(ledger: str | None, config: str | None) -> tuple[ModelRegistry | None, Store, str]:
    registry, url = None, ledger
    if config is not None:
        registry, settings = load_config(config)
        url = ledger or settings.store
    if url is None:
        raise ConfigError(
            "no ledger is named", hint="name a file such as pointsman.db, or a configuration with a store"
        )
    file = url.removeprefix(_SQLITE)
    if "://" not in url or url.startswith(_SQLITE):
        if not Path(file).is_file():
            raise ConfigError(f"there is no ledger {file}", hint="a router writes one with `store: sqlite:///FILE`")
        return registry, open_store(f"{_SQLITE}{file}"), Path(file).name
    store = open_store(url)
    if not store.shared:
        store.close()
        raise ConfigError("the configuration's store keeps nothing", hint="set `store: sqlite:///FILE`")
    return registry, store, f"{url.partition('://')[0]} ledger"  # the rest of a URL may hold a password


def _as_json(found: Findings) -> dict[str, Any]:
    models = {
        key: {
            "answers": each.answered,
            "first_choice": each.chosen,
            "cached": each.cached,
            "faults": dict(each.faults),
            "cost_usd": each.cost if each.billed else None,
            "input_tokens": each.input_tokens,
            "output_tokens": each.output_tokens,
            "seconds_p50": each.seconds.quantile(0.5),
            "seconds_p95": each.seconds.quantile(0.95),
            "ttft_p50": each.ttft.quantile(0.5),
            "scored": each.scored,
            "mean_score": each.score / each.scored if each.scored else None,
        }
        for key, each in sorted(found.models.items(), key=lambda item: -item[1].answered)
    }
    return {
        "decisions": found.decisions,
        "attempts": found.attempts,
        "first": found.first,
        "last": found.last,
        "explored": found.explored,
        "policies": dict(found.policies),
        "models": models,
        "learning_curve": [{"answers": until, "mean_score": mean} for until, mean in found.scores.points()],
        "health_changes": list(json.loads(json.dumps(list(found.health), default=str))),
    }
