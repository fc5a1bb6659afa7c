"""Models that fail, hang or die while requests arrive: what is lost, and how long it takes."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from pointsman.testing import Fault, ModelFleet, ServedModel, serve
from scorecard.rows import Answer, Contender, Figure, Limits, Maker, ask, ask_many, percentile

QUESTION = "What is 17 plus 4?"
TWO = ("first", "second")
THREE = ("first", "second", "third")
REQUESTS = 6
# Fleets that are played at the same time where only losses count: most contenders sleep between attempts.
FLEETS = 6
# Seconds an attempt may take where nothing is measured but what is lost: ample, lest a busy machine lose requests; where
# somebody waits for it, less.
AMPLE, WAITED_FOR = 10.0, 4.0

# Named by what the client sees. `killed` is no fault of the server's but its end.
FAULTS: dict[str, Fault | None] = {
    "killed": None,
    "reset": Fault.reset(),
    "500": Fault.server_error(500),
    "503": Fault.server_error(503),
    "429": Fault.rate_limited(),
    "quota": Fault.insufficient_quota(),
    "401": Fault.unauthorized(),
    "404": Fault.model_not_found(),
    "hang": Fault.hang(),
    "empty": Fault.empty_answer(),
    "no JSON": Fault.invalid_json(),
    "cut": Fault.reset_after_chunks(1),
}


def fleet_of(names: Sequence[str]) -> ModelFleet:
    """Servers that answer at once."""
    return serve([ServedModel(name) for name in names], seed=7)


def break_down(fleet: ModelFleet, name: str, fault: Fault | None) -> None:
    """Let a server fail from now on."""
    if fault is None:
        fleet[name].kill()
    else:
        fleet[name].fail(fault)


# -- how requests arrive

Pattern = Callable[[Contender, bool], Awaitable[list[Answer]]]


async def one_by_one(contender: Contender, streamed: bool) -> list[Answer]:
    return await ask_many(contender, [QUESTION] * REQUESTS, at_once=1, streamed=streamed)


async def all_at_once(contender: Contender, streamed: bool) -> list[Answer]:
    return await ask_many(contender, [QUESTION] * REQUESTS, at_once=REQUESTS, streamed=streamed)


async def in_two_waves(contender: Contender, streamed: bool) -> list[Answer]:
    half = REQUESTS // 2
    before = await ask_many(contender, [QUESTION] * half, at_once=half, streamed=streamed)
    await asyncio.sleep(0.2)
    return before + await ask_many(contender, [QUESTION] * half, at_once=half, streamed=streamed)


async def in_a_trickle(contender: Contender, streamed: bool) -> list[Answer]:
    async def later(number: int) -> Answer:
        await asyncio.sleep(0.02 * number)
        return await ask(contender, QUESTION, streamed=streamed)

    return list(await asyncio.gather(*(later(number) for number in range(REQUESTS))))


async def in_pairs_and_kinds(contender: Contender, streamed: bool) -> list[Answer]:
    """Streams and whole answers at the same time."""
    half = REQUESTS // 2
    both = await asyncio.gather(
        ask_many(contender, [QUESTION] * half, at_once=2, streamed=streamed),
        ask_many(contender, [QUESTION] * half, at_once=2, streamed=not streamed),
    )
    return [answer for part in both for answer in part]


PATTERNS: tuple[Pattern, ...] = (one_by_one, all_at_once, in_two_waves, in_a_trickle, in_pairs_and_kinds)


# -- the rows


def lost_under_faults(*, streamed: bool) -> Callable[[Maker], Awaitable[Figure]]:
    async def run(maker: Maker) -> Figure:
        room = asyncio.Semaphore(FLEETS)

        async def play(fault: Fault | None, pattern: Pattern) -> list[Answer]:
            timeout = WAITED_FOR if fault == FAULTS["hang"] else AMPLE
            async with room:
                with fleet_of(TWO) as fleet:
                    contender = maker(fleet, Limits(timeout=timeout), TWO)
                    break_down(fleet, "first", fault)
                    answers = await pattern(contender, streamed)
                    await contender.close()
            return answers

        played = [(name, fault, pattern) for pattern in PATTERNS for name, fault in FAULTS.items()]
        everything = await asyncio.gather(*(play(fault, pattern) for _, fault, pattern in played))
        lost = Counter(
            name for (name, *_), answers in zip(played, everything, strict=True) for each in answers if each.lost
        )
        worst = ", ".join(f"{name} {count}" for name, count in lost.most_common(3))
        total, asked = lost.total(), sum(map(len, everything))
        return Figure(f"{total} of {asked}" + (f" ({worst})" if worst else ""), total == 0)

    return run


async def poison(maker: Maker) -> Figure:
    with fleet_of(THREE) as fleet:
        contender = maker(fleet, Limits(timeout=1.0), THREE)
        poisoned = f"{QUESTION} [[fault:server_error_500]]"
        texts = [poisoned if number % 10 in (2, 5, 8) else QUESTION for number in range(100)]
        out = set()

        async def watched(part: list[str]) -> list[Answer]:
            answers = await ask_many(contender, part, at_once=10)
            out.update(name for name in THREE if contender.is_out(name))
            return answers

        answers = [answer for at in range(0, len(texts), 20) for answer in await watched(texts[at : at + 20])]
        good = [answer for text, answer in zip(texts, answers, strict=True) if text == QUESTION]
        await contender.close()
    lost = sum(answer.lost for answer in good)
    return Figure(f"{lost} of {len(good)} lost; {len(out)} ejected", lost == 0 and not out)


async def dead_primary(maker: Maker) -> Figure:
    count, warm = 15, 5
    with fleet_of(TWO) as fleet:
        usual = maker(fleet, Limits(timeout=AMPLE), ("second",))
        without = await ask_many(usual, [QUESTION] * count, at_once=1)
        contender = maker(fleet, Limits(timeout=AMPLE), TWO)
        fleet["first"].kill()
        answers = await ask_many(contender, [QUESTION] * count, at_once=1)
        await usual.close()
        await contender.close()
    base = statistics.median(answer.seconds for answer in without[warm:])
    added = (statistics.median(answer.seconds for answer in answers[warm:]) - base) * 1e3
    lost = sum(answer.lost for answer in answers)
    shown = f"{added / 1e3:+.1f} s" if added > 1000 else f"{added:+.1f} ms"
    return Figure(shown + (f", {lost} lost" if lost else ""), added < 5 and not lost)


async def all_unavailable(maker: Maker) -> Figure:
    # The budget of retries has a few calls in it from the start; the first requests spend them.
    burst, count, lanes = 50, 50, 20
    with fleet_of(THREE) as fleet:
        contender = maker(fleet, Limits(timeout=1.0, deadline=3.0), THREE)
        for server in fleet.values():
            server.fail(Fault.server_error(503))
        answers = await ask_many(contender, [QUESTION] * burst, at_once=lanes)
        first = fleet.calls
        answers += await ask_many(contender, [QUESTION] * count, at_once=lanes)
        await contender.close()
        rest = (fleet.calls - first) / count
    slowest = max(answer.seconds for answer in answers)
    text = f"{slowest:.1f} s; {rest:.2f} calls (at first {first / burst:.1f})"
    return Figure(text, slowest <= 3.3 and rest <= 1.2)


async def hanging_first(maker: Maker) -> Figure:
    timeout, lanes = 1.5, 10
    with fleet_of(TWO) as fleet:
        contender = maker(fleet, Limits(timeout=timeout), TWO)
        healthy = await ask_many(contender, [QUESTION] * 110, at_once=lanes)
        fleet["first"].fail(Fault.hang())
        before = fleet["first"].calls
        answers = await ask_many(contender, [QUESTION] * 200, at_once=lanes)
        await contender.close()
        waited = fleet["first"].calls - before
    usual = percentile([answer.seconds for answer in healthy[lanes:]], 0.99)
    rest = percentile([answer.seconds for answer in answers if answer.seconds < timeout] or [timeout], 0.99)
    lost = sum(answer.lost for answer in answers)
    compared = f"; rest p99 {rest / usual:.1f} x" if waited < len(answers) else ""
    # As many as there are lanes are under way when it starts to hang, and none of them can know.
    met = waited <= lanes and rest < 2 * usual and not lost
    return Figure(f"{waited} calls hung{compared}" + (f"; {lost} lost" if lost else ""), met)
