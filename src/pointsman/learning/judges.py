"""Judges: callables that score answers beside the calls. What they and the checks find becomes one score per answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from pointsman.arguments import expect
from pointsman.errors import PointsmanError
from pointsman.failover.readings import Reading
from pointsman.failover.steps import AttemptRecord
from pointsman.learning.answer_text import Answer, read_answer
from pointsman.learning.checks import CheckSettings, check, quality_of
from pointsman.learning.workers import Workers
from pointsman.types import Request

_log = logging.getLogger("pointsman")

# A score in 0 to 1, or None for no opinion.
Verdict = float | None
JudgeCall = Callable[[Request, Answer, AttemptRecord], Verdict | Awaitable[Verdict]]

# Calls that a judge makes are not judged themselves.
_judging: ContextVar[bool] = ContextVar("pointsman_judging", default=False)


@dataclass(frozen=True, slots=True)
class Judge:
    """A callable that scores answers: `call(request, answer, record)`, sync or async, from 0 to 1 or None.

    Attributes:
        call: what scores; `answer` has `.text`, `.tool_calls`, `.finish_reason` and `.value`.
        share: of all answers, how many it gets to see.
        weight: what it counts against other judges of the same answer.
        inline: score on the caller's path before the answer is handed over; for sync judges that take no time.
        timeout: seconds for an async judge.
    """

    call: JudgeCall
    share: float = 1.0
    weight: float = 1.0
    inline: bool = False
    timeout: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not callable(self.call):
            raise TypeError(f"a judge is a callable of (request, answer, record), not {type(self.call).__name__}")
        for name in ("share", "weight", "timeout"):
            expect(getattr(self, name), (int, float), f"a judge's {name}", "a number")
        if not 0.0 <= self.share <= 1.0 or not 0.0 < self.weight < math.inf or not self.timeout > 0.0:
            raise ValueError("a judge's share is from 0 to 1, its weight and timeout are above 0")
        if self.inline and inspect.iscoroutinefunction(self.call):
            raise ValueError("an async judge cannot be inline")

    @property
    def name(self) -> str:
        """Name of the callable."""
        return getattr(self.call, "__name__", type(self.call).__name__)


class TakesScores(Protocol):
    """Who is told the score of an answer."""

    def __call__(
        self, decision_id: str, score: float, source: str, parts: Mapping[str, float], weight: float, /
    ) -> None:
        """A score, who gave it (`judge` or `checks`), what it was made of, and what it counts."""


class Judging:
    """Has answers judged and checked, and passes on what they are worth. Nothing here fails a call.

    Attributes:
        scored: answers that got a score.
        failed: verdicts that did not come: the judge raised, or said what is no score.
        late: scores that were not needed any more, since somebody who knows better had scored.
    """

    def __init__(
        self,
        take: TakesScores,
        rng: Random,
        judges: Sequence[Judge | JudgeCall] = (),
        checks: CheckSettings | None = None,
    ) -> None:
        expect(judges, Iterable, "judges", "a list of judges")
        self._take = take
        self._rng = rng
        self._checks = checks
        self._judges = [each if isinstance(each, Judge) else Judge(each) for each in judges]
        self._workers = Workers()
        self.scored = 0
        self.failed = 0
        self.late = 0

    def add(self, judge: Judge) -> None:
        """Have answers scored by one judge more from here on."""
        self._judges = [*self._judges, judge]

    def answered(self, record: AttemptRecord, value: Any, reading: Reading) -> None:
        """An attempt delivered; draw who looks at the answer and have them do so."""
        if not (self._judges or self._checks) or record.outcome.cached or _judging.get():
            return
        judges = [each for each in self._judges if each.share >= 1.0 or self._rng.random() < each.share]
        checks = self._checks
        if checks is not None and checks.share < 1.0 and self._rng.random() >= checks.share:
            checks = None
        if not judges and checks is None:
            return
        request, answer = record.attempt.decision.request, read_answer(value, reading)
        if judges and all(each.inline for each in judges):
            self._work(request, answer, record, judges, checks)
        else:
            self._workers.submit(lambda: self._work(request, answer, record, judges, checks))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every answer so far is judged; False if it takes longer."""
        return self._workers.wait(timeout)

    def statistics(self) -> dict[str, int]:
        """How many answers were scored, and what came to nothing."""
        return {"scored": self.scored, "failed": self.failed, "late": self.late, "dropped": self._workers.dropped}

    def _work(
        self,
        request: Request,
        answer: Answer,
        record: AttemptRecord,
        judges: Sequence[Judge],
        checks: CheckSettings | None,
    ) -> None:
        token = _judging.set(True)
        try:
            found = {} if checks is None else check(request, answer, checks)
            parts = {f"checks.{name}": passed for name, passed in found.items()}
            verdicts = [
                (each, score) for each in judges if (score := self._ask(each, request, answer, record)) is not None
            ]
            parts |= {f"judge.{each.name}": score for each, score in verdicts}
            decision_id = record.attempt.decision.id
            if verdicts:
                total = sum(each.weight for each, _ in verdicts)
                score = sum(each.weight * score for each, score in verdicts) / total
                self._pass_on(decision_id, score, "judge", parts, 1.0)
            elif found and checks is not None:
                self._pass_on(decision_id, quality_of(found, checks), "checks", parts, checks.weight)
        finally:
            _judging.reset(token)

    def _ask(self, judge: Judge, request: Request, answer: Answer, record: AttemptRecord) -> float | None:
        try:
            verdict: Any = judge.call(request, answer, record)
            if inspect.isawaitable(verdict):
                verdict = asyncio.run(_within(verdict, judge.timeout))
        except Exception as error:  # noqa: BLE001  a judge is somebody else's code, and fails no call
            self._note_failure(judge, type(error).__name__)
            return None
        if verdict is None:
            return None
        if not isinstance(verdict, int | float) or not 0.0 <= verdict <= 1.0:
            self._note_failure(judge, f"said {type(verdict).__name__}, expected a number from 0 to 1")
            return None
        return float(verdict)

    def _note_failure(self, judge: Judge, why: str) -> None:
        self.failed += 1
        # Not the exception's words: they may quote the prompt.
        _log.warning("judge %s gave no score: %s", judge.name, why)

    def _pass_on(self, decision_id: str, score: float, source: str, parts: Mapping[str, float], weight: float) -> None:
        try:
            self._take(decision_id, score, source, parts, weight)
        except PointsmanError as error:
            self.late += 1
            _log.debug("%s: a %s's score was not taken: %s", error.code, source, error)
        else:
            self.scored += 1


async def _within(verdict: Awaitable[Verdict], seconds: float) -> Verdict:
    async with asyncio.timeout(seconds):
        return await verdict
