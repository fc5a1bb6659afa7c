"""Pages whose Python blocks make one script, with their YAML block beside it as pointsman.yaml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from snippets import ROOT, blocks_of, run_python, with_addresses

from pointsman import Router
from pointsman.testing import ServedModel, serve

PAGES = ("langchain", "reliability")
DOCS = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_a_page_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    blocks = blocks_of(ROOT / "docs" / f"{page}.md")
    config = next((block.text for block in blocks if block.language == "yaml"), "models: []")
    (tmp_path / "as_it_stands.yaml").write_text(config)
    assert Router.from_config(tmp_path / "as_it_stands.yaml").registry is not None
    with serve([ServedModel("gpt-4o-mini", aliases=("gpt-4o",))], seed=1) as fleet:
        server = fleet["gpt-4o-mini"]
        (tmp_path / "pointsman.yaml").write_text(with_addresses(config, server.url))
        script = "\n".join(block.text for block in blocks if block.language == "python")
        assert run_python(script, tmp_path, server).strip()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        assert target.startswith("http") or (path.parent / target).exists(), target
