"""Room is settled after an attempt: what its provider counted stays taken, the rest is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from limits.upstreams import ASK, Make, Upstream, answer, full, remaining
from samples import StatusError

from pointsman import AllModelsFailedError, Attempt
from pointsman.limits.settings import BudgetSettings


@pytest.mark.parametrize(
    ("fault", "requests", "tokens", "usd"),
    [
        (ConnectionRefusedError(), 10, 10_000, 1),
        (StatusError(401), 10, 10_000, 1),
        (StatusError(500), 9, 10_000, 1),
        (StatusError(429), 9, 10_000, 1),
        (StatusError(400), 9, 10_000, 1),
        (TimeoutError(), 9, 9_800, 0.9998),
    ],
    ids=repr,
)  # fmt: skip
def test_a_failure_keeps_what_its_provider_counted(
    make: Make, ask: Any, fault: Exception, requests: float, tokens: float, usd: float
) -> None:
    budget = BudgetSettings.model_validate({"total": {"usd": 1, "requests": 5, "period": "day"}})
    router = make({"rate_limit_rpm": 10, "rate_limit_tpm": 10_000}, budget=budget)
    with pytest.raises(
        type(fault) if isinstance(fault, StatusError) and fault.status_code == 400 else AllModelsFailedError
    ):
        ask(router, Upstream(a=fault), retries=0)
    assert remaining(router) == {
        "rpm|openai:a": pytest.approx(requests),
        "tpm|openai:a": pytest.approx(tokens),
        "usd|total|86400": pytest.approx(usd),
        "requests|total|86400": pytest.approx(5),
    }


async def test_cancelled_calls_leak_nothing(make: Make) -> None:
    budget = BudgetSettings.model_validate({"tenants": {"*": {"usd": 1, "requests": 50, "period": "day"}}})
    router = make({"rate_limit_rpm": 50, "rate_limit_tpm": 100_000}, budget=budget)
    under_way = asyncio.Semaphore(0)

    async def hang(attempt: Attempt) -> Any:
        under_way.release()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(router.arun(ASK, hang)) for _ in range(50)]
    for _ in tasks:
        await under_way.acquire()
    assert remaining(router)["rpm|openai:a"] == 0
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
    )
    assert full(router)


async def test_streams_that_are_left_have_used_what_was_sent(make: Make) -> None:
    router = make({"rate_limit_rpm": 5, "rate_limit_tpm": 10_000})
    chunk = {"choices": [{"delta": {"content": "x"}, "finish_reason": None}]}

    async def chunks(attempt: Attempt) -> AsyncIterator[Any]:
        while True:
            yield chunk

    def sync_chunks(attempt: Attempt) -> Iterator[Any]:
        while True:
            yield chunk

    stream = router.astream(ASK, chunks)
    assert await anext(stream) == chunk
    await stream.aclose()
    sync = router.stream(ASK, sync_chunks, honours_timeout=True)
    assert next(sync) == chunk
    assert router.limits()["tpm|openai:a"]["remaining"] < 10_000 - 2 * 101
    sync.close()
    left = {"rpm|openai:a": 3, "tpm|openai:a": 10_000 - 2 * 101}
    assert remaining(router) == pytest.approx(left)


def test_an_answer_from_a_cache_takes_nothing(make: Make, ask: Any) -> None:
    class Cached(dict[str, Any]):
        _hidden_params = {"cache_hit": True}  # noqa: RUF012  as LiteLLM has it

    router = make({"rate_limit_rpm": 5})
    ask(router, Upstream(a=Cached(answer())))
    assert full(router)
