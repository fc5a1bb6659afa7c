"""Policies judged on a log: estimates hold the truth, and where the log cannot say, that is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from replay.worlds import EVEN, QUALITY, Shares, make_log, models
from samples import make_spec

from pointsman import ConfigError, Lesson, ModelRegistry, Outcome, Request, Router
from pointsman.errors import NoSupportError, StoreError
from pointsman.learning.ledger import DECISIONS
from pointsman.replay import compare, evaluate, read_log
from pointsman.replay.targets import shares_over
from pointsman.testing import FakeClock


@pytest.fixture(scope="module")
def log() -> Router:
    return make_log(rows=1_500)


@pytest.mark.parametrize(
    ("policy", "truth"),
    [
        ("best", QUALITY["good"]),
        ("cheapest", QUALITY["cheap"]),
        ("weighted", sum(QUALITY.values()) / 3),
        (Shares(cheap=0.5, fast=0.5), 0.6),
        ({"name": "adaptive", "cost_weight": 0.0, "nursery": 0}, QUALITY["good"]),
    ],
)
def test_the_truth_lies_in_every_interval(log: Router, policy: Any, truth: float) -> None:
    found = evaluate(log, policy)
    for estimate in (found.dr, found.snips, found.ips):
        assert estimate.low - 0.01 <= truth <= estimate.high + 0.01
        assert estimate.high - estimate.low < 0.2
    assert found.mean_weight == pytest.approx(1.0, abs=0.1)
    assert found.support > 0.99


def test_gain_and_cost_are_against_the_log_itself(log: Router) -> None:
    found = compare(log, ["best", EVEN])
    assert found["best"].gain.low > 0.1
    assert found["best"].gain.mean == pytest.approx(found["best"].dr.mean - found.logged.mean)  # type: ignore[union-attr]
    assert found["best"].cost is not None
    assert found["best"].cost.mean == pytest.approx((30 + 4 * 30) * 100 / 1e6)
    assert found["shares"].gain.mean == pytest.approx(0.0, abs=0.02)
    assert found["shares"].effective_rows == pytest.approx(found.used)
    assert found["shares"].snips.mean == pytest.approx(found.logged.mean)  # type: ignore[union-attr]


def test_a_policy_that_learns_is_judged_as_it_learns_from_the_log(log: Router) -> None:
    quality_alone = {"name": "adaptive", "cost_weight": 0.0}
    learning = evaluate(log, quality_alone)
    frozen = evaluate(log, {"name": "thompson"}, learn=False)
    assert learning.dr.low > frozen.dr.mean
    assert frozen.dr.mean == pytest.approx(sum(QUALITY.values()) / 3, abs=0.05)
    assert learning.rows == pytest.approx(0.8 * frozen.rows, abs=1)


class Spy(Shares):
    """Writes down when it was asked and when it was told."""

    name = "spy"

    def __init__(self) -> None:
        super().__init__(cheap=1.0, good=1.0, fast=1.0)
        self.seen: list[str] = []

    def probabilities(self, arms: Any, context: Any) -> list[float]:
        self.seen.append("asked")
        context.memo = len(self.seen)
        return super().probabilities(arms, context)

    def learn(self, lesson: Lesson) -> None:
        self.seen.append(f"told {lesson.key} {lesson.quality} {lesson.counted} {lesson.memo}")


def test_a_policy_is_told_only_what_was_known_by_then() -> None:
    clock = FakeClock()
    router = Router(models(), "cheapest", clock=clock, seed=1)
    first = router.decide("one")
    clock.advance(1.0)
    second = router.decide("two")
    clock.advance(1.0)
    router.observe(first, Outcome(seconds=1.0))
    router.observe(second, Outcome(seconds=1.0))
    router.feedback(second.id, 0.25)
    clock.advance(1.0)
    router.decide("three")
    clock.advance(1.0)
    router.feedback(first.id, 0.75)
    spy = Spy()
    log = read_log(router)
    shares_over(log, spy)
    scores_and_questions = [each for each in spy.seen if " None " not in each]
    assert scores_and_questions == [
        "asked",
        "asked",
        "told openai:cheap 0.25 True 2",
        "asked",
        "told openai:cheap 0.75 True 1",
    ]
    assert len(spy.seen) == 7  # two outcomes besides


def test_the_features_in_the_ledger_are_what_a_contextual_policy_sees() -> None:
    router = make_log({"name": "thompson", "floor": 0.3}, rows=60)
    live = Router(models(), "adaptive").decide(Request(messages="question 5, secret 1")).memo
    assert list(read_log(router).rows[5].request.features or ()) == pytest.approx(live, abs=1e-3)
    adaptive = make_log({"name": "adaptive", "floor": 0.3}, rows=10)
    kept = dict(adaptive.ledger.rows(DECISIONS))
    assert all(row["features"] is None and len(row["memo"]) == 17 for row in kept.values())
    assert list(read_log(adaptive).rows[5].request.features or ()) == pytest.approx(live, abs=1e-3)


def test_replay_is_reached_without_an_import_of_its_own() -> None:
    import pointsman

    assert pointsman.replay.evaluate is evaluate


# -- refusals


def refusal(log: Any, policy: Any, **options: Any) -> NoSupportError:
    with pytest.raises(NoSupportError) as caught:
        evaluate(log, policy, **options)
    assert caught.value.code == "E4304"
    return caught.value


def test_a_log_without_chance_says_nothing_of_other_models() -> None:
    error = refusal(make_log("cheapest", rows=200), "best")
    assert (error.reason, error.figures["support"]) == ("no_support", 0.0)
    assert "openai:good 100%" in error.message
    assert "floor" in (error.hint or "")


def test_a_model_that_was_never_drawn_has_no_support_even_if_it_could_have_been() -> None:
    error = refusal(make_log(Shares(cheap=0.9999, good=0.0001), rows=200), "best")
    assert error.reason == "no_support"


def test_few_effective_rows_are_no_evidence() -> None:
    error = refusal(make_log(Shares(cheap=0.95, good=0.05), rows=300), "best")
    assert error.reason == "few_effective_rows"
    assert 5 <= error.figures["effective_rows"] < 30


def test_few_rows_are_refused_and_what_was_left_out_is_told() -> None:
    error = refusal(make_log(rows=300, scored=0.1), "best")
    assert error.reason == "few_rows"
    assert "no score" in error.message
    assert evaluate(make_log(rows=300, scored=0.1), "best", measure="success").rows == 300


def test_an_empty_log_is_refused() -> None:
    assert refusal(make_log(rows=0), "best").reason == "few_rows"


def test_one_policy_that_is_refused_does_not_keep_others_from_being_judged() -> None:
    found = compare(make_log(Shares(cheap=0.6, fast=0.4), rows=300), ["cheapest", "best", "weighted"])
    assert [each.policy for each in found.evaluations] == ["cheapest"]
    assert [each.policy for each in found.refusals] == ["best", "weighted"]
    text = str(found)
    assert "as logged" in text
    assert "refused: best: 100% of its choices" in text
    assert json.loads(json.dumps(found.as_dict()))["refusals"][0]["reason"] == "no_support"
    assert "<table>" in found._repr_html_()


def test_a_policy_that_does_not_exist_or_breaks_its_contract_is_named(log: Router) -> None:
    with pytest.raises(ConfigError, match="no policy 'nonsense'"):
        evaluate(log, "nonsense")
    with pytest.raises(ValueError, match="probabilities for 3 models"):
        evaluate(log, Shares(cheap=-1.0, good=2.0))


# -- which rows count


def test_sessions_and_requests_without_a_choice_are_left_out_and_counted() -> None:
    router = make_log(rows=100)
    for _ in range(3):
        decision = router.decide(Request(messages="hi", session="s"))
        router.observe(decision, Outcome(seconds=1.0))
        router.feedback(decision.id, 1.0)
    decision = router.decide(Request(messages="hi", model="openai:good"))
    router.observe(decision, Outcome(seconds=1.0))
    router.feedback(decision.id, 1.0)
    found = compare(router, ["weighted"])
    assert dict(found.left_out) == {"sticky": 2, "one candidate": 1}
    assert found.used == 101


def test_a_first_attempt_that_failed_scores_nothing_whoever_answered_then() -> None:
    router = make_log(rows=100)
    decision = router.decide("hi")
    router.observe(decision, Outcome(error=TimeoutError(), seconds=1.0))
    router.observe(decision, Outcome(seconds=1.0), model=decision.fallbacks[0])
    router.feedback(decision.id, 1.0)
    row = read_log(router).rows[-1]
    assert [row.measured(each) for each in ("score", "success", "cost")] == [0.0, 0.0, None]
    assert row.answered_by == decision.fallbacks[0]


def test_what_only_checks_have_scored_is_not_scored() -> None:
    router = make_log(rows=1)
    decision = router.decide("hi")
    router.observe(decision, Outcome(seconds=1.0))
    router.ledger.scored(decision.id, 0.0, "checks", {"empty": 0.0}, 0.25)
    assert read_log(router).rows[-1].measured("score") is None


def test_of_more_candidates_than_a_row_keeps_nothing_is_estimated() -> None:
    registry = ModelRegistry(make_spec(f"m{number}", capabilities=["generation.text.chat"]) for number in range(40))
    router = Router(registry, "weighted", clock=FakeClock(), seed=1)
    router.decide("hi")
    assert read_log(router).rows[0].left_out == "too many candidates"


# -- where logs live


@pytest.mark.parametrize("scheme", ["sqlite", "jsonl"])
def test_a_log_is_read_from_its_file(tmp_path: Path, scheme: str) -> None:
    path = tmp_path / ("log.db" if scheme == "sqlite" else "log.jsonl")
    router = make_log(rows=200, store=f"{scheme}:///{path}")
    here = compare(router, ["best"])
    router.close()
    for source in (path, str(path), f"{scheme}:///{path}"):
        there = compare(source, ["best"], registry=None if scheme == "sqlite" else models())
        assert there.as_dict() == here.as_dict()
    assert here.strangers == []


def test_a_configured_routers_store_has_its_models(tmp_path: Path) -> None:
    config = tmp_path / "pointsman.yaml"
    entry = "{name: %s, provider: openai, capabilities: [generation.text.chat], cost_per_1m_input_tokens: %d}"
    config.write_text(f"models:\n- {entry % ('a', 1)}\n- {entry % ('b', 2)}\nstore: sqlite:///{tmp_path}/log.db\n")
    for _ in range(2):
        router = Router.from_config(config, policy="weighted")
        for _ in range(30):
            router.feedback(router.decide("hi").id, 1.0)
        router.close()
    found = compare(tmp_path / "log.db", ["cheapest"], measure="score")
    assert (found.used, found.strangers) == (60, [])
    assert read_log(tmp_path / "log.db").specs["openai:b"].cost_per_1m_input_tokens == 2


def test_models_that_nobody_knows_any_more_are_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    make_log(rows=100, store=f"jsonl:///{path}").close()
    found = compare(path, ["weighted"])
    assert found.strangers == ["openai:cheap", "openai:fast", "openai:good"]
    assert "no price or quality is known of openai:cheap" in found.note
    assert found.evaluations


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        evaluate(tmp_path / "nowhere.db", "best")
    assert not list(tmp_path.iterdir())


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    router = make_log(rows=100, store=f"sqlite:///{tmp_path}/log.db")
    for number, row in enumerate([None, 7, {}, {"probabilities": [], "model": 1}]):
        router.store.put(DECISIONS, f"odd{number}", row)
    assert compare(router, ["weighted"]).left_out["not as a ledger writes them"] == 4


def test_the_rows_of_an_earlier_version_still_count() -> None:
    router = make_log(rows=60)
    for key, row in list(router.ledger.rows(DECISIONS)):
        for name in ("features", "input_tokens", "candidate_count", "expertise", "weights", "policy_version"):
            del row[name]
        router.store.put(DECISIONS, key, row)
    assert compare(router, ["weighted"]).used == 60


def test_ten_thousand_rows_are_judged() -> None:
    found = compare(make_log(rows=10_000), ["thompson", "best", "weighted"])
    assert (found.used, found.warm_up) == (8_000, 2_000)
    for policy, truth in (("best", QUALITY["good"]), ("weighted", sum(QUALITY.values()) / 3)):
        assert found[policy].dr.low - 0.01 <= truth <= found[policy].dr.high + 0.01
