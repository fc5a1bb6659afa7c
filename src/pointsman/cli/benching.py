"""`pointsman bench`: measures models by real calls and keeps what was found as their facts."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from pointsman.cli.options import config_option, json_option, open_router, require_config
from pointsman.cli.tables import console, table
from pointsman.cli.writing import print_json
from pointsman.config import load_config
from pointsman.errors import ConfigError
from pointsman.stores.urls import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pointsman.bench import Measurement, Task
    from pointsman.catalog.spec import ModelSpec
    from pointsman.registry.models import ModelRegistry

_PROMPT = "Explain in about a hundred words why the sky is blue."
_COLUMNS = ("model", "answers", "failed", "p50", "p99", "first token", "tokens/s", "quality", "cost")


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@config_option
@click.option("--requests", "-n", type=click.IntRange(1, 1_000), default=5, show_default=True, help="Calls per model.")
@click.option("--prompt", default=_PROMPT, metavar="TEXT", help="What to ask.")
@click.option(
    "--prompts", metavar="FILE", help='Score quality: lines of {"prompt": ..., "expected": ... or "regex": ...}.'
)
@click.option("--save/--no-save", default=True, help="Keep the facts in the configuration's store.  [default: --save]")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before spending.")
@json_option
def bench(
    models: tuple[str, ...],
    config: str | None,
    requests: int,
    prompt: str,
    prompts: str | None,
    *,
    save: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Measure models (all of them unless named) by real calls: latency, time to the first token, tokens per second.

    With --prompts each model also answers every prompt of a file, and the share it gets right is its quality, per
    `expertise` if the lines name one. What was found is laid over the models' facts in the configuration's store, with
    its source and today's date; every router on that store has it when it starts. Exits 1 if a model did not answer.
    """
    from pointsman.bench import Task, measure, read_tasks  # noqa: PLC0415  likewise
    from pointsman.caller import chunk_text, complete_stream  # noqa: PLC0415  next to its use: it brings LiteLLM in
    from pointsman.demo.quiet import hush_litellm  # noqa: PLC0415  likewise

    path = require_config(config)
    tasks: list[Task] = [Task(prompt)] * requests if prompts is None else read_tasks(prompts)
    router = open_router(path, store="memory://", policy="cheapest")  # what is measured here teaches nobody
    specs = [router.registry.get_model(name) for name in models] or router.registry.get_available_models()
    _agree(specs, tasks, asked=not yes)
    hush_litellm()
    found: list[Measurement] = []
    with click.progressbar(
        length=len(specs) * len(tasks), label="measuring", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for spec in specs:
            step = lambda: bar.update(1)  # noqa: E731
            found.append(measure(router, spec, tasks, complete_stream, chunk_text, on_answer=step))
    day = datetime.fromtimestamp(router.clock.time(), UTC).date()
    saved, why_not = _keep(path, specs, found, day) if save else ([], "--no-save")
    if as_json:
        print_json([{**each.as_dict(), "saved": each.model in saved} for each in found])
    else:
        _print(found)
        click.echo(f"kept in the store: {', '.join(saved)}" if saved else f"nothing was kept: {why_not}")
    if not all(each.seconds for each in found):
        click.get_current_context().exit(1)


def _agree(specs: Sequence[ModelSpec], tasks: Sequence[Task], *, asked: bool) -> None:
    calls = len(specs) * len(tasks)
    if not specs:
        raise ConfigError("the configuration has no model that can be called")
    if asked and not click.confirm(f"{calls} real calls to {len(specs)} models; go on?", err=True):
        raise click.Abort


def _keep(path: str, specs: Sequence[ModelSpec], found: Sequence[Measurement], day: date) -> tuple[list[str], str]:
    """Lay what was found over the models' facts; which ones, and why not if none."""
    registry, settings = load_config(path)
    store = open_store(settings.store)
    try:
        if not store.shared:
            return [], "the configuration's store keeps nothing; set `store: sqlite:///FILE`"
        registry.attach(store)
        return [
            spec.key for spec, each in zip(specs, found, strict=True) if _lay_over(registry, spec, each, day)
        ], "no model answered"
    finally:
        store.close()


def _lay_over(registry: ModelRegistry, spec: ModelSpec, found: Measurement, day: date) -> bool:
    known = registry.find_model(spec.key)
    facts: dict[str, Any] = {} if known is None else found.facts(known, day)
    if facts:
        registry.amend_model(spec.key, facts)
    return bool(facts)


def _print(found: Sequence[Measurement]) -> None:
    shown = table(columns=_COLUMNS, numbers=_COLUMNS[1:])
    for each in found:
        figures = each.as_dict()
        quality = ", ".join(f"{name} {value:.2f}" for name, value in figures["quality"].items())
        shown.add_row(
            escape(each.model),
            str(figures["answers"]),
            escape(", ".join(sorted(set(each.faults)))) or "0",
            *(_seconds(figures[name]) for name in ("latency_p50", "latency_p99", "ttft_p50")),
            "?" if figures["tokens_per_second"] is None else f"{figures['tokens_per_second']:.0f}",
            escape(quality),
            f"${each.cost:.4g}",
        )
    console().print(shown)


def _seconds(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f} s"
