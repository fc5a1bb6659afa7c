"""How the demo ends: one decision explained, what was saved, where to go next, and what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointsman.types import Request

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from pointsman.demo.scene import Scene
    from pointsman.demo.traffic import Traffic
    from pointsman.router import Router

_PROMPT = "Prove that there are infinitely many primes."
_MAX_COST = 0.01

_NEXT = """where to go next
  pointsman models openai             a catalogue that ships with the package
  pointsman explain "your prompt"     who would serve it, who not, and why
  pointsman validate pointsman.yaml   check a configuration of your own
  pointsman demo --config FILE        this, on your own models
  examples/, notebooks/, docs/        one script per door, and how it works"""


def show_ending(console: Console, scene: Scene, router: Router, traffic: Traffic, store: Path | None = None) -> None:
    """Print the end of a run on local models; its last line says what was lost."""
    tally = scene.tally
    print_plain(console, f"\none decision, explained: a request that may cost at most ${_MAX_COST:g}")
    print_plain(console, str(router.decide(Request(messages=_PROMPT, max_cost=_MAX_COST))))
    doors = ", ".join(f"{name} {count}" for name, count in tally.doors.items())
    print_plain(console, f"\nanswers   {tally.answers} of {tally.done} requests ({doors}), {tally.right:.0f} right")
    late = f"; {traffic.grades_not_taken} came too late" if traffic.grades_not_taken else ""
    print_plain(console, f"grades    {traffic.grades} taught the policy{late}")
    print_plain(console, f"money     {money(scene)}; the prices are made up")
    kept = ""
    if store is not None:
        here = store.relative_to(store.cwd()) if store.is_relative_to(store.cwd()) else store
        kept = f"\n  pointsman replay {here!s:<18} how other policies would have done on this log"
    print_plain(console, f"\n{_NEXT}{kept}\n")
    print_lost(console, scene)


def money(scene: Scene) -> str:
    """What was spent and saved, and what is not known of it."""
    tally = scene.tally
    text = f"${tally.cost:.4f}"
    if tally.saved is not None and tally.dearest is not None:
        name = scene.name(tally.dearest)
        text += f"; the same tokens from {name} alone: ${tally.cost_of_dearest:.4f}, so {tally.saved:.0%} saved"
    return text + (f"; {tally.unpriced} answers came from models without known prices" if tally.unpriced else "")


def print_lost(console: Console, scene: Scene) -> None:
    """Print the last line."""
    lost = scene.tally.requests_lost
    console.print(f"requests lost: {lost}", style="bold red" if lost else "bold green")


def print_plain(console: Console, text: str) -> None:
    """Print text as it is; only a terminal's width breaks its lines."""
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)
