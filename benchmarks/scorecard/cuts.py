"""Streams that break off: whether what came of them is reported as success."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from pointsman.testing import Fault, ModelFleet, ServedModel, serve
from scorecard.loopback import QUESTION, TWO, WAITED_FOR
from scorecard.rows import Answer, Contender, Figure, Limits, Maker, ask

# A stream is cut by its server in five ways; the sixth is the end of the server.
CUTS: dict[str, Callable[[int], Fault] | None] = {
    "reset": Fault.reset_after_chunks,
    "clean end": Fault.clean_eof,
    "cut body": Fault.truncated_body,
    "stall": Fault.stall_after_chunks,
    "error event": Fault.stream_error,
    "killed": None,
}
PLACES = (1, 2, 4, 99)  # after the role, after the first and the third word, before the finish reason


async def truncated(maker: Maker) -> Figure:
    async def play(way: str, place: int) -> bool:
        cut = CUTS[way]
        models = [ServedModel(name, seconds_per_chunk=0.0 if cut else 0.03) for name in TWO]
        with serve(models, seed=7) as fleet:
            contender = maker(fleet, Limits(timeout=WAITED_FOR), TWO)
            if cut is None:
                answer = await _killed_on_the_way(contender, fleet, PLACES.index(place))
            else:
                fleet["first"].fail(cut(place))
                answer = await ask(contender, QUESTION, streamed=True)
            await contender.close()
        # Every model ends its answer with the question.
        return answer.error is None and not (answer.text or "").endswith(QUESTION)

    # Before the finish reason the words are all there, so that only the reason tells; nothing is wrong with them.
    wrong: Counter[str] = Counter()
    for way in CUTS:
        wrong[way] += sum(await asyncio.gather(*(play(way, place) for place in PLACES)))
    found = ", ".join(f"{way} {count}" for way, count in wrong.most_common() if count)
    return Figure(f"{wrong.total()} of {len(CUTS) * len(PLACES)}" + (f" ({found})" if found else ""), not found)


async def _killed_on_the_way(contender: Contender, fleet: ModelFleet, words: int) -> Answer:
    """Kill the first server once so many words have come."""
    parts: list[str] = []
    started = time.perf_counter()
    try:
        async for part in contender.stream(QUESTION):
            parts += [part] if part else []
            if len(parts) == words + 1:
                await asyncio.to_thread(fleet["first"].kill)
    except Exception as error:  # noqa: BLE001  whatever a contender raises, it did not report success
        return Answer(None, error, time.perf_counter() - started, "".join(parts))
    return Answer("".join(parts), None, time.perf_counter() - started, "".join(parts))
