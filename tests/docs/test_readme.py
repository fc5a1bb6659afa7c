"""Every snippet of the README runs as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from snippets import ROOT, Block, blocks_of, run_python, with_addresses

from pointsman import Router
from pointsman.testing import ModelServer, ServedModel, serve

README = blocks_of(ROOT / "README.md")


def only(language: str) -> list[Block]:
    return [block for block in README if block.language == language]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with serve([ServedModel("gpt-4o-mini", aliases=("gpt-4o",))], seed=1) as fleet:
        yield fleet["gpt-4o-mini"]


@pytest.fixture
def folder(tmp_path: Path, server: ModelServer) -> Path:
    (tmp_path / "pointsman.yaml").write_text(with_addresses(only("yaml")[0].text, server.url))
    return tmp_path


def test_the_configuration_is_valid_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(only("yaml")[0].text)
    assert Router.from_config(path).decide("hello").model == "openai:gpt-4o-mini"


@pytest.mark.parametrize("block", only("python"), ids=lambda block: f"line {block.line}")
def test_a_python_snippet_runs(block: Block, folder: Path, server: ModelServer) -> None:
    before = server.calls
    assert run_python(block.text, folder, server).strip()
    assert server.calls > before


def test_each_door_fits_in_ten_lines() -> None:
    for block in only("python"):
        assert block.text.count("\n") <= 12, f"line {block.line}"


def test_every_link_leads_somewhere() -> None:
    import re

    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_the_commands_named_exist() -> None:
    text = (ROOT / "Makefile").read_text()
    for name in ("demo", "test", "help", "lint", "type", "bench", "docs"):
        assert f"\n{name}: " in text
