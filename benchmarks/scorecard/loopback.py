"""Scenarios on model servers on loopback, the same for every contender."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence

from pointsman.testing import Fault, ModelFleet, ServedModel, serve
from scorecard.rows import Answer, Contender, Figure, Limits, Maker, Row, ask, ask_many, percentile

QUESTION = "What is 17 plus 4?"
TWO = ("first", "second")
THREE = ("first", "second", "third")
REQUESTS = 10

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
        lost: dict[str, int] = {}
        asked = 0
        for name, fault in FAULTS.items():
            for pattern in PATTERNS:
                with fleet_of(TWO) as fleet:
                    contender = maker(fleet, Limits(timeout=0.3), TWO)
                    break_down(fleet, "first", fault)
                    answers = await pattern(contender, streamed)
                    await contender.close()
                asked += len(answers)
                lost[name] = lost.get(name, 0) + sum(answer.lost for answer in answers)
        total = sum(lost.values())
        worst = ", ".join(f"{name} {count}" for name, count in sorted(lost.items(), key=lambda x: -x[1])[:3] if count)
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
    with fleet_of(TWO) as fleet:
        usual = maker(fleet, Limits(timeout=2.0), ("second",))
        without = await ask_many(usual, [QUESTION] * 30, at_once=1)
        contender = maker(fleet, Limits(timeout=2.0), TWO)
        fleet["first"].kill()
        answers = await ask_many(contender, [QUESTION] * 30, at_once=1)
        await usual.close()
        await contender.close()
    base = statistics.median(answer.seconds for answer in without[5:])
    added = (statistics.median(answer.seconds for answer in answers[5:]) - base) * 1e3
    lost = sum(answer.lost for answer in answers)
    return Figure(f"{added:+.1f} ms" + (f", {lost} lost" if lost else ""), added < 5 and not lost)


async def all_unavailable(maker: Maker) -> Figure:
    with fleet_of(THREE) as fleet:
        contender = maker(fleet, Limits(timeout=1.0, deadline=3.0), THREE)
        for server in fleet.values():
            server.fail(Fault.server_error(503))
        answers = await ask_many(contender, [QUESTION] * 100, at_once=10)
        await contender.close()
        calls = fleet.calls / len(answers)
    slowest = max(answer.seconds for answer in answers)
    return Figure(f"{slowest:.1f} s; {calls:.1f} calls", slowest <= 3.3 and calls <= 1.2)


async def hanging_first(maker: Maker) -> Figure:
    timeout = 0.5
    with fleet_of(TWO) as fleet:
        contender = maker(fleet, Limits(timeout=timeout), TWO)
        healthy = await ask_many(contender, [QUESTION] * 60, at_once=4)
        fleet["first"].fail(Fault.hang())
        answers = await ask_many(contender, [QUESTION] * 200, at_once=4)
        await contender.close()
    usual = percentile([answer.seconds for answer in healthy[10:]], 0.99)
    waited = [answer for answer in answers if answer.seconds >= timeout]
    rest = percentile([answer.seconds for answer in answers if answer.seconds < timeout] or [timeout], 0.99)
    lost = sum(answer.lost for answer in answers)
    text = f"{len(waited)} waited; rest p99 {rest / usual:.1f} x" + (f"; {lost} lost" if lost else "")
    # Four are under way when it starts to hang, and none of them can know.
    return Figure(text, len(waited) <= 8 and rest < 2 * usual and not lost)


HINTS = ("0", "-5", "1.5", "Fri, 01 Jan 2100 00:00:00 GMT", "86400", "NaN", "9" * 400, None)


async def retry_after(maker: Maker) -> Figure:
    longest, lost = 0.0, 0
    for hint in HINTS:
        with fleet_of(TWO) as fleet:
            contender = maker(fleet, Limits(timeout=1.0), TWO)
            fault = Fault.rate_limited(retry_after_ms="250") if hint is None else Fault.rate_limited(hint)
            fleet["first"].fail(fault)
            answers = await ask_many(contender, [QUESTION] * 5, at_once=1)
            lost += sum(answer.lost for answer in answers)
            longest = max(longest, contender.out_for("first"))
            await contender.close()
    shown = f"{longest / 31_557_600:.0f} years" if longest > 1e8 else f"{longest:.0f} s"
    return Figure(f"{shown}; {lost} lost", longest <= 120 and lost == 0)


CUTS: tuple[Callable[[int], Fault], ...] = (
    Fault.reset_after_chunks,
    Fault.clean_eof,
    Fault.truncated_body,
    Fault.stall_after_chunks,
    Fault.stream_error,
)


async def truncated(maker: Maker) -> Figure:
    wrong = []
    with fleet_of(TWO) as fleet:
        contender = maker(fleet, Limits(timeout=0.3), TWO)
        whole = {(await ask(maker(fleet, Limits(timeout=1.0), (name,)), QUESTION, streamed=True)).text for name in TWO}
        await contender.close()
        ways = [(cut.__name__, cut(place)) for cut in CUTS for place in (1, 2, 4, 99)]
        ways += [("killed", Fault.slow_first_token(0.05))] * 4
        for number, (name, fault) in enumerate(ways):
            fleet.heal()
            contender = maker(fleet, Limits(timeout=0.3), TWO)
            fleet["first"].fail(fault)
            if name == "killed":  # the process goes while the stream is on its way
                asking = asyncio.create_task(ask(contender, QUESTION, streamed=True))
                await asyncio.sleep(0.02 + 0.012 * (number % 4))
                fleet["first"].kill()
                answer = await asking
            else:
                answer = await ask(contender, QUESTION, streamed=True)
            if answer.error is None and answer.text not in whole:
                wrong.append(name)
            await contender.close()
    return Figure(f"{len(wrong)} of {len(ways)}", not wrong)


async def cancelled(maker: Maker) -> Figure:
    with fleet_of(TWO) as fleet:
        contender = maker(fleet, Limits(timeout=5.0), TWO)
        await ask_many(contender, [QUESTION] * 3, at_once=1)
        before = len(asyncio.all_tasks())
        fleet["first"].fail(Fault.hang())
        asking = [asyncio.create_task(contender.ask(QUESTION)) for _ in range(50)]
        await asyncio.to_thread(fleet["first"].wait_until, lambda server: server.in_flight >= 25)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.sleep(0.1)
        left = max(len(asyncio.all_tasks()) - before, 0)
        out = contender.is_out("first")
        fleet.heal()
        answer = await ask(contender, QUESTION)
        await contender.close()
    blamed = "model blamed" if out else "nobody blamed"
    return Figure(f"{left} tasks left; {blamed}", left == 0 and not out and not answer.lost)


ROWS = (
    Row("12 faults x 5 arrival patterns, one healthy model: lost", "0", lost_under_faults(streamed=False)),
    Row("the same as streams: lost before the first content", "0", lost_under_faults(streamed=True)),
    Row("30 % poison requests answered 500: good ones", "0 lost; 0 ejected", poison),
    Row("dead primary, a fallback: added after the first 5", "< 5 ms", dead_primary),
    Row("all 503, deadline 3 s, 100 requests, 10 at once", "<= 3.3 s; <= 1.2 calls", all_unavailable),
    Row("hang of the preferred model, 200 requests, 4 at once", "once; then < 2 x p99", hanging_first),
    Row("Retry-After: 0, -5, 1.5, ms, 2100, 86400, NaN, 400 digits", "<= 120 s; 0 lost", retry_after),
    Row("truncated stream reported as success, 6 ways x 4 places", "0", truncated),
    Row("50 calls cancelled", "0 tasks; nobody", cancelled),
)
