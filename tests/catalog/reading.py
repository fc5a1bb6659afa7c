"""Reading a catalogue the whole way, and what that takes: CPU seconds and memory."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass

from catalog.bombs import MIB, Input

from pointsman import ModelRegistry
from pointsman.catalog.files import parse_catalogue
from pointsman.catalog.loader import load_text
from pointsman.config import read_settings
from pointsman.errors import CatalogError

MOST_MEMORY = 64 * MIB
GOAL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Reading:
    """How reading went: what came of it, CPU seconds, and peak bytes if they were measured."""

    outcome: str
    seconds: float
    peak: int = 0


def read_everything(data: Input, *, is_json: bool = False) -> str:
    """Read an input the whole way, from text to a registry and settings; anything but `CatalogError` comes through."""
    try:
        tree = load_text(data, path="hostile.yaml", is_json=is_json)
        catalogue = parse_catalogue(tree, "hostile.yaml")
        ModelRegistry.from_catalogue(catalogue)
        read_settings(catalogue.sections, "hostile.yaml")
    except CatalogError as error:
        refusal = error
    else:
        return "fine"
    assert all(len(str(each)) < 4_000 for each in refusal.problems), "an error repeats no more than it must"
    assert "sk-abc123" not in str(refusal), "an error repeats no secret"
    return type(refusal).__name__


def measure(data: Input, *, memory: bool = True, is_json: bool = False) -> Reading:
    """Read an input once; watching memory makes it slower."""
    if memory:
        tracemalloc.start()
    try:
        started = time.process_time()
        outcome = read_everything(data, is_json=is_json)
        seconds = time.process_time() - started
        return Reading(outcome, seconds, tracemalloc.get_traced_memory()[1] if memory else 0)
    finally:
        if memory:
            tracemalloc.stop()
