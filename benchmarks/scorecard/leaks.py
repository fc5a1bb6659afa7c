"""What is left behind: tasks and blame after calls were cancelled, memory after many requests."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
from pathlib import Path

from pointsman.testing import Fault
from scorecard.loopback import QUESTION, TWO, fleet_of
from scorecard.rows import Figure, Limits, Maker, ask, ask_many


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


async def memory(maker: Maker) -> Figure:
    """Prompts of 100 kB that differ: whoever keeps what passes through cannot hide it."""
    size, warm, count = 100_000, 60, 300
    with fleet_of(TWO) as fleet:
        contender = maker(fleet, Limits(timeout=30.0), TWO)
        numbers = iter(range(warm + count))
        await ask_many(contender, [_long(next(numbers), size) for _ in range(warm)], at_once=4)
        before, tasks = _resident_mib(), len(asyncio.all_tasks())
        for _ in range(count // 10):  # made as they are needed, so that they are not counted
            await ask_many(contender, [_long(next(numbers), size) for _ in range(10)], at_once=4)
        grown = max(_resident_mib() - before, 0.0)
        left = max(len(asyncio.all_tasks()) - tasks, 0)
        await contender.close()
    return Figure(
        f"+{grown:.0f} MiB" + (f"; {left} tasks" if left else ""), grown < count * size / 2**20 / 2 and not left
    )


def _long(number: int, size: int) -> str:
    return f"{number} " + f"word{number} " * (size // len(f"word{number} "))


def _resident_mib() -> float:
    """Memory of this process, without what the allocator merely keeps at hand."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
