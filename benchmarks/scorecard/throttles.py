"""Rate limits: what servers say of how long to wait, and who finds out when it is over."""

from __future__ import annotations

import asyncio

from pointsman.testing import Fault
from scorecard.loopback import AMPLE, QUESTION, TWO, fleet_of
from scorecard.rows import Figure, Limits, Maker, ask, ask_many

HINTS = ("0", "-5", "1.5", "Fri, 01 Jan 2100 00:00:00 GMT", "86400", "NaN", "9" * 400, None)


async def retry_after(maker: Maker) -> Figure:
    async def play(hint: str | None) -> tuple[float, int]:
        with fleet_of(TWO) as fleet:
            contender = maker(fleet, Limits(timeout=AMPLE), TWO)
            fault = Fault.rate_limited(retry_after_ms="250") if hint is None else Fault.rate_limited(hint)
            fleet["first"].fail(fault)
            answers = await ask_many(contender, [QUESTION] * 5, at_once=1)
            out = contender.out_for("first")
            await contender.close()
        return out, sum(answer.lost for answer in answers)

    found = await asyncio.gather(*(play(hint) for hint in HINTS))
    longest, lost = max(out for out, _ in found), sum(lost for _, lost in found)
    shown = f"{longest / 31_557_600:.0f} years" if longest > 1e8 else f"{longest:.0f} s"
    return Figure(f"{shown}; {lost} lost", longest <= 120 and lost == 0)


async def throttle_expiry(maker: Maker) -> Figure:
    with fleet_of(TWO) as fleet:
        contender = maker(fleet, Limits(timeout=AMPLE), TWO)
        fleet["first"].fail(Fault.rate_limited("1"), times=1)
        answers = [await ask(contender, QUESTION)]
        fleet["first"].fail(Fault.rate_limited("60"))
        for _ in range(80):  # as long as it keeps it out, and one second is what the server asked for
            await asyncio.sleep(0.15)
            if not contender.is_out("first") or contender.out_for("first") <= 0:
                break
        await asyncio.sleep(1.1)
        before = fleet["first"].calls
        answers += await ask_many(contender, [QUESTION] * 50, at_once=50)
        reached = fleet["first"].calls - before
        await contender.close()
    lost = sum(answer.lost for answer in answers)
    return Figure(f"{reached} calls" + (f"; {lost} lost" if lost else ""), reached == 1 and not lost)
