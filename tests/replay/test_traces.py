"""Traces: files are read and checked, policies run on them against hindsight, and pictures are drawn."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from pointsman import ConfigError
from pointsman.errors import InvalidTraceError
from pointsman.policies.base import BasePolicy
from pointsman.policies.cheapest import CheapestPolicy
from pointsman.policies.thompson import ThompsonPolicy
from pointsman.replay import aiq, front, plots, read_trace, run
from pointsman.replay.traces import Trace, is_trace

HEADER = ["prompt_id", "prompt", "model", "score", "cost_usd", "input_tokens", "output_tokens"]
MODELS = {"small": (0.4, 0.0001), "large": (0.9, 0.01), "middle": (0.7, 0.001)}


def rows_of(prompts: int = 200) -> list[dict[str, Any]]:
    chance = Random(3)
    return [
        {
            "prompt_id": f"p{number}",
            "prompt": f"question {number}?",
            "model": model,
            "score": float(chance.random() < quality),
            "cost_usd": cost,
            "input_tokens": 100,
            "output_tokens": 50,
        }
        for number in range(prompts)
        for model, (quality, cost) in MODELS.items()
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt", newline="") if path.name.endswith(".gz") else path.open("w", newline="") as file:
        if ".csv" in path.name:
            writer = csv.DictWriter(file, HEADER, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return read_trace(write(tmp_path / "made.csv", rows_of()))


@pytest.mark.parametrize("name", ["made.csv", "made.csv.gz", "made.jsonl", "made.jsonl.gz", "made.scores.csv"])
def test_every_form_of_a_trace_reads_alike(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, rows_of(5))
    trace = read_trace(path)
    assert (trace.name, list(trace.models), trace.scores.shape) == ("made", ["small", "large", "middle"], (5, 3))
    assert trace.scores[2].tolist() == [row["score"] for row in rows_of(5) if row["prompt_id"] == "p2"]
    assert trace.prompts[4] == "question 4?"
    assert is_trace(path)
    assert "question" not in repr(trace)


def test_without_prices_a_model_gets_the_one_that_its_costs_come_to(trace: Trace) -> None:
    assert trace.prices[1] == pytest.approx((0.01 / 150 * 1e6,) * 2)


def test_files_beside_it_give_prices_priors_and_prompts(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key not in ("prompt", "input_tokens")} for row in rows_of(4)]
    path = write(tmp_path / "made.scores.csv.gz", rows)
    (tmp_path / "made.models.csv").write_text(
        "model,price_in,price_out,quality_prior\nlarge,5,25,0.8\nsmall,1,2,0.3\nmiddle,2,4,\nother,1,1,1\n"
    )
    with gzip.open(tmp_path / "made.prompts.csv.gz", "wt") as file:
        file.write("prompt_id,prompt,input_tokens\n" + "".join(f"p{n},text {n},{n + 7}\n" for n in range(4)))
    trace = read_trace(path)
    assert list(trace.prices) == [(1, 2), (5, 25), (2, 4)]
    assert list(trace.priors) == [0.3, 0.8, None]
    assert list(trace.prompts) == ["text 0", "text 1", "text 2", "text 3"]
    assert list(trace.prompt_tokens) == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("a,b\n1,2\n", "trace.csv:2: a row needs a model and a prompt_id"),
        ("prompt_id,model,score\np,m,1.5\n", "trace.csv:2: score is '1.5'; expected a number from 0 to 1"),
        ("prompt_id,model,score\np,m,\n", "trace.csv:2: score is ''"),
        ("prompt_id,model,score,cost\np,m,1,-2\n", "trace.csv:2: cost_usd is '-2'"),
        ("prompt_id,model,score\np,m,nan\n", "trace.csv:2: score is 'nan'"),
        ("prompt_id,model,score\np,m,1\np,m,1\n", "trace.csv:3: model 'm' has a row for this prompt already"),
        ("prompt_id,model,score\np,m,1\nq,n,1\n", "2 answers are missing: not every model answered prompt 'p'"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(InvalidTraceError) as caught:
        read_trace(path)
    assert words in str(caught.value)
    assert caught.value.code == "E4305"


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.jsonl", b"[1]\n"), ("x.jsonl", b"{"), ("x.csv", b"\xff\xfe\n"), ("x.csv.gz", b"no gzip"), ("x.csv", None)],
)
def test_a_file_that_is_no_trace_is_a_typed_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidTraceError):
        read_trace(tmp_path / name)


# -- running


def test_the_best_single_model_has_no_regret_and_hindsight_is_one_hundred_per_cent(trace: Trace) -> None:
    class Large(BasePolicy):
        def probabilities(self, arms: Any, context: Any) -> list[float]:
            return [float(spec.name == "large") for spec in arms]

    found = run(trace, [Large, "cheapest"], seeds=2)
    assert found.best_model == "large"
    assert found["Large"].of_best == pytest.approx(1.0)
    assert np.abs(found["Large"].regret).max() == pytest.approx(0.0)
    assert found["Large"].of_oracle < 1.0
    assert found["Large"].score == pytest.approx(trace.scores[:, 1].mean())
    assert found["cheapest"].cost == pytest.approx(0.0001)
    expected = trace.scores[:, 0].sum() - 0.1 * 200 * 0.0001 / 0.01
    assert found["cheapest"].rewards[-1] == pytest.approx(expected)


def test_a_learner_finds_the_best_model_and_repeats_itself(trace: Trace) -> None:
    first, again = (run(trace, ["adaptive"], seeds=[5, 6]) for _ in range(2))
    assert first["adaptive"].of_best > 0.85
    assert first.as_dict() == again.as_dict()
    assert json.loads(json.dumps(first.as_dict()))["runs"][0]["policy"] == "adaptive"


def test_scores_that_come_late_or_seldom_teach_less(trace: Trace) -> None:
    full = run(trace, ["adaptive"], seeds=4)["adaptive"]
    assert run(trace, ["adaptive"], seeds=4, late=150)["adaptive"].of_best < full.of_best
    assert run(trace, ["adaptive"], seeds=4, scored=0.02)["adaptive"].of_best < full.of_best


def test_overspend_is_told_against_the_budget(trace: Trace) -> None:
    found = run(trace, ["cheapest"], seeds=1, budget=0.0002)
    assert found["cheapest"].overspend == pytest.approx(-0.5)


def test_objects_are_reset_and_those_that_cannot_be_are_refused(trace: Trace) -> None:
    object_, name = (run(trace, [each], seeds=2).runs[0] for each in (ThompsonPolicy(), "thompson"))
    assert object_.rewards.tolist() == name.rewards.tolist()
    assert run(trace, [CheapestPolicy()], seeds=2).runs[0].policy == "cheapest"

    class Hoarder:
        def probabilities(self, arms: Any, context: Any) -> list[float]:
            return [1.0] * len(arms)

        def learn(self, lesson: Any) -> None: ...

    with pytest.raises(ConfigError, match="would keep what it learnt"):
        run(trace, [Hoarder()], seeds=2)
    assert run(trace, [Hoarder()], seeds=1).runs


# -- fronts


def test_the_front_is_what_mixing_reaches() -> None:
    assert front([(1, 0.2), (2, 0.3), (3, 0.8), (4, 0.7)]) == [(1, 0.2), (3, 0.8)]
    assert front([(1, 0.5), (1, 0.9)]) == [(1, 0.9)]
    assert front([]) == []


def test_aiq_is_the_area_worked_out_by_hand() -> None:
    assert aiq([(0.0, 0.4), (1.0, 0.8)], 0.0, 1.0) == pytest.approx(0.6)
    assert aiq([(0.0, 0.4), (1.0, 0.8)], 0.0, 2.0) == pytest.approx((0.6 + 0.8) / 2)
    assert aiq([(0.5, 1.0)], 0.0, 1.0) == pytest.approx(0.5)
    assert aiq([], 0.0, 1.0) == 0.0


def test_a_policy_with_a_cost_weight_has_a_front(trace: Trace) -> None:
    found = run(trace, ["adaptive", "cheapest"], seeds=1, fronts=True)
    assert found["cheapest"].aiq is None
    assert found["adaptive"].aiq is not None
    assert 0.3 < found["adaptive"].aiq < 1.0
    assert len(found["adaptive"].points) >= 5
    costs = [cost for cost, _ in found["adaptive"].points]
    assert costs[0] > costs[-1]


# -- pictures


def test_pictures_are_drawn(trace: Trace, tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from replay.worlds import make_log

    from pointsman.replay import compare

    runs = run(trace, ["adaptive", "cheapest"], seeds=1, fronts=True)
    regret = plots.plot_regret(runs)
    assert [line.get_label() for line in regret.get_lines()] == ["adaptive", "cheapest", "large"]
    assert regret.get_lines()[0].get_ydata()[-1] == pytest.approx(runs["adaptive"].regret[-1])
    costs = plots.plot_front(runs)
    assert "cheapest" in [text.get_text() for text in costs.get_legend().get_texts()]
    found = compare(make_log(rows=300), ["best", "weighted"])
    calibration = plots.plot_calibration(found)
    assert len(calibration.get_lines()[1].get_xdata()) == 10
    estimates = plots.plot_estimates(found)
    assert [label.get_text() for label in estimates.get_yticklabels()] == ["as logged", "best", "weighted"]
    estimates.figure.savefig(tmp_path / "estimates.png")
    assert (tmp_path / "estimates.png").stat().st_size > 5_000
    plt.close("all")
    with pytest.raises(ValueError, match="too few rows"):
        plots.plot_calibration(compare(make_log(rows=10), []))
