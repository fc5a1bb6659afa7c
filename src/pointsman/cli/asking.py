"""`pointsman explain` and `pointsman route`: who would serve a prompt, and one real call."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.errors import fail, show_refusal
from pointsman.cli.options import (
    config_option,
    find_config,
    json_option,
    open_router,
    read_request,
    request_arguments,
    require_config,
)
from pointsman.cli.status import StatusLine
from pointsman.cli.writing import print_json
from pointsman.config import Settings, load_config
from pointsman.errors import NoEligibleModelsError, PointsmanError
from pointsman.faults import FaultKind, classify
from pointsman.registry.models import ModelRegistry
from pointsman.router import Router
from pointsman.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from pointsman.decision import RoutingDecision
    from pointsman.failover.steps import CallRecord
    from pointsman.types import Request

_REFUSED = frozenset({FaultKind.BAD_REQUEST, FaultKind.CONTENT_POLICY})
_SQLITE = "sqlite:///"


@click.command()
@request_arguments
@config_option
@json_option
def explain(prompt: str, config: str | None, *, as_json: bool, **wishes: Any) -> None:
    """Show who would serve PROMPT, with which fallbacks, and why not the others. Makes no call.

    PROMPT may be - for standard input. Without a configuration the built-in catalogues are asked.
    """
    request = read_request(prompt, wishes)
    router = _spectator(find_config(config))
    try:
        decision = router.decide(request)
    except NoEligibleModelsError as error:
        excluded = {key: str(why) for key, why in error.excluded.items()}
        if as_json:
            fail(error, as_json=True, model=None, stage=error.stage, excluded=excluded)
        for key, why in excluded.items():
            click.echo(f"excluded    {key}: {why}")
        raise
    finally:
        router.store.close()  # unlike router.close(): a decision that nobody carries out is not written down
    if as_json:
        print_json(_explained(decision))
    else:
        click.echo(str(decision))


def _explained(decision: RoutingDecision) -> dict[str, Any]:
    shares = dict(zip(decision.arms.keys, decision.probabilities, strict=True))
    return {
        "model": decision.model,
        "probability": decision.probability,
        "policy": decision.policy,
        "override": decision.override,
        "relaxed": [each.to_json() for each in decision.relaxed],
        "fallbacks": list(decision.fallbacks),
        "probabilities": {key: float(share) for key, share in shares.items()},
        "behind": [key for tier in decision.behind for key in tier.keys],
        "excluded": {key: {"check": why.check, "reason": why.reason} for key, why in decision.excluded.items()},
        "notes": list(decision.notes),
        "warnings": list(decision.warnings),
        "registry": decision.registry_version,
    }


def _spectator(path: str | None) -> Router:
    """A router that knows what was learnt and leaves no trace."""
    if path is None:
        click.echo("no configuration here: deciding over the built-in catalogues", err=True)
        registry, settings = ModelRegistry.builtin(), Settings()
    else:
        registry, settings = load_config(path)
    settings = replace(settings, telemetry=TelemetrySettings())
    store = settings.store
    if isinstance(store, str) and store.startswith(_SQLITE) and not Path(store.removeprefix(_SQLITE)).exists():
        settings = replace(settings, store="memory://")
    return Router.from_settings(registry, settings)


@click.command()
@request_arguments
@config_option
@click.option("--deadline", type=float, metavar="SECONDS", help="For everything, until the answer begins.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For one attempt.")
@json_option
def route(
    prompt: str, config: str | None, deadline: float | None, timeout: float | None, *, as_json: bool, **wishes: Any
) -> None:
    """Answer PROMPT with one real call, streamed, and tell who served it.

    PROMPT may be - for standard input. The answer goes to standard output, everything else to standard error: while a
    terminal waits for the answer, a line says who is asked and who has failed.
    """
    path = require_config(config)
    request = read_request(prompt, wishes)
    router = open_router(path)
    texts: list[str] = []
    try:
        _stream(router, request, texts, as_json=as_json, deadline=deadline, timeout=timeout)
    except PointsmanError as error:
        fail(error, as_json=as_json, answer="".join(texts) or None)  # what has arrived is not lost
    except Exception as error:
        if classify(error).kind not in _REFUSED:
            raise
        show_refusal(error, as_json=as_json)
        click.get_current_context().exit(1)
    finally:
        router.close()


def _stream(
    router: Router,
    request: Request,
    texts: list[str],
    *,
    as_json: bool,
    deadline: float | None,
    timeout: float | None,
) -> None:
    from pointsman.caller import chunk_text, complete_stream  # noqa: PLC0415  next to its use: it brings LiteLLM in
    from pointsman.demo.quiet import hush_litellm  # noqa: PLC0415  likewise

    status = StatusLine(sys.stderr, router.clock)
    router.listen(status)
    status.show("loading LiteLLM")
    hush_litellm()
    stream = router.stream(request, complete_stream, dialect="openai", deadline=deadline, timeout=timeout)
    try:
        for chunk in stream:
            if text := chunk_text(chunk):
                status.clear()
                texts.append(text)
                if not as_json:
                    click.echo(text, nl=False)
    finally:
        status.clear()
        if texts and not as_json:
            click.echo()
    if stream.record is None:
        return
    if as_json:
        click.echo(json.dumps(_told(stream.record, "".join(texts)), indent=2))
    else:
        click.secho(_summary(stream.record, status.seconds), dim=True, err=True)


def _summary(record: CallRecord, seconds: float) -> str:
    failed = [f"{each.attempt.model} ({each.fault.kind.value})" for each in record.attempts if each.fault is not None]
    after = f" after {', '.join(failed)} failed" if failed else ""
    outcome = record.attempts[-1].outcome
    first = "" if outcome.ttft is None else f", first words after {outcome.ttft:.1f} s"
    tokens = "" if outcome.output_tokens is None else f", {outcome.output_tokens} tokens"
    return f"{record.spec.key}{after}, {seconds:.1f} s{first}{tokens}, decision {record.decision.id}"


def _told(record: CallRecord, answer: str) -> dict[str, Any]:
    return {
        "answer": answer,
        "model": record.spec.key,
        "decision": record.decision.id,
        "attempts": [
            {
                "model": each.attempt.model,
                "fault": None if each.fault is None else each.fault.kind.value,
                "seconds": each.outcome.seconds,
                "ttft": each.outcome.ttft,
                "input_tokens": each.outcome.input_tokens,
                "output_tokens": each.outcome.output_tokens,
            }
            for each in record.attempts
        ],
    }
