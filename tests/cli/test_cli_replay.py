"""`pointsman replay`: estimates from a router's own log, refusals, traces, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.kinds import Invoke, Write
from replay.test_traces import rows_of, write
from replay.worlds import Shares, make_log


@pytest.fixture
def store(folder: Path) -> str:
    """The store of a router that drew mostly one model, sometimes another and never the third."""
    make_log(Shares(cheap=0.7, fast=0.3), rows=400, store=f"sqlite:///{folder}/pointsman.db").close()
    return "pointsman.db"


def test_policies_are_judged_and_the_one_without_support_is_refused(invoke: Invoke, store: str) -> None:
    result = invoke("replay", store, "-p", "cheapest", "--policy", "priority", "-p", "best", "--frozen")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("score per request, 95 % intervals: 400 of 400 decisions used")
    assert [line.split()[0] for line in lines[2:]] == ["as", "cheapest"]
    assert "error E4304: priority: 33% of its choices" in result.stderr
    assert "error E4304: best: 100% of its choices are models that the log could not draw" in result.stderr
    assert "floor: 0.05" in result.stderr


def test_what_it_prints_is_json_when_asked_for(invoke: Invoke, store: str) -> None:
    result = invoke("replay", store, "-p", "cheapest", "--json", "--measure", "success")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["measure"] == "success"
    assert found["evaluations"][0]["dr"]["mean"] == pytest.approx(1.0)
    assert found["evaluations"][0]["effective_rows"] > 200


def test_tables_and_pictures_are_written(invoke: Invoke, store: str, folder: Path) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    assert invoke("replay", store, "-p", "cheapest", "--html", "out.html", "--plot", "out.svg").exit_code == 0
    assert "<th>effective rows</th>" in (folder / "out.html").read_text()
    assert "<svg" in (folder / "out.svg").read_text()
    assert invoke("replay", store, "-p", "cheapest", "--plot", "out.nonsense").exit_code == 2


def test_a_ledger_in_lines_takes_its_models_from_the_configuration(invoke: Invoke, write: Write, folder: Path) -> None:
    make_log(Shares(cheap=0.4, fast=0.3, good=0.3), rows=200, store=f"jsonl:///{folder}/log.jsonl").close()
    config = write({"models": [{"name": name, "provider": "openai"} for name in ("cheap", "fast", "good")]})
    assert "no price or quality is known of openai:cheap" in invoke("replay", "log.jsonl", "-p", "weighted").stdout
    told = invoke("replay", "log.jsonl", "-p", "weighted", "--config", config).stdout
    assert "\nweighted " in told
    assert "no price" not in told


def test_a_trace_is_run_and_held_against_hindsight(invoke: Invoke, folder: Path) -> None:
    write(folder / "made.csv.gz", rows_of(100))
    result = invoke(
        "replay", "made.csv.gz", "-p", "adaptive:exploration=0.2", "-p", "cheapest", "--seeds", "2", "--front"
    )
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "100 prompts, 3 models, 2 orders; the best single model is large" in lines[0]
    assert lines[1].split() == [
        "policy",
        "of",
        "best",
        "model",
        "of",
        "oracle",
        "regret",
        "score",
        "cost",
        "AIQ",
        "overspend",
    ]
    assert lines[2].startswith("adaptive(exploration=0.2)")
    assert json.loads(invoke("replay", "made.csv.gz", "-p", "cheapest", "--json").stdout)["best_model"] == "large"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.db",), "error E4301: nowhere.db: there is no such file"),
        (("nowhere.csv",), "nowhere.csv: error E4305: no such file"),
        (("pointsman.db", "-p", "nonsense"), "error E4006: there is no policy 'nonsense'"),
        (("pointsman.db", "-p", "ucb:speed=1"), "error E4006: policy 'ucb' has no option 'speed'"),
        (("pointsman.db", "-p", "ucb:speed"), "no OPTION=VALUE"),
        (("redis-less://x",), "error E4006"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(invoke: Invoke, store: str, arguments: tuple[str, ...], words: str) -> None:
    result = invoke("replay", *arguments)
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_the_demo_does_not_write_over_a_file(invoke: Invoke, store: str) -> None:
    result = invoke("demo", "--store", store)
    assert result.exit_code == 2
    assert "pointsman.db is there already" in result.stderr
