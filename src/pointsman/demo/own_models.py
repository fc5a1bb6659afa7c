"""The demo on your own models: real calls through `router.ask`'s way, after asking what they may cost."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from pointsman.catalog.prices import call_cost
from pointsman.demo.doors import PythonDoor
from pointsman.demo.ending import money, print_lost, print_plain
from pointsman.demo.quiet import hush_litellm
from pointsman.demo.scene import Scene
from pointsman.demo.screen import Lines, Screen, what_was_lost, wide_console
from pointsman.demo.tally import Tally
from pointsman.demo.traffic import Traffic
from pointsman.errors import NoEligibleModelsError
from pointsman.router import Router
from pointsman.testing import gradable_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pointsman.demo.screen import Display
    from pointsman.testing import GradablePrompt

REQUESTS = 20
_WORKERS = 4
_ROOM = 1024


def run_on_own_models(config: str, *, requests: int | None, seed: int, plain: bool, confirm: bool) -> int:
    """Run the demo on the models of a configuration; what is learnt is forgotten afterwards.

    Returns:
        How many requests were lost.

    Raises:
        CatalogError: E4003, E4005 or E4006, with file and line.
        click.Abort: if the user does not agree to the cost.
    """
    router = Router.from_config(config, store="memory://", seed=seed)
    prompts = gradable_prompts(requests or REQUESTS, seed)
    console = wide_console()
    print_plain(console, f"{len(prompts)} prompts to {_count(router)} of {config}, {most_cost(router, prompts)}")
    if confirm:
        click.confirm("Send them?", abort=True)
    return asyncio.run(_run(router, prompts, console, live=not plain and sys.stdout.isatty()))


async def _run(router: Router, prompts: Sequence[GradablePrompt], console: Console, *, live: bool) -> int:
    tally = Tally(router.registry, len(prompts))
    scene = Scene(tally, router)
    hush_litellm()
    display: Display = (Screen if live else Lines)(console, scene)
    door = PythonDoor(router, max_output_tokens=_ROOM)
    traffic = Traffic(
        [door],
        tally,
        on_done=display.refresh,
        on_lost=lambda name, error: display.note(what_was_lost(name, error)),
        workers=_WORKERS,
    )
    with display:
        await traffic.run(prompts)
    show_decision(console, router, prompts[-1])
    print_plain(console, f"\nanswers   {tally.answers} of {tally.done} requests, {tally.right:.0f} right")
    print_plain(console, f"money     {money(scene)}\n")
    print_lost(console, scene)
    return tally.requests_lost


def most_cost(router: Router, prompts: Sequence[GradablePrompt]) -> str:
    """Say what the prompts can cost if the dearest model answers each at full length."""
    specs = router.registry.get_available_models()
    totals = []
    unknown = 0
    for spec in specs:
        room = min(_ROOM, spec.max_output_tokens or _ROOM)
        # No tokenizer makes more tokens than there are bytes.
        costs = [call_cost(spec, len(prompt.text.encode()), room).total for prompt in prompts]
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(costs):
            totals.append(sum(known))
        else:
            unknown += 1
    text = f"at most ${max(totals):.2f} if each is answered once" if totals else "at a cost that is not known"
    return text + (f" ({unknown} models have no known price)" if unknown and totals else "")


def show_decision(console: Console, router: Router, prompt: GradablePrompt) -> None:
    """Print who would serve a prompt now, and why."""
    try:
        print_plain(console, f"\none decision, explained\n{router.decide(prompt.text)}")
    except NoEligibleModelsError as error:
        print_plain(console, f"\nno model can serve: {error.message}")


def _count(router: Router) -> str:
    number = len(router.registry.get_available_models())
    return f"{number} model{'s' if number != 1 else ''}"
