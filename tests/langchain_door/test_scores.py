"""Scores reach the decisions they are about: by callbacks, judges and run evaluators."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from pointsman import Router
from pointsman.langchain import ChatPointsman, PointsmanEvaluator, PointsmanFeedback


def scores(router: Router) -> list[tuple[float, str]]:
    return [(row["score"], row["source"]) for _, row in router.ledger.rows("ledger.feedback")]


def test_a_user_scores_what_was_answered_since_the_last_time(llm: ChatPointsman, router: Router) -> None:
    feedback = PointsmanFeedback(router)
    chain = ChatPromptTemplate.from_messages([("user", "{x}")]) | llm
    chain.invoke({"x": "a"}, {"callbacks": [feedback]})
    list(chain.stream({"x": "b"}, {"callbacks": [feedback]}))
    assert len(feedback.decisions) == 2
    feedback.score(0.75)
    feedback.score(0.1)
    assert scores(router) == [(0.75, "user"), (0.75, "user")]


async def test_a_judge_scores_each_answer_as_it_comes(llm: ChatPointsman, router: Router) -> None:
    judged = PointsmanFeedback(router, judge=lambda message: 1.0 if "first" in message.text else None)
    await llm.ainvoke("hello", {"callbacks": [judged]})
    await llm.ainvoke("hello", {"callbacks": [judged]}, model="second")
    assert scores(router) == [(1.0, "judge")]
    assert len(judged.decisions) == 1


def test_a_score_that_cannot_be_taken_does_not_disturb_the_run(
    llm: ChatPointsman, router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "pointsman"):
        answer = llm.invoke("hello", {"callbacks": [PointsmanFeedback(router, judge=lambda _: 7.0)]})
    assert answer.text
    assert scores(router) == []
    assert "E4303" in caplog.text


def test_a_run_evaluator_passes_its_score_on(llm: ChatPointsman, router: Router) -> None:
    evaluator = PointsmanEvaluator(router, lambda run, example: {"key": "brevity", "score": 0.5})
    collected = RunCollectorCallbackHandler()
    chain = ChatPromptTemplate.from_messages([("user", "{x}")]) | llm
    chain.invoke({"x": "a"}, {"callbacks": [collected]})
    result = evaluator.evaluate_run(cast("Any", collected.traced_runs[0]))
    assert getattr(result, "score", None) == 0.5
    assert scores(router) == [(0.5, "brevity")]
