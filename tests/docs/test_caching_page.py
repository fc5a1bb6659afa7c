"""Every snippet of the page on caching runs as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import ROOT, Block, blocks_of, run_python

from pointsman import Router
from pointsman.testing import ModelServer, ServedModel, serve

PAGE = blocks_of(ROOT / "docs" / "caching.md")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with serve([ServedModel("gpt-4o-mini")], seed=1, life_limit=600) as fleet:
        yield fleet["gpt-4o-mini"]


@pytest.mark.parametrize(
    "block", [each for each in PAGE if each.language == "python"], ids=lambda block: f"line {block.line}"
)
def test_a_python_snippet_runs(block: Block, tmp_path: Path, server: ModelServer) -> None:
    assert run_python(block.text, tmp_path, server).strip()


@pytest.mark.parametrize(
    "block", [each for each in PAGE if each.language == "yaml"], ids=lambda block: f"line {block.line}"
)
def test_a_configuration_is_valid_as_it_stands(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pointsman.yaml").write_text(block.text)
    Router.from_config(tmp_path / "pointsman.yaml").close()
