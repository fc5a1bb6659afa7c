"""`pointsman replay`: how other policies would have done, on a log or on a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.errors import show
from pointsman.cli.options import config_option, json_option
from pointsman.cli.writing import print_json, write_text
from pointsman.policies.names import policy_names
from pointsman.registry.models import ModelRegistry

if TYPE_CHECKING:
    from pointsman.replay import Comparison, Runs

_ON_A_LOG = ("adaptive", "thompson", "best", "cheapest")
_ON_A_TRACE = ("adaptive", "thompson", "ucb", "best", "cheapest")


@click.command()
@click.argument("source", metavar="STORE|TRACE")
@click.option(
    "--policy",
    "-p",
    "policies",
    multiple=True,
    metavar="NAME[:OPTION=VALUE,...]",
    help="A policy to judge; may be repeated. One of: " + ", ".join(policy_names()) + ".",
)
@click.option(
    "--measure",
    type=click.Choice(["score", "success", "reward", "cost"]),
    default="score",
    show_default=True,
    help="Of a log: what is estimated.",
)
@click.option("--frozen", is_flag=True, help="Of a log: policies do not learn on their way through it.")
@click.option("--warm-up", type=click.FloatRange(0, 0.9), metavar="SHARE", help="Of a log: rows only learnt from.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Of a trace: how many orders."
)
@click.option(
    "--cost-weight", type=click.FloatRange(0), default=0.1, show_default=True, help="Of a trace: in its reward."
)
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="USD", help="Of a trace: per request.")
@click.option("--front", is_flag=True, help="Of a trace: also the cost-quality front of policies with a cost_weight.")
@click.option("--plot", metavar="FILE", help="Draw estimates, or regret, into a .png, .svg or .pdf (needs matplotlib).")
@json_option
@click.option("--html", metavar="FILE", help="Write the table as HTML; `-` prints it.")
@config_option
def replay(
    source: str, policies: tuple[str, ...], *, as_json: bool, html: str | None, plot: str | None, **options: Any
) -> None:
    """Estimate how other policies would have done.

    STORE is the file (or URL) that a router keeps its log in; estimates need the scores given by feedback. TRACE is a
    CSV file or JSON lines with every model's score for every prompt. Exits 1 if the log cannot say anything of a policy.
    """
    from pointsman.replay.traces import is_trace  # noqa: PLC0415  numpy

    found = _on_trace(source, policies, options) if is_trace(source) else _on_log(source, policies, options)
    if plot is not None:
        _draw(found, plot)
    if html is not None:
        write_text(html, found._repr_html_())
    refusals = getattr(found, "refusals", ())
    if as_json:
        print_json(found.as_dict())
    elif html != "-":
        click.echo(found.text)
        for refusal in refusals:
            show(refusal)
    if refusals:
        click.get_current_context().exit(1)


def _on_log(source: str, policies: tuple[str, ...], options: dict[str, Any]) -> Comparison:
    from pointsman.replay import compare  # noqa: PLC0415  numpy

    registry = None if options["config"] is None else ModelRegistry.load(options["config"])
    return compare(
        source,
        [read_policy(each) for each in policies or _ON_A_LOG],
        measure=options["measure"],
        registry=registry,
        learn=not options["frozen"],
        warm_up=options["warm_up"],
    )


def _on_trace(source: str, policies: tuple[str, ...], options: dict[str, Any]) -> Runs:
    from pointsman.replay import read_trace, run  # noqa: PLC0415  numpy

    return run(
        read_trace(source),
        [read_policy(each) for each in policies or _ON_A_TRACE],
        seeds=options["seeds"],
        cost_weight=options["cost_weight"],
        budget=options["budget"],
        fronts=options["front"],
    )


def _draw(found: Comparison | Runs, path: str) -> None:
    from pointsman.replay import Runs, plots  # noqa: PLC0415  numpy

    axes = plots.plot_regret(found) if isinstance(found, Runs) else plots.plot_estimates(found)
    try:
        axes.figure.savefig(path)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"cannot draw into {Path(path).name}: {error}") from None


def read_policy(text: str) -> str | dict[str, Any]:
    """Read a policy as the command line spells it.

    >>> read_policy("thompson:floor=0.1,exploration=1")
    {'name': 'thompson', 'floor': 0.1, 'exploration': 1}
    """
    name, colon, rest = text.partition(":")
    if not colon:
        return name
    options: dict[str, Any] = {}
    for part in rest.split(","):
        option, equals, value = part.partition("=")
        if not equals:
            raise click.UsageError(f"--policy {text}: {part!r} is no OPTION=VALUE")
        try:
            options[option.strip()] = json.loads(value)
        except ValueError:
            options[option.strip()] = value
    return {"name": name, **options}
