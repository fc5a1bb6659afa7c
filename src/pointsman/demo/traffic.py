"""The traffic: workers that take prompts in turn to the doors, grade the answers and hand the grades back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pointsman.errors import UnknownDecisionError
from pointsman.testing import grade

if TYPE_CHECKING:
    from pointsman.demo.door import Answer, Door
    from pointsman.demo.tally import Tally
    from pointsman.testing import GradablePrompt

_STEP = 0.1


class Traffic:
    """Requests under way.

    Args:
        doors: where prompts go, in turn.
        tally: where it is written down.
        moments: what happens when so many requests are over.
        on_done: called after each request.
        on_lost: called with the door's name and what its user saw, when a request got no answer.
        workers: requests at the same time.
        patience: seconds to wait at the end for decisions that another process has yet to write down.
    """

    def __init__(
        self,
        doors: Sequence[Door],
        tally: Tally,
        *,
        moments: Mapping[int, Callable[[], None]] | None = None,
        on_done: Callable[[], None] = lambda: None,
        on_lost: Callable[[str, Exception], None] = lambda *_: None,
        workers: int = 8,
        patience: float = 5.0,
    ) -> None:
        self._doors = doors
        self._tally = tally
        self._moments = dict(moments or {})
        self._on_done = on_done
        self._on_lost = on_lost
        self._workers = workers
        self._patience = patience
        self._early: list[tuple[Door, Answer, float]] = []
        self.grades = 0
        for door in doors:
            tally.doors[door.name] += 0  # shown in this order, not in that of the first answers

    async def run(self, prompts: Sequence[GradablePrompt]) -> None:
        """Send all prompts."""
        turns = iter([(self._doors[at % len(self._doors)], prompt) for at, prompt in enumerate(prompts)])
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._workers, len(prompts))):
                tasks.create_task(self._work(turns))
        await self._hand_in_the_rest()

    @property
    def grades_not_taken(self) -> int:
        """Grades whose decision never became known here."""
        return len(self._early)

    async def _work(self, turns: Iterator[tuple[Door, GradablePrompt]]) -> None:
        for door, prompt in turns:
            graded: list[tuple[Door, Answer, float]] = []
            started = time.monotonic()
            try:
                answer = await door.ask(prompt.text)
            except Exception as error:  # noqa: BLE001  whatever a door raises, its user has no answer
                self._tally.failed(door.name)
                self._on_lost(door.name, error)
            else:
                score = grade(prompt, answer.text)
                self._tally.answered(door.name, answer, score=score, seconds=time.monotonic() - started)
                graded.append((door, answer, score))
            if moment := self._moments.pop(self._tally.done, None):
                moment()
            self._on_done()
            await self._hand_in()  # those before: a grade comes after its outcome is known
            self._early += graded

    async def _hand_in(self) -> None:
        """Give grades back to the doors; one that does not know the decision yet is asked again later."""
        waiting, self._early = self._early, []
        for door, answer, score in waiting:
            try:
                await door.score(answer, score)
            except UnknownDecisionError:
                self._early.append((door, answer, score))
            else:
                self.grades += 1

    async def _hand_in_the_rest(self) -> None:
        await self._hand_in()
        deadline = time.monotonic() + self._patience
        while self._early and time.monotonic() < deadline:
            await asyncio.sleep(_STEP)
            await self._hand_in()
