"""Every snippet of docs/choosing.md runs as it stands and prints what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import ROOT, Block, blocks_of, run_python

from pointsman import Router
from pointsman.testing import ModelServer, ServedModel, serve

PAGE = blocks_of(ROOT / "docs" / "choosing.md")


def only(language: str) -> list[Block]:
    return [block for block in PAGE if block.language == language]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with serve([ServedModel("gpt-4o")], seed=1) as fleet:
        yield fleet["gpt-4o"]


@pytest.mark.parametrize("block", only("python"), ids=lambda block: f"line {block.line}")
def test_a_python_snippet_runs(block: Block, tmp_path: Path, server: ModelServer) -> None:
    assert run_python(block.text, tmp_path, server).strip()


def test_the_ladder_prints_what_the_page_says(tmp_path: Path, server: ModelServer) -> None:
    (snippet,) = [block for block in only("python") if "decision.relaxed" in block.text]
    assert run_python(snippet.text, tmp_path, server) == only("text")[0].text


def test_weights_move_the_choice(tmp_path: Path, server: ModelServer) -> None:
    (snippet,) = [block for block in only("python") if "weights=" in block.text]
    free, dear = (line.split("{")[-1] for line in run_python(snippet.text, tmp_path, server).splitlines())
    share = [float(line.split("openai:good': ")[1].split(",")[0]) for line in (free, dear)]
    assert share[0] > 0.5 > share[1]


@pytest.mark.parametrize("block", only("yaml"), ids=lambda block: f"line {block.line}")
def test_a_section_is_valid_as_it_stands(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(f"policy: ucb\nmodels:\n  - {{name: m, provider: openai}}\n{block.text}")
    assert Router.from_config(path).decide("hello").model == "openai:m"
