"""Judges and checks at work: scores beside the calls, once each, people before judges before checks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import ConfigError, InvalidFeedbackError, ModelRegistry, Outcome, Request, Router
from pointsman.learning.checks import CheckSettings
from pointsman.learning.judges import Judge
from pointsman.learning.ledger import ATTEMPTS, FEEDBACK
from pointsman.stores.memory import MemoryStore

Make = Callable[..., Router]


@pytest.fixture
def make(make_router: Make) -> Make:
    """A router of one model that learns from the scalar reward; its clock stands still, so a success counts 1."""

    def build(**options: Any) -> Router:
        return make_router(options.pop("policy", "ucb"), registry=ModelRegistry([make_spec("m")]), **options)

    return build


def learnt(router: Router) -> float:
    router.flush()
    return float(router.statistics()["selection_stats"]["model_performance"]["openai:m"]["average_reward"])


def scores(router: Router) -> list[tuple[Any, ...]]:
    router.flush()
    return [(row["score"], row["source"], row["parts"]) for _, row in router.ledger.rows(FEEDBACK)]


def test_a_judge_hears_request_answer_and_record_and_its_score_is_learnt(make: Make) -> None:
    heard = []

    def judge(request: Request, answer: Any, record: Any) -> float:
        heard.append((request.tenant, answer.text, record.attempt.spec.name, threading.current_thread().name))
        return 0.25

    router = make(judges=[judge])
    assert router.run(Request(messages="hi", tenant="acme"), lambda _: "four") == "four"
    assert learnt(router) == pytest.approx(0.25)
    assert heard == [("acme", "four", "m", "pointsman-worker")]
    assert scores(router) == [(0.25, "judge", {"judge.judge": 0.25})]
    assert router.statistics()["judging"] == {"scored": 1, "failed": 0, "late": 0, "dropped": 0}


async def test_a_judge_may_be_a_coroutine_function_and_so_may_the_call(make: Make) -> None:
    router = make()

    @router.judge
    async def judge(request: Request, answer: Any, record: Any) -> float:
        del request, record
        await asyncio.sleep(0)
        return float("four" in str(answer))

    async def call(_: Any) -> str:
        return "four"

    assert await router.arun("hi", call) == "four"
    assert learnt(router) == pytest.approx(1.0)
    assert callable(judge)


def test_an_inline_judge_scores_before_the_answer_is_handed_over(make: Make) -> None:
    threads = []

    def judge(*_: Any) -> float:
        threads.append(threading.current_thread())
        return 0.5

    router = make(judges=[Judge(judge, inline=True)])
    router.run("hi", lambda _: "x", honours_timeout=True)
    assert threads == [threading.current_thread()]
    assert router.statistics()["judging"]["scored"] == 1


@pytest.mark.parametrize("said", [ValueError("my secret diary"), 1.5, -1, float("nan"), "good", object()])
def test_a_judge_that_fails_fails_no_call_and_is_counted(make: Make, said: Any, caplog: Any) -> None:
    def judge(*_: Any) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    router = make(judges=[judge, lambda *_: None])
    assert router.run("my secret diary", lambda _: "x") == "x"
    assert learnt(router) == 1.0
    assert router.statistics()["judging"]["failed"] == 1
    assert scores(router) == []
    assert "secret" not in caplog.text


def test_a_share_of_answers_is_judged_and_a_seed_repeats_which(make: Make) -> None:
    def judged(seed: int) -> list[bool]:
        router = make(seed=seed)
        seen: list[Any] = []
        router.judge(lambda *_: seen.append(1), share=0.3, inline=True)
        before = []
        for _ in range(200):
            had = len(seen)
            router.run("hi", lambda _: "x", honours_timeout=True)
            before.append(len(seen) > had)
        return before

    first = judged(1)
    assert 40 <= sum(first) <= 80
    assert first == judged(1)


def test_judges_of_one_answer_are_weighed(make: Make) -> None:
    router = make()
    router.judge(lambda *_: 1.0, weight=3)
    router.judge(lambda *_: False)
    router.run("hi", lambda _: "x")
    assert learnt(router) == pytest.approx(0.75)


def test_a_judges_own_calls_are_not_judged(make: Make) -> None:
    router = make()

    def judge(*_: Any) -> float:
        return float(router.run("is this good?", lambda _: "0.5"))

    router.judge(judge)
    router.run("hi", lambda _: "x")
    router.flush()
    assert router.statistics()["judging"]["scored"] == 1


def test_failures_and_cached_answers_are_not_judged(make: Make) -> None:
    router = make(judges=[lambda *_: 0.0], checks=CheckSettings())

    def call(_: Any) -> str:
        raise StatusError(500)

    with pytest.raises(Exception, match="no model could answer"):
        router.run("hi", call)
    router.observe(router.decide("hi"), Outcome(cached=True, finish_reason="length"))
    assert scores(router) == []


def test_people_come_before_judges_before_checks_and_each_counts_once(make: Make) -> None:
    gate = threading.Event()

    def judge(*_: Any) -> float:
        gate.wait(30)
        return 0.5

    router = make(checks=CheckSettings(weight=0.5))
    decision = router.decide("hi")
    router.execute(decision, lambda _: " ")
    assert learnt(router) == pytest.approx(0.5), "half of a defect that takes all"
    router.feedback(decision.id, 0.6, source="judge")
    assert learnt(router) == pytest.approx(0.6)
    router.feedback(decision.id, 0.9)
    assert learnt(router) == pytest.approx(0.9)
    for source in ("user", "judge", "checks", None):
        with pytest.raises(InvalidFeedbackError, match="already"):
            router.feedback(decision.id, 0.1, source=source)
    assert learnt(router) == pytest.approx(0.9)
    assert scores(router) == [(0.9, None, {"checks.non_empty": 0.0, "judge": 0.6, "user": 0.9})]

    router.judge(judge)
    late = router.decide("hi")
    router.execute(late, lambda _: "x")
    router.feedback(late.id, 0.9)
    gate.set()
    assert learnt(router) == pytest.approx(0.9)
    assert router.statistics()["judging"]["late"] == 1


def test_what_a_reward_was_made_of_is_in_its_rows(make_router: Make) -> None:
    priced = make_spec("m", cost_per_1m_input_tokens=1, cost_per_1m_output_tokens=1)
    router = make_router("ucb", registry=ModelRegistry([priced]))
    router.observe(router.decide("hi"), Outcome(seconds=2.0, input_tokens=1_000, output_tokens=0))
    router.observe(router.decide("hi"), Outcome(error=StatusError(500)))
    first, second = (row["reward"] for _, row in router.ledger.rows(ATTEMPTS))
    assert first == {"success": 1.0, "latency": -0.2, "cost": pytest.approx(-0.1)}
    assert second is None


def test_no_prompt_and_no_answer_is_kept(make: Make) -> None:
    store = MemoryStore()
    router = make(store=store, judges=[lambda *_: 0.5], checks=CheckSettings())
    router.run("my secret diary", lambda _: "a secret answer")
    router.flush()
    assert "secret" not in repr([list(store.items(space)) for space in store._spaces])


def test_a_stream_is_checked_by_its_record_alone(make: Make) -> None:
    router = make(checks=CheckSettings(weight=1.0))
    delta = {"choices": [{"delta": {"content": "x"}, "finish_reason": None}]}
    end: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "length"}]}
    assert len(list(router.stream("hi", lambda _: iter([delta, end])))) == 2
    assert scores(router) == [(0.5, "checks", {"checks.finish_reason": 0.0})]


def test_what_others_called_is_checked_by_its_outcome(make: Make) -> None:
    router = make(checks=CheckSettings(weight=1.0))
    router.observe(router.decide("hi"), Outcome(finish_reason="max_tokens"))
    assert learnt(router) == pytest.approx(0.5)


def test_adaptive_learns_quality_from_checks_at_their_weight_and_then_from_people(make: Make) -> None:
    router = make(policy="adaptive", checks=CheckSettings(weight=0.5))
    decision = router.decide("hi")
    router.execute(decision, lambda _: "x")
    router.flush()
    row = router.statistics()["selection_stats"]["model_performance"]["openai:m"]
    assert (row["scored"], row["average_quality"]) == (1.0, pytest.approx(1.0))
    router.feedback(decision.id, 0.4)
    row = router.statistics()["selection_stats"]["model_performance"]["openai:m"]
    assert (row["scored"], row["average_quality"]) == (1.0, pytest.approx(0.4))


def test_a_failing_model_loses_to_one_whose_answers_parse() -> None:
    registry = ModelRegistry([make_spec(name, capabilities=["generation.text", "json"]) for name in ("sloppy", "neat")])
    router = Router(registry, "ucb", seed=1, checks=CheckSettings(weight=1.0))
    answers = {"sloppy": "Sure! Here it is: {", "neat": '{"a": 1}'}
    request = Request(messages="hi", response_format={"type": "json_object"})
    served = []
    for _ in range(30):
        decision = router.decide(request)
        router.execute(decision, lambda attempt: answers[attempt.spec.name])
        router.flush()
        served.append(decision.spec.name)
    assert served[10:].count("neat") > 15


def test_the_configuration_turns_checks_on(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("models:\n  - {name: m, provider: openai}\npolicy: ucb\nchecks: {finish_reason: 1, weight: 1}\n")
    router = Router.from_config(path)
    router.observe(router.decide("hi"), Outcome(finish_reason="length"))
    assert learnt(router) == pytest.approx(0.0)
    path.write_text("checks:\n  parses: 2\n  spelling: 1\n")
    with pytest.raises(ConfigError) as caught:
        Router.from_config(path)
    assert {each.line for each in caught.value.problems} == {2, 3}


@pytest.mark.parametrize("options", [{"share": 2}, {"weight": 0}, {"timeout": -1}])
def test_a_judge_that_cannot_be_meant_is_refused(make: Make, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="share"):
        make().judge(lambda *_: 1.0, **options)
    with pytest.raises(TypeError, match="callable"):
        make(judges=["good"])


def test_what_is_too_much_is_dropped_and_counted(make: Make) -> None:
    gate = threading.Event()
    router = make(judges=[lambda *_: gate.wait(30) and 1.0])
    for _ in range(1_010):
        router.run("hi", lambda _: "x", honours_timeout=True)
    gate.set()
    router.flush()
    assert router.statistics()["judging"]["dropped"] == 10
