"""docs/litellm.md: what is Python in it runs, though one of its two providers cannot be reached.

Its transcripts of the Proxy are run by tests/litellm_door/test_docs.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from snippets import ROOT, Block, blocks_of, run_python

from pointsman.testing import ServedModel, serve

SNIPPETS = [block for block in blocks_of(ROOT / "docs" / "litellm.md") if block.language == "python"]
_LAST = 'router.completion(model="chat", messages=[{"role": "user", "content": "Hello"}])\n'


@pytest.mark.parametrize("block", SNIPPETS, ids=lambda block: f"line {block.line}")
def test_a_snippet_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert block.text.endswith(_LAST)
    with serve([ServedModel("gpt-4o-mini")], seed=1) as fleet:
        server = fleet["gpt-4o-mini"]
        monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-real-key")
        # It speaks OpenAI's API alone, so what is sent there fails, and the other deployment answers.
        monkeypatch.setenv("ANTHROPIC_API_BASE", server.url)
        three_times = block.text.replace(_LAST, f"for _ in range(3): print({_LAST.strip()}.model)")
        assert run_python(three_times, tmp_path, server).split() == ["gpt-4o-mini"] * 3
