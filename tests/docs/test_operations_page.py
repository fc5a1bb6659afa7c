"""The snippets of docs/operations.md run as they stand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from snippets import ROOT, blocks_of, environment, run_python, with_addresses

from pointsman import ModelRegistry, Router
from pointsman.bench import read_tasks
from pointsman.listeners import EVENTS
from pointsman.telemetry.prometheus import PrometheusListener
from pointsman.testing import ModelServer, ServedModel, serve

PAGE = ROOT / "docs" / "operations.md"
BLOCKS = blocks_of(PAGE)
CONFIG = next(block.text for block in BLOCKS if block.language == "yaml")


def text_of(language: str) -> list[str]:
    return [block.text for block in BLOCKS if block.language == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operations")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ModelServer]:
    with serve([ServedModel("gpt-4o-mini", aliases=("gpt-4o",))], seed=1) as fleet:
        server = fleet["gpt-4o-mini"]
        (folder / "pointsman.yaml").write_text(with_addresses(CONFIG, server.url))
        yield server


def test_the_configuration_is_valid_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(CONFIG)
    assert len(Router.from_config(path).registry) == 2


@pytest.fixture(scope="module")
def printed(folder: Path, server: ModelServer) -> str:
    return run_python("\n".join(text_of("python")), folder, server)


def test_the_python_snippets_run_one_after_the_other(printed: str) -> None:
    assert "pointsman_attempts_total" in printed


def test_the_commands_run_on_what_the_snippets_have_left(folder: Path, server: ModelServer, printed: str) -> None:
    lines = text_of("json")[0]
    for line in lines.splitlines():
        json.loads(line)
    (folder / "prompts.jsonl").write_text(lines)
    assert [task.expertise for task in read_tasks(str(folder / "prompts.jsonl"))] == ["math", "general"]
    for command in "".join(text_of("sh")).splitlines():
        done = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=folder,
            env=environment(server),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (folder / "report.html").stat().st_size > 10_000


def test_every_metric_is_in_the_table_and_every_event_is_named() -> None:
    text = PAGE.read_text()
    registry = CollectorRegistry()
    PrometheusListener(Router(ModelRegistry()), registry)
    for family in registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}`" in text
    for event in EVENTS:
        assert f"`{event}`" in text
