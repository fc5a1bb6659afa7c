"""What the tests of the command line share: a way to run commands in a folder of their own, and local models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.kinds import Invoke, Write
from click.testing import CliRunner, Result

from pointsman.cli import main
from pointsman.testing import ModelFleet, ServedModel, serve


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, without a configuration named by the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def invoke(folder: Path) -> Invoke:
    """Run a command; what it raises that is no exit is raised here."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)

    return run


@pytest.fixture
def write(folder: Path) -> Write:
    """Write a configuration, as text or as a tree, and name its file."""

    def to(content: str | dict[str, Any], name: str = "pointsman.yaml") -> str:
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return name

    return to


@pytest.fixture(scope="session")
def _session_fleet() -> Iterator[ModelFleet]:
    models = [ServedModel("first"), ServedModel("second")]
    with serve(models, seed=7, life_limit=300) as fleet:
        yield fleet


@pytest.fixture
def fleet(_session_fleet: ModelFleet) -> Iterator[ModelFleet]:
    """Two models that answer."""
    yield _session_fleet
    _session_fleet.heal()
    for server in _session_fleet.values():
        server.clear()
