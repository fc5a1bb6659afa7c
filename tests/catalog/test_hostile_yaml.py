"""Whatever a file holds: it is read, or refused as a `CatalogError`, within bounds of time and memory."""

from __future__ import annotations

import contextlib

import pytest
from catalog.bombs import BOMBS, CROWDS, FINE, MIB, Input
from catalog.random_inputs import random_inputs
from catalog.reading import MOST_MEMORY, measure, read_everything
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.catalog.files import parse_catalogue
from pointsman.catalog.loader import load_text
from pointsman.errors import CatalogError

# CPU seconds, ten times the goal: a busy machine counts its neighbours' work too. The real ones are printed.
MOST_SECONDS = 2.0
# At this size every bomb runs in the tests; `benchmarks/hostile_yaml.py` runs them at 1 MiB.
SMALL = 48 * 1024
SLOWEST = ("many numbers", "many floats", "many anchors", "the same model again", "models that say nothing true")

READ = {"fine", "CatalogError", "ConfigError", "InvalidModelError"}
# Nothing is wrong with these, only nothing is in them.
HARMLESS = {"comments", "spaces", "line ends", "carriage returns"}


def check(name: str, data: Input, *, memory: bool = False) -> str:
    """Read an input; watching memory makes it too slow to judge the time."""
    reading = measure(data, memory=memory, is_json=name.startswith("json"))
    figures = f"{reading.outcome}, {reading.seconds * 1e3:.1f} ms, {reading.peak / MIB:.1f} MiB"
    print(f"{name}: {len(data):,} long, {figures}")  # noqa: T201  shown when it fails, and by `pytest -s`
    assert reading.outcome in READ
    assert memory or reading.seconds < MOST_SECONDS
    assert reading.peak < MOST_MEMORY
    return reading.outcome


def test_the_catalogue_that_is_damaged_below_is_fine() -> None:
    assert read_everything(FINE) == "fine"


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_time(name: str) -> None:
    assert (check(name, BOMBS[name](SMALL)) == "fine") is (name in HARMLESS)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_stays_within_memory(name: str) -> None:
    check(name, BOMBS[name](SMALL), memory=True)


@pytest.mark.parametrize("name", SLOWEST)
def test_the_slowest_are_refused_in_time_at_a_mebibyte(name: str) -> None:
    assert check(name, BOMBS[name](MIB)) != "fine"


def test_the_largest_stays_within_memory_at_a_mebibyte() -> None:
    check("many anchors", BOMBS["many anchors"](MIB), memory=True)


@pytest.mark.parametrize("name", CROWDS)
def test_a_crowd_of_small_models_is_no_bomb(name: str) -> None:
    assert read_everything(CROWDS[name](MIB // 8)) == "fine"


def test_hundreds_of_random_inputs_are_read_or_refused_in_time() -> None:
    for name, data in random_inputs(360, seed=11, largest=MIB // 4):
        check(name, data)


def test_random_inputs_stay_within_memory() -> None:
    for name, data in random_inputs(60, seed=12, largest=MIB // 8):
        check(name, data, memory=True)


tokens = st.sampled_from(
    [
        *"[]{},:-?&*!|>'\"#%@`\n\t\\~<=0a",
        *("- ", ": ", "&a ", "*a", "---\n", "models:\n", "  - ", "name: ", "provider: p"),
    ]
)
runs = st.tuples(st.lists(tokens, min_size=1, max_size=6).map("".join), st.integers(1, 400)).map(
    lambda run: run[0] * run[1]
)


@given(st.lists(runs, max_size=6).map("".join))
@settings(max_examples=200, deadline=None)
def test_runs_of_tokens_are_read_or_refused(text: str) -> None:
    assert read_everything(text) in READ
    assert read_everything(text, is_json=True) in READ


fields = st.sampled_from(
    ["name", "quality", "size", "aliases", "as_of", "evidence", "maintenance", "capabilities", "api_key"]
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
sections = st.sampled_from(["models", "pools", "capabilities", "health", "include"])


@given(st.dictionaries(fields, values, max_size=4), sections)
@settings(max_examples=200, deadline=None)
def test_values_of_the_wrong_kind_are_read_or_refused(entry: dict[str, object], section: str) -> None:
    tree = {"models": [{"name": "m", "provider": "p", **entry}], section: [entry] if section == "models" else entry}
    with contextlib.suppress(CatalogError):
        parse_catalogue(tree)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2024-06-01", "2024-06-01"),
        ("'2024-06-01'", "2024-06-01"),
        ("2024-06-01T00:00:00Z", "2024-06-01"),
        ("2024-06-01 00:00:00", "2024-06-01"),
        ("2024-6-1", None),
        ("01.06.2024", None),
        ("2024-02-30", None),
        ("2024", None),
        ("20240601", None),
        ("-1", None),
        ("1.5", None),
        ("true", None),
        ("[2024, 6, 1]", None),
        ("2001-12-14t21:59:43.10-05:00", None),
        ("99999-01-01", None),
    ],
)
def test_a_date_is_a_day_or_refused(written: str, day: str | None) -> None:
    text = f"models: [{{name: m, provider: openai, as_of: {written}}}]"
    if day is None:
        assert read_everything(text) == "InvalidModelError"
    else:
        assert str(parse_catalogue(load_text(text)).models[0].as_of) == day
