"""The snippets of docs/limits.md run as they stand."""

from __future__ import annotations

from pathlib import Path

from snippets import ROOT, blocks_of, run_python, with_addresses

from pointsman import Router
from pointsman.testing import ServedModel, serve

BLOCKS = {block.language: block.text for block in blocks_of(ROOT / "docs" / "limits.md")}


def test_the_configuration_is_valid_and_the_script_runs_into_its_budget(tmp_path: Path) -> None:
    (tmp_path / "pointsman.yaml").write_text(BLOCKS["yaml"])
    assert Router.from_config(tmp_path / "pointsman.yaml").decide("hello").model == "openai:gpt-4o-mini"
    with serve([ServedModel("gpt-4o-mini")], seed=1) as fleet:
        (tmp_path / "pointsman.yaml").write_text(with_addresses(BLOCKS["yaml"], fleet["gpt-4o-mini"].url))
        printed = run_python(BLOCKS["python"], tmp_path, fleet["gpt-4o-mini"])
        assert fleet.calls == 2
    assert "E4208: ask again in " in printed
    assert "of 400 left: rpm|openai:gpt-4o-mini" in printed
