"""`pointsman bench`: real calls to local models, and what they leave behind as facts."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from samples import make_spec

from pointsman import CatalogError, ModelRegistry, Router
from pointsman.bench import GENERAL, Measurement, Task, quantile, read_tasks

if TYPE_CHECKING:
    from cli.kinds import Invoke, Write

    from pointsman.testing import ModelFleet


def test_what_is_measured_becomes_the_models_facts(
    invoke: Invoke, write: Write, fleet: ModelFleet, folder: Path
) -> None:
    config = write({"store": "sqlite:///p.db", "models": fleet.catalogue()})
    result = invoke("bench", "--yes", "--requests", "3")
    assert result.exit_code == 0, result.stderr
    assert "kept in the store: openai:first, openai:second" in result.stdout
    assert len(fleet["first"].requests) == 3
    assert all(request.stream for request in fleet["first"].requests)
    router = Router.from_config(config)
    spec = router.registry.get_model("first")
    router.close()
    assert spec.latency_p50 is not None
    assert spec.latency_p99 is not None
    assert 0 < spec.latency_p50 <= spec.latency_p99
    assert spec.tokens_per_second is not None
    evidence = spec.evidence["latency_p50"]
    assert evidence.source == "pointsman bench, 3 answers"
    assert evidence.as_of == datetime.now(UTC).date()


def test_prompts_with_known_answers_give_a_quality(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    write({"store": "sqlite:///p.db", "models": fleet.catalogue()})
    lines = [
        {"prompt": "one two", "regex": r"You wrote \d words"},
        {"prompt": "one two", "expected": "this  IS first"},
        {"prompt": "one two", "expected": "nonsense", "expertise": "coding"},
    ]
    write("\n".join(map(json.dumps, lines)), "prompts.jsonl")
    result = invoke("bench", "first", "second", "--yes", "--prompts", "prompts.jsonl", "--json")
    first, second = json.loads(result.stdout)
    assert first["quality"] == {"general": 1.0, "coding": 0.0}
    assert second["quality"] == {"general": 0.5, "coding": 0.0}
    assert first["saved"]


def test_measuring_teaches_nobody_and_writes_no_decision(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    config = write({"store": "sqlite:///p.db", "models": fleet.catalogue()})
    invoke("bench", "--yes", "--requests", "1")
    router = Router.from_config(config)
    assert list(router.ledger.rows()) == []
    assert router.statistics()["selection_stats"]["total_attempts"] == 0
    router.close()


def test_without_a_store_figures_are_shown_and_nothing_is_kept(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    write({"models": fleet.catalogue()})
    result = invoke("bench", "first", "--yes", "-n", "1")
    assert result.exit_code == 0
    assert "nothing was kept: the configuration's store keeps nothing" in result.stdout


def test_a_model_that_fails_keeps_its_facts(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    fleet["second"].fail("server_error_503")
    config = write({"store": "sqlite:///p.db", "models": fleet.catalogue()})
    result = invoke("bench", "--yes", "--requests", "2", "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["saved"], second["saved"]) == (True, False)
    assert second["faults"] == ["overloaded", "overloaded"]
    assert ModelRegistry.load(config).get_model("second").latency_p50 is None


def test_nothing_is_spent_without_a_yes(invoke: Invoke, write: Write, fleet: ModelFleet) -> None:
    write({"models": fleet.catalogue()})
    result = invoke("bench", "--requests", "2", stdin="n\n")
    assert result.exit_code == 1
    assert "4 real calls to 2 models" in result.stderr
    assert fleet["first"].calls == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "no JSON"),
        ("[1]", "expected an object"),
        ('{"prompt": "a", "answer": "b"}', "there is no field 'answer'"),
        ('{"expected": "b"}', "either `prompt`"),
        ('{"prompt": "a", "regex": "("}', "no regular expression"),
        ('{"prompt": "a", "expected": 4}', "`expected` is '4'"),
    ],
)
def test_a_line_that_is_no_prompt_is_located(line: str, told: str, invoke: Invoke, write: Write) -> None:
    write("models: [{name: a, provider: openai}]\n")
    write('{"prompt": "fine"}\n' + line + "\n", "prompts.jsonl")
    result = invoke("bench", "--yes", "--prompts", "prompts.jsonl")
    assert result.exit_code == 1
    assert result.stderr.startswith("prompts.jsonl:2:1: error E4006: ")
    assert told in result.stderr


def test_a_file_that_cannot_be_read_or_is_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot read the file"):
        read_tasks(str(tmp_path / "none.jsonl"))
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(CatalogError, match="no prompts"):
        read_tasks(str(tmp_path / "empty.jsonl"))


@pytest.mark.parametrize(
    ("task", "answer", "score"),
    [
        (Task("?", expected="4"), "It is 4.", 1.0),
        (Task("?", expected="4"), "It is 42.", 0.0),
        (Task("?", expected="New  York"), "in new\nyork!", 1.0),
        (Task("?", regex=re.compile(r"^\d+$")), "42", 1.0),
        (Task("?", regex=re.compile(r"^\d+$")), "about 42", 0.0),
    ],
)
def test_answers_are_judged_by_what_was_expected(task: Task, answer: str, score: float) -> None:
    assert task.score(answer) == score
    assert task.expertise == GENERAL


def test_facts_keep_what_was_known_and_are_none_where_nothing_was_answered() -> None:
    spec = make_spec(quality={"vision": 0.4}, evidence={"quality": {"source": "a paper"}})
    assert Measurement(spec.key, faults=["timeout"]).facts(spec, date(2026, 1, 2)) == {}
    facts = Measurement(spec.key, seconds=[1.0], scores={"coding": [1.0, 0.0]}).facts(spec, date(2026, 1, 2))
    assert facts["quality"] == {"vision": 0.4, "coding": 0.5}
    assert facts["evidence"]["latency_p50"]["as_of"] == "2026-01-02"
    assert "tokens_per_second" not in facts


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile(range(1, 101), 0.99) == 99
