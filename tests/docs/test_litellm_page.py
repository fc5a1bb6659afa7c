"""docs/litellm.md: the SDK's snippet runs, though one of its two providers cannot be reached, and the YAML is valid."""

from __future__ import annotations

from pathlib import Path

import pytest
from snippets import ROOT, blocks_of, run_python

from pointsman.config import load_config
from pointsman.testing import ServedModel, serve

BLOCKS = blocks_of(ROOT / "docs" / "litellm.md")


def test_the_snippet_for_the_sdk_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (snippet,) = [block.text for block in BLOCKS if block.language == "python"]
    with serve([ServedModel("gpt-4o-mini")], seed=1) as fleet:
        server = fleet["gpt-4o-mini"]
        monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-real-key")
        # It speaks OpenAI's API alone, so what is sent there fails, and the other deployment answers.
        monkeypatch.setenv("ANTHROPIC_API_BASE", server.url)
        snippet = (
            snippet.replace("router.completion(", "for _ in range(3): print(router.completion(").rstrip() + ".model)"
        )
        assert run_python(snippet, tmp_path, server).split() == ["gpt-4o-mini"] * 3


def test_the_configurations_are_valid(tmp_path: Path) -> None:
    found = [block.text for block in BLOCKS if block.language == "yaml"]
    assert found
    for text in found:
        (tmp_path / "pointsman.yaml").write_text(text)
        assert load_config(tmp_path / "pointsman.yaml")[1].store.startswith("sqlite:")
