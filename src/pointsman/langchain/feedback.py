"""`PointsmanFeedback`: a callback that passes scores on to the decisions they are about."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from pointsman.arguments import expect, expect_callable
from pointsman.errors import InvalidFeedbackError, PointsmanError
from pointsman.langchain.messages import RECORD
from pointsman.router import Router
from pointsman.types import is_score

_log = logging.getLogger("pointsman")

Judge = Callable[[BaseMessage], float | None]


class PointsmanFeedback(BaseCallbackHandler):
    """A callback that remembers which decisions were made in a run, and scores them, at once or when it is told.

    ```python
    feedback = PointsmanFeedback(router)
    chain.invoke(question, {"callbacks": [feedback]})
    feedback.score(0.9)                                     # thumbs up, for every decision since the last score
    ```

    Args:
        router: whose decisions they are.
        judge: scores each answer as it comes, in 0 to 1; None leaves it open.
    """

    def __init__(self, router: Router, judge: Judge | None = None) -> None:
        expect(router, Router, "router", "a pointsman.Router")
        if judge is not None:
            expect_callable(judge, "judge")
        self.router = router
        self.decisions: list[str] = []
        self._judge = judge

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Take note of an answer's decision, and judge the answer."""
        del run_id, kwargs
        for generations in response.generations:
            message = getattr(generations[0], "message", None) if generations else None
            decision_id = decision_of(message)
            if decision_id is None:
                continue
            score = self._judge(message) if self._judge is not None and isinstance(message, BaseMessage) else None
            if score is None:
                self.decisions.append(decision_id)
            else:
                pass_on(self.router, decision_id, score, "judge")

    def score(self, score: float, *, source: str | None = "user") -> None:
        """Score every decision since the last time, in 0 to 1.

        Raises:
            InvalidFeedbackError: E4303, for a score that is none; the decisions can be scored again.
        """
        if not is_score(score):  # before the decisions are let go of
            raise InvalidFeedbackError(f"the score is {score!r}; expected a number from 0 to 1")
        decisions, self.decisions = self.decisions, []
        for decision_id in decisions:
            pass_on(self.router, decision_id, score, source)


def decision_of(message: Any) -> str | None:
    """The id of the decision behind an answer, if there is one."""
    record = message.response_metadata.get(RECORD) if isinstance(message, BaseMessage) else None
    decision_id = record.get("decision_id") if isinstance(record, Mapping) else None
    return decision_id if isinstance(decision_id, str) else None


def pass_on(router: Router, decision_id: str, score: float, source: str | None) -> None:
    """A score that comes twice, or too late, is no reason to disturb the run it is about."""
    try:
        router.feedback(decision_id, score, source=source)
    except PointsmanError as error:
        _log.warning("%s: a score was not taken: %s", error.code, error)
