"""docs/tutorial.md: its snippets make one script, and its commands work on the files that they leave."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from snippets import ROOT, blocks_of, environment, run_python, with_addresses

from pointsman import Router
from pointsman.testing import ServedModel, serve

BLOCKS = blocks_of(ROOT / "docs" / "tutorial.md")


def texts(language: str) -> list[str]:
    return [block.text for block in BLOCKS if block.language == language]


def test_the_tutorial_can_be_followed_to_its_end(tmp_path: Path) -> None:
    (config,) = texts("yaml")
    (tmp_path / "pointsman.yaml").write_text(config)
    assert len(Router.from_config(tmp_path / "pointsman.yaml").registry) == 2
    with serve([ServedModel("gpt-4o-mini", aliases=("gpt-4o",))], seed=1) as fleet:
        server = fleet["gpt-4o-mini"]
        (tmp_path / "pointsman.yaml").write_text(with_addresses(config, server.url))
        printed = run_python("\n".join(texts("python")), tmp_path, server)
        commands = [line[2:] for text in texts("console") for line in text.splitlines() if line.startswith("$ ")]
        assert len(commands) == 5
        for command in commands:
            done = subprocess.run(
                [sys.executable, "-m", *shlex.split(command)],
                cwd=tmp_path,
                env=environment(server),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    assert "cost_weight=0.0" in printed
    assert "effective rows" in printed
    assert (tmp_path / "report.html").read_text().startswith("<!")
