"""Fenced blocks of a Markdown file, and a place where they run: loopback models instead of the named providers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import yaml

from pointsman.testing import ModelServer

ROOT = Path(__file__).parents[2]


class Block(NamedTuple):
    """One fenced block."""

    file: str
    line: int
    language: str
    text: str


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text()
    return [
        Block(path.name, text.count("\n", 0, match.start()) + 1, match["language"], match["text"])
        for match in re.finditer(r"^```(?P<language>\w*)\n(?P<text>.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def with_addresses(config: str, url: str) -> str:
    """The same configuration, its models served by one loopback server."""
    tree = yaml.safe_load(config)
    for model in tree.get("models", []):
        model["api_base"] = url
    return yaml.safe_dump(tree)


def environment(server: ModelServer) -> dict[str, str]:
    """Where OpenAI's clients look for their address and key."""
    return {
        **os.environ,
        "OPENAI_API_KEY": "not-a-real-key",
        "OPENAI_API_BASE": server.url,
        "OPENAI_BASE_URL": server.url,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LANGSMITH_TRACING": "false",
    }


def run_python(text: str, folder: Path, server: ModelServer) -> str:
    """Run a snippet as a script in a folder; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
