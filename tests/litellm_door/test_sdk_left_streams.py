"""Calls whose caller goes away, on a real `litellm.Router`: nothing of them stays open, and nobody is blamed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

import litellm
import pytest

from pointsman import ModelRegistry, Router
from pointsman.litellm import PointsmanStrategy, install
from pointsman.litellm.guard import _LITELLM
from pointsman.testing import ModelFleet

MESSAGES = [{"role": "user", "content": "Say something."}]


@pytest.fixture
def hosted(fleet: ModelFleet) -> Iterator[tuple[Any, PointsmanStrategy]]:
    entries = fleet.litellm_model_list("chat")
    for entry in entries:
        entry["litellm_params"]["rpm"] = 100
    host = litellm.Router(model_list=entries)
    strategy = install(host, pointsman_router=Router(ModelRegistry(), policy="cheapest"))
    yield host, strategy
    strategy.uninstall()


def left_behind(strategy: PointsmanStrategy) -> dict[str, Any]:
    """Calls that count as under way, and faults."""
    faults = [row["fault"] for _, row in strategy.router.ledger.rows("ledger.attempts") if row["fault"]]
    return {"calls": len(strategy.calls._calls), "pulls": dict(strategy.router._chooser.pulls.counts), "faults": faults}


NOTHING: dict[str, Any] = {"calls": 0, "pulls": {}, "faults": []}


async def chat(host: Any) -> Any:
    return await host.acompletion(model="chat", messages=MESSAGES, stream=True)


async def whole(host: Any) -> Any:
    return await host.acompletion(model="chat", messages=MESSAGES)


async def text(host: Any) -> Any:
    return await host.atext_completion(model="chat", prompt="Say something.", stream=True)


async def responses(host: Any) -> Any:
    return await host.aresponses(model="chat", input="Say something.", stream=True)


async def messages(host: Any) -> Any:
    return await host.aanthropic_messages(model="chat", messages=MESSAGES, max_tokens=50, stream=True)


@pytest.mark.parametrize("ask", [chat, text, responses, messages])
async def test_a_stream_that_is_closed_early_leaves_nothing_open(
    hosted: tuple[Any, PointsmanStrategy], ask: Callable[[Any], Any]
) -> None:
    host, strategy = hosted
    stream = await ask(host)
    await anext(stream)
    await stream.aclose()
    assert left_behind(strategy) == NOTHING


@pytest.mark.parametrize("fault", ["hang", "stall_after_first_chunk", "stall_after_3_chunks"])
@pytest.mark.parametrize("ask", [chat, text, responses, messages, whole])
async def test_a_call_that_is_cancelled_leaves_nothing_open(
    hosted: tuple[Any, PointsmanStrategy], fleet: ModelFleet, ask: Callable[[Any], Any], fault: str
) -> None:
    host, strategy = hosted
    fleet["cheap"].fail(fault)
    asked = asyncio.create_task(_read(host, ask))
    while not fleet["cheap"].calls:  # noqa: ASYNC110  the server lives in another thread
        await asyncio.sleep(0.01)
    asked.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asked
    assert left_behind(strategy) == NOTHING
    assert fleet["middle"].calls == 0


async def _read(host: Any, ask: Callable[[Any], Any]) -> None:
    answer = await ask(host)
    async for _ in answer:
        pass


@pytest.mark.skipif(_LITELLM < (1, 106), reason="synchronous streams are not guarded there")
def test_a_stream_that_is_dropped_is_closed_by_the_next_call(hosted: tuple[Any, PointsmanStrategy]) -> None:
    host, strategy = hosted
    dropped = host.completion(model="chat", messages=MESSAGES, stream=True)
    next(dropped)
    (first,) = strategy.calls._calls
    del dropped
    for _ in range(100):  # LiteLLM's own threads may hold it for a moment
        gc.collect()
        assert host.completion(model="chat", messages=MESSAGES)
        if first not in strategy.calls._calls:
            break
    assert first not in strategy.calls._calls


async def test_a_dropped_asynchronous_stream_is_closed_by_the_next_call(
    hosted: tuple[Any, PointsmanStrategy],
) -> None:
    host, strategy = hosted
    metadata: dict[str, Any] = {"mine": 1}
    dropped = await host.acompletion(model="chat", messages=MESSAGES, stream=True, metadata=metadata)
    await anext(dropped)
    first = set(strategy.calls._calls)
    stream = await host.acompletion(model="chat", messages=MESSAGES, stream=True, metadata=metadata)
    await anext(stream)
    assert len(strategy.calls._calls) == 2
    del dropped
    gc.collect()
    await asyncio.sleep(0)  # the loop closes what was collected
    gc.collect()
    await whole(host)
    assert not first & set(strategy.calls._calls)
    assert [chunk async for chunk in stream]


async def test_a_strategy_that_is_taken_out_keeps_no_call_open(hosted: tuple[Any, PointsmanStrategy]) -> None:
    host, strategy = hosted
    stream = await chat(host)
    await anext(stream)
    strategy.uninstall()
    assert [chunk async for chunk in stream]
    assert left_behind(strategy) == NOTHING
