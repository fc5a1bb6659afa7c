"""`pointsman demo`: three honest minutes."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from pointsman.cli.options import json_option
from pointsman.cli.writing import print_json


@click.command()
@click.option("--fast", is_flag=True, help="Without the LiteLLM Proxy process, fewer requests: under 30 seconds.")
@click.option("--requests", type=click.IntRange(min=1, max=2000), metavar="N", help="How many requests.")
@click.option("--seed", type=int, default=7, show_default=True, help="Decides prompts, answers and draws.")
@click.option("--plain", is_flag=True, help="Lines instead of a live display; so it is in a pipe anyway.")
@click.option("--store", metavar="FILE", help="Keep the log in this new file, for `pointsman replay`.")
@click.option("--config", "-c", metavar="FILE", help="Run on your own models instead: real calls, real money.")
@click.option("--yes", "-y", is_flag=True, help="With --config: do not ask before spending.")
@json_option
def demo(
    *,
    fast: bool,
    requests: int | None,
    seed: int,
    plain: bool,
    store: str | None,
    config: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Watch pointsman work: model servers on this machine, faults, learning, and no request lost.

    Starts four model servers and sends prompts through three doors (LangChain, the LiteLLM Router, a LiteLLM Proxy).
    Half way one model hangs and one answers 429. Exits 1 if a request was lost.
    """
    from pointsman.demo import run_on_local_models, run_on_own_models  # noqa: PLC0415  brings testing servers in

    if store is not None and (config is not None or Path(store).exists()):
        reason = f"{store} is there already" if config is None else "the log of your own models is in their own store"
        raise click.UsageError(f"--store: {reason}")
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        if config is None:
            lost = run_on_local_models(requests=requests, seed=seed, fast=fast, plain=plain, store=store)
        else:
            lost = run_on_own_models(config, requests=requests, seed=seed, plain=plain, confirm=not yes)
    if as_json:
        print_json({"requests_lost": lost})
    if lost:
        click.get_current_context().exit(1)
