"""What a row of the scorecard is: a scenario, its goal, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from scorecard.contenders import Contender, Limits, Maker


class Figure(NamedTuple):
    """What came of a scenario; `met` is None where there is no goal for this contender."""

    text: str
    met: bool | None = None


class Row(NamedTuple):
    """One line of the scorecard.

    Attributes:
        title: what happens.
        goal: what is promised.
        run: plays it with a contender.
        once: whether it is about what lies below the doors, and played once; the others have nothing like it.
    """

    title: str
    goal: str
    run: Callable[[Maker], Awaitable[Figure]]
    once: bool = False


class Answer(NamedTuple):
    """One request: its text if it succeeded, its error if not, and the seconds it took."""

    text: str | None
    error: BaseException | None
    seconds: float
    delivered: str = ""

    @property
    def lost(self) -> bool:
        """Whether nothing usable came, and nothing had been delivered before it failed."""
        return (self.text is None and not self.delivered) or self.text == ""


async def ask(contender: Contender, text: str, *, streamed: bool = False) -> Answer:
    """Ask once; nothing is raised but a cancellation."""
    started = time.perf_counter()
    parts: list[str] = []
    try:
        if streamed:
            async for part in contender.stream(text):
                parts.append(part)  # noqa: PERF401  what had come before an error counts
        else:
            parts.append(await contender.ask(text))
    except Exception as error:  # noqa: BLE001  whatever a contender raises is a lost request
        return Answer(None, error, time.perf_counter() - started, "".join(parts))
    return Answer("".join(parts), None, time.perf_counter() - started, "".join(parts))


async def ask_many(contender: Contender, texts: list[str], *, at_once: int, streamed: bool = False) -> list[Answer]:
    """Ask all of them, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(text: str) -> Answer:
        async with gate:
            return await ask(contender, text, streamed=streamed)

    return list(await asyncio.gather(*(one(text) for text in texts)))


def percentile(values: list[float], share: float) -> float:
    """The value below which so large a share of them lies."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


__all__ = ["Answer", "Contender", "Figure", "Limits", "Maker", "Row", "ask", "ask_many", "percentile"]
