"""`pointsman import-litellm`: the model map of the installed LiteLLM as a catalogue, or what is in it."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from pointsman.catalog import capabilities as tree
from pointsman.catalog.export import catalogue_text, stated
from pointsman.catalog.litellm_map import LiteLLMMap, read_litellm_map
from pointsman.cli.options import names
from pointsman.cli.tables import console, table
from pointsman.cli.writing import write_text
from pointsman.errors import InvalidRequestError

if TYPE_CHECKING:
    from pointsman.catalog.spec import ModelSpec

_CHAT = "generation.text.chat"
_COLUMNS = ("provider", "models", "chat", "with price", "with window")


@click.command("import-litellm")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only this one's; may be repeated.")
@click.option("--capability", "capabilities", multiple=True, metavar="PATH", help="Only models that have it; likewise.")
@click.option("--output", "-o", metavar="FILE", help="Write a catalogue; - for standard output.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the models with every known field, and the skipped.")
def import_litellm(
    providers: tuple[str, ...], capabilities: tuple[str, ...], output: str | None, *, as_json: bool
) -> None:
    """Make a catalogue of the model map inside the installed LiteLLM, without importing LiteLLM.

    Prices, windows, abilities and dates are the map's; families follow from names; what it does not say stays unknown.
    Without --output or --json a summary is printed.
    """
    found = read_litellm_map(providers=names(providers), capabilities=_canonical(capabilities))
    if not found.models:
        what = ", ".join((*providers, *capabilities)) or "anything"
        raise InvalidRequestError(
            f"litellm {found.version} has no models of {what}",
            hint="`pointsman import-litellm` lists the providers it has",
        )
    if output is not None:
        note = f"{_total(found)}. What it does not say is unknown."
        write_text(output, catalogue_text(found.models, note=note))
    if as_json:
        skipped = {reason: list(keys) for reason, keys in found.skipped.items()}
        models = [{"key": spec.key, **stated(spec)} for spec in found.models]
        click.echo(json.dumps({"litellm": found.version, "models": models, "skipped": skipped}, indent=2))
    elif output is None:
        _print(found)
    elif output != "-":
        click.echo(f"{output}: {_total(found)}")


def _canonical(capabilities: tuple[str, ...]) -> list[str]:
    try:
        return [tree.canonical(name) for name in names(capabilities)]
    except ValueError as error:
        raise InvalidRequestError(str(error), field="capability") from None


def _total(found: LiteLLMMap) -> str:
    chat = sum(spec.has_capability(_CHAT) for spec in found.models)
    return f"{len(found.models):,} models of litellm {found.version}'s model map, {chat:,} of them for chat"


def _print(found: LiteLLMMap) -> None:
    by_provider: dict[str, list[ModelSpec]] = {}
    for spec in found.models:
        by_provider.setdefault(spec.provider, []).append(spec)
    shown = table(columns=_COLUMNS, numbers=_COLUMNS[1:])
    for provider, specs in sorted(by_provider.items(), key=lambda item: (-len(item[1]), item[0])):
        shown.add_row(
            escape(provider),
            f"{len(specs):,}",
            f"{sum(spec.has_capability(_CHAT) for spec in specs):,}",
            f"{sum(spec.cost_per_1m_input_tokens is not None for spec in specs):,}",
            f"{sum((spec.context_window or spec.max_input_tokens) is not None for spec in specs):,}",
        )
    console().print(shown)
    click.echo(_total(found))
    skipped = Counter({reason: len(keys) for reason, keys in found.skipped.items()})
    if skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.most_common())
        click.echo(f"{skipped.total():,} entries are no models: {reasons}")
