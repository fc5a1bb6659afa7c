"""No snippet of docs/ rots: every page with Python in it is run by some test, and this says by which."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from snippets import ROOT, blocks_of
from test_pages import PAGES

HERE = Path(__file__).parent
DOCS = sorted((ROOT / "docs").glob("**/*.md"))


def module_for(page: Path) -> Path | None:
    """The test module that runs a page's snippets: the list of pages, or its own module."""
    if page.stem in PAGES:
        return HERE / "test_pages.py"
    own = HERE / f"test_{page.stem.replace('-', '_')}_page.py"
    return own if own.exists() else None


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_page_with_python_is_run_by_a_test(page: Path) -> None:
    if not any(block.language == "python" for block in blocks_of(page)):
        return
    test = module_for(page)
    assert test is not None, f"add {page.stem!r} to PAGES of test_pages.py, or write test_{page.stem}_page.py"
    text = test.read_text()
    assert test.name == "test_pages.py" or page.name in text
    assert re.search(r"run_python\(|subprocess\.run\(|exec\(", text), f"{test.name} runs nothing"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_python_block_at_least_parses(page: Path) -> None:
    for block in blocks_of(page):
        if block.language in ("python", "py") and page.name != "reference.md":
            ast.parse(block.text)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_page_is_reached_from_the_readme(page: Path) -> None:
    assert f"(docs/{page.name})" in (ROOT / "README.md").read_text(), "add it to the table `Read on`"
