"""docs/replay.md: its snippets run, and its transcript is what the commands come to."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from snippets import ROOT, Block, blocks_of

from pointsman.config import load_config

PAGE = ROOT / "docs" / "replay.md"
BLOCKS = blocks_of(PAGE)


def only(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


@pytest.mark.parametrize("block", only("python"), ids=lambda block: f"line {block.line}")
def test_a_python_snippet_runs(block: Block, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block.text], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) > 4


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    (tmp_path / "pointsman.yaml").write_text(only("yaml")[0].text)
    assert load_config(tmp_path / "pointsman.yaml")[1].ledger.keep == 100_000


def test_the_demos_log_judges_three_policies_and_refuses_one_as_the_page_shows(tmp_path: Path) -> None:
    transcript = only("console")[0].text
    commands = [shlex.split(line[2:]) for line in transcript.splitlines() if line.startswith("$ ")]
    assert [command[:2] for command in commands] == [["pointsman", "demo"], ["pointsman", "replay"]]
    # The same demo, without the seconds that a LiteLLM Proxy takes.
    faster = {"demo": ["--fast", "--plain", "--requests", "300"], "replay": []}
    done = [
        subprocess.run(
            [sys.executable, "-m", *command, *faster[command[1]]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        for command in commands
    ]
    assert [each.returncode for each in done] == [0, 1], done[0].stderr + done[1].stderr
    assert "requests lost: 0" in done[0].stdout
    shown, printed = transcript.split("cheapest\n", 1)[1], done[1].stdout + done[1].stderr
    assert names_in(printed) == names_in(shown) == ["policy", "as logged", "thompson", "adaptive", "weighted"]
    for text in (shown, printed):
        assert "error E4304: cheapest: the log has" in text
    title = "score per request, 95 % intervals: "
    assert printed.startswith(title)
    assert shown.startswith(title)


def names_in(text: str) -> list[str]:
    return [match[1].strip() for line in text.splitlines() if (match := re.match(r"([a-z ]+?) {2,}\S", line))]
