"""docs/recipes.md: every recipe runs by itself, and prints what its comments say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import ROOT, Block, blocks_of, run_python, with_addresses

from pointsman import Router
from pointsman.testing import ModelServer, ServedModel, serve

PAGE = ROOT / "docs" / "recipes.md"
HEADINGS = [
    (match[1], PAGE.read_text().count("\n", 0, match.start()))
    for match in re.finditer(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
]


def recipes() -> dict[str, list[Block]]:
    """Blocks by the heading that they stand under."""
    found: dict[str, list[Block]] = {heading: [] for heading, _ in HEADINGS}
    for block in blocks_of(PAGE):
        found[[heading for heading, line in HEADINGS if line < block.line][-1]].append(block)
    return found


RECIPES = recipes()


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with serve([ServedModel("gpt-4o-mini", aliases=("gpt-4o",))], seed=1) as fleet:
        yield fleet["gpt-4o-mini"]


@pytest.mark.parametrize("heading", RECIPES)
def test_a_recipe_runs(heading: str, tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = {block.language: block.text for block in RECIPES[heading]}
    assert len(text) == len(RECIPES[heading]), "one file and one script"
    assert text["python"].count("\n") <= 17
    if "yaml" in text:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "pointsman.yaml").write_text(text["yaml"])
        Router.from_config(tmp_path / "pointsman.yaml").close()
        (tmp_path / "pointsman.yaml").write_text(with_addresses(text["yaml"], server.url))
    printed = run_python(text["python"], tmp_path, server)
    assert printed.strip()
    for said in re.findall(r"print\(.*\)  # (\(?['\[]?[a-z]+:[\w.-]+.*)$", text["python"], re.MULTILINE):
        assert said in printed
