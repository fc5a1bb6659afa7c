"""What is remembered: the ledger, scores from any process, learnt state across restarts, a store that fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import StatusError, make_spec

from pointsman import InvalidFeedbackError, ModelRegistry, Outcome, Request, Router, StoreError, UnknownDecisionError
from pointsman.learning.ledger import ATTEMPTS, DECISIONS, FEEDBACK
from pointsman.stores.memory import MemoryStore
from pointsman.testing import FakeClock

Make = Callable[..., Router]


def test_every_decision_attempt_and_score_has_a_row_without_the_prompt(make_router: Make) -> None:
    store = MemoryStore()
    router = make_router("ucb", store=store)
    failures = [StatusError(500)]

    def call(_: Any) -> str:
        if failures:
            raise failures.pop()
        return "top secret answer"

    router.run(Request(messages="my secret diary", tenant="acme"), call)
    decision_id, row = next(router.ledger.rows(DECISIONS))
    router.feedback(decision_id, 0.7, source="judge")
    assert row["policy"] == "ucb"
    assert row["tenant"] == "acme"
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    attempts = [value for _, value in router.ledger.rows(ATTEMPTS)]
    assert [(each["fault"], each["status"], each["error"]) for each in attempts] == [
        ("server_error", 500, "StatusError"),
        (None, None, None),
    ]
    scored = {"at": router.clock.time(), "score": 0.7, "source": "judge", "parts": None}
    assert dict(router.ledger.rows(FEEDBACK)) == {decision_id: scored}
    everything = repr([list(store.items(space)) for space in store._spaces])
    assert "secret" not in everything


@pytest.mark.parametrize("score", [1.01, -0.1, float("nan"), float("inf"), "good", None, True])
def test_a_score_that_is_none_is_refused(make_router: Make, score: Any) -> None:
    router = make_router()
    with pytest.raises(InvalidFeedbackError):
        router.feedback(router.decide("hi").id, score)


def test_a_score_counts_once_and_only_for_a_known_decision(make_router: Make) -> None:
    router = make_router("ucb")
    decision = router.decide("hi")
    router.observe(decision, Outcome(seconds=0.0))
    router.feedback(decision.id, 0.5)
    with pytest.raises(InvalidFeedbackError, match="already"):
        router.feedback(decision.id, 0.5)
    with pytest.raises(UnknownDecisionError):
        router.feedback("nobody", 0.5)
    performance = router.statistics()["selection_stats"]["model_performance"][decision.model]
    assert (performance["attempts"], performance["average_reward"]) == (1, 0.5)


def test_feedback_finds_its_decision_from_another_process(tmp_path: Path, registry: ModelRegistry) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    router = Router(registry, "ucb", url)
    decision = router.decide("hi")
    router.observe(decision, Outcome(seconds=0.0))
    router.flush()
    code = (
        "import sys; from pointsman import *\n"
        "Router(ModelRegistry([ModelSpec(name='x', provider='openai')]), 'ucb', sys.argv[1]).feedback(sys.argv[2], 0.25)"
    )
    subprocess.run([sys.executable, "-c", code, url, decision.id], check=True)
    later = Router(registry, "ucb", url)
    performance = later.statistics()["selection_stats"]["model_performance"][decision.model]
    assert performance["attempts"] == 1
    assert performance["average_reward"] == pytest.approx(0.25)


def test_what_was_learnt_survives_a_restart_and_a_reset_forgets_it_but_not_the_ledger(
    tmp_path: Path, registry: ModelRegistry
) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    for _ in range(3):
        router = Router(registry, "ucb", url)
        for _ in range(5):
            router.observe(router.decide("hi"), Outcome(seconds=0.1))
        router.close()
    router = Router(registry, "ucb", url)
    assert router.statistics()["selection_stats"]["total_attempts"] == 15
    router.reset_statistics()
    assert Router(registry, "ucb", url).statistics()["selection_stats"]["total_attempts"] == 0
    assert len(list(router.ledger.rows())) == 15


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "from another process"])
def test_a_score_judges_the_model_that_answered_not_the_one_that_failed(tmp_path: Path, *, elsewhere: bool) -> None:
    registry = ModelRegistry([make_spec("dead"), make_spec("alive")])
    store = f"sqlite:///{tmp_path / 'learnt.db'}"
    router = Router(registry, "ucb", store, seed=1)

    def call(attempt: Any) -> str:
        if attempt.spec.name == "dead":
            raise StatusError(500)
        return "answer"

    decision = router.decide(Request(messages="hi", prefer={"dead"}))
    router.execute(decision, call)
    assert decision.model == "openai:dead"
    router.flush()
    judge = Router(registry, "ucb", store) if elsewhere else router
    before = judge.statistics()["selection_stats"]["model_performance"]["openai:alive"]["average_reward"]
    judge.feedback(decision.id, 0.25)
    learnt = judge.statistics()["selection_stats"]["model_performance"]
    assert learnt["openai:alive"]["average_reward"] == pytest.approx(before - 0.75)
    assert "openai:dead" not in learnt


def test_a_score_may_come_before_its_outcome_and_counts_one_pull(make_router: Make) -> None:
    for policy in ("ucb", "adaptive"):
        router = make_router(policy)
        decision = router.decide("hi")
        router.feedback(decision.id, 0.5)
        router.observe(decision, Outcome(seconds=0.0, input_tokens=0, output_tokens=0))
        performance = router.statistics()["selection_stats"]["model_performance"][decision.model]
        assert performance["attempts"] == 1
        if policy == "ucb":
            assert performance["average_reward"] == pytest.approx(0.5)


@pytest.fixture(params=["sqlite", "redis"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/p.db" if request.param == "sqlite" else str(request.getfixturevalue("redis_url"))


@pytest.mark.parametrize("policy", ["ucb", "adaptive"])
def test_processes_learn_from_each_other_with_each_exchange(
    shared_url: str, registry: ModelRegistry, clock: FakeClock, policy: str
) -> None:
    first, second = (Router(registry, policy, shared_url, clock=clock) for _ in range(2))
    for _ in range(6):
        first.observe(first.decide("hi"), Outcome(seconds=0.1))
    first.flush()
    second.observe(second.decide("hi"), Outcome(seconds=0.1))
    second.flush()
    assert second.statistics()["selection_stats"]["total_attempts"] == 7
    first.observe(first.decide("hi"), Outcome(seconds=0.1))
    first.close()
    second.flush()
    assert second.statistics()["selection_stats"]["total_attempts"] == 8


class FailingStore(MemoryStore):
    """A disk that is full from now on."""

    full = False

    def put_all(self, writes: Any) -> None:
        if self.full:
            raise StoreError("the disk is full")
        super().put_all(writes)


def test_a_store_that_fails_never_fails_a_call(make_router: Make, caplog: pytest.LogCaptureFixture) -> None:
    store = FailingStore()
    router = make_router("ucb", store=store)
    store.full = True
    assert router.run("hi", lambda _: "answer") == "answer"
    assert router.statistics()["failed_writes"] > 0
    assert "E4301" in caplog.text


def test_an_outcome_for_a_removed_model_teaches_nothing(make_router: Make, registry: ModelRegistry) -> None:
    router = make_router("ucb")
    decision = router.decide("hi")
    registry.unregister_model(decision.model)
    router.observe(decision, Outcome(seconds=1.0), model=decision.model)
    assert router.statistics()["selection_stats"]["total_attempts"] == 0


def test_a_cached_answer_teaches_nothing(make_router: Make) -> None:
    router = make_router("ucb", registry=ModelRegistry([make_spec("m")]))
    router.observe(router.decide("hi"), Outcome(seconds=0.0, cached=True))
    assert router.statistics()["selection_stats"]["total_attempts"] == 0
    assert router.health("m").state == "unknown"
