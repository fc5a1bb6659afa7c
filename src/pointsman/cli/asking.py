"""`pointsman explain` and `pointsman route`: who would serve a prompt, and one real call."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.errors import show_refusal
from pointsman.cli.options import config_option, find_config, read_request, request_arguments, require_config
from pointsman.config import Settings, load_config
from pointsman.errors import NoEligibleModelsError, PointsmanError
from pointsman.faults import FaultKind, classify
from pointsman.registry import ModelRegistry
from pointsman.router import Router

if TYPE_CHECKING:
    from pointsman.steps import CallRecord
    from pointsman.types import Request

_REFUSED = frozenset({FaultKind.BAD_REQUEST, FaultKind.CONTENT_POLICY})
_SQLITE = "sqlite:///"


@click.command()
@request_arguments
@config_option
def explain(prompt: str, config: str | None, **wishes: Any) -> None:
    """Show who would serve PROMPT, with which fallbacks, and why not the others. Makes no call.

    PROMPT may be - for standard input. Without a configuration the built-in catalogues are asked.
    """
    request = read_request(prompt, wishes)
    router = _spectator(find_config(config))
    try:
        decision = router.decide(request)
    except NoEligibleModelsError as error:
        for key, why in error.excluded.items():
            click.echo(f"excluded    {key}: {why}")
        raise
    finally:
        router.store.close()  # unlike router.close(): a decision that nobody carries out is not written down
    click.echo(str(decision))


def _spectator(path: str | None) -> Router:
    """A router that knows what was learnt and leaves no trace."""
    if path is None:
        click.echo("no configuration here: deciding over the built-in catalogues", err=True)
        registry, settings = ModelRegistry.builtin(), Settings()
    else:
        registry, settings = load_config(path)
    store = settings.store
    if isinstance(store, str) and store.startswith(_SQLITE) and not Path(store.removeprefix(_SQLITE)).exists():
        settings = replace(settings, store="memory://")
    return Router.from_settings(registry, settings)


@click.command()
@request_arguments
@config_option
@click.option("--deadline", type=float, metavar="SECONDS", help="For everything, until the answer begins.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For one attempt.")
def route(prompt: str, config: str | None, deadline: float | None, timeout: float | None, **wishes: Any) -> None:
    """Answer PROMPT with one real call, streamed, and tell who served it.

    PROMPT may be - for standard input. The answer goes to standard output, everything else to standard error.
    """
    path = require_config(config)
    request = read_request(prompt, wishes)
    router = Router.from_config(path)
    try:
        _stream(router, request, deadline=deadline, timeout=timeout)
    except PointsmanError:
        raise
    except Exception as error:
        if classify(error).kind not in _REFUSED:
            raise
        show_refusal(error)
        click.get_current_context().exit(1)
    finally:
        router.close()


def _stream(router: Router, request: Request, *, deadline: float | None, timeout: float | None) -> None:
    from pointsman.caller import chunk_text, complete_stream  # noqa: PLC0415  next to its use: it brings LiteLLM in
    from pointsman.demo.quiet import hush_litellm  # noqa: PLC0415  likewise

    hush_litellm()
    stream = router.stream(
        request, complete_stream, dialect="openai", honours_timeout=True, deadline=deadline, timeout=timeout
    )
    started = time.monotonic()
    begun = False
    try:
        for chunk in stream:
            if text := chunk_text(chunk):
                click.echo(text, nl=False)
                begun = True
    finally:
        if begun:
            click.echo()
    if stream.record is not None:
        click.secho(_summary(stream.record, stream.decision.id, time.monotonic() - started), dim=True, err=True)


def _summary(record: CallRecord, decision_id: str, seconds: float) -> str:
    failed = [f"{each.attempt.model} ({each.fault.kind.value})" for each in record.attempts if each.fault is not None]
    after = f" after {', '.join(failed)} failed" if failed else ""
    return f"{record.spec.key}{after}, {seconds:.1f} s, decision {decision_id}"
