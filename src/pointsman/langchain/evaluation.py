"""`PointsmanEvaluator`: a run evaluator that passes scores on to the decisions in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from langchain_core.messages import BaseMessage
from langsmith.evaluation import EvaluationResult, EvaluationResults, RunEvaluator
from langsmith.schemas import Example, Run

from pointsman.arguments import expect, expect_callable
from pointsman.langchain.feedback import pass_on
from pointsman.langchain.messages import RECORD
from pointsman.router import Router


class PointsmanEvaluator(RunEvaluator):
    """A run evaluator that passes another's score on to the decisions in the run.

    For LangSmith's `evaluate`, or `EvaluatorCallbackHandler([PointsmanEvaluator(router, evaluator)])`.

    Args:
        router: whose decisions they are.
        evaluator: scores a run in 0 to 1; a run evaluator, or a function of run and example.
    """

    def __init__(
        self,
        router: Router,
        evaluator: RunEvaluator | Callable[[Run, Example | None], EvaluationResult | Mapping[str, Any]],
    ) -> None:
        expect(router, Router, "router", "a pointsman.Router")
        if not isinstance(evaluator, RunEvaluator):
            expect_callable(evaluator, "evaluator")
        self.router = router
        self._evaluator = evaluator

    def evaluate_run(
        self, run: Run, example: Example | None = None, evaluator_run_id: UUID | None = None
    ) -> EvaluationResult | EvaluationResults:
        """Score a run, and every decision in it."""
        del evaluator_run_id
        evaluator = self._evaluator
        given = evaluator.evaluate_run(run, example) if isinstance(evaluator, RunEvaluator) else evaluator(run, example)
        result = given if isinstance(given, EvaluationResult) else EvaluationResult(**given)
        if result.score is not None:
            for decision_id in dict.fromkeys(decisions_in(run)):
                pass_on(self.router, decision_id, float(result.score), result.key)
        return result


def decisions_in(run: Run) -> Iterator[str]:
    """The ids of all decisions in a run and the runs below it."""
    metadata = (run.extra or {}).get("metadata") or {}
    if isinstance(routed := metadata.get("pointsman_decision"), str):
        yield routed
    if run.run_type == "llm":
        yield from _ids_in(run.outputs)
    for child in run.child_runs or ():
        yield from decisions_in(child)


def _ids_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        record = value.get(RECORD)
        if isinstance(record, Mapping) and isinstance(record.get("decision_id"), str):
            yield record["decision_id"]
            return
        for inner in value.values():
            yield from _ids_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _ids_in(inner)
    elif isinstance(value, BaseMessage):
        yield from _ids_in(value.response_metadata)
