"""A stream that its caller leaves has used what was sent: before its content nothing, then the prompt and the chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from samples import make_spec

from pointsman import Attempt, ModelRegistry, Request, Router
from pointsman.limits.settings import BudgetSettings

ASK = Request(input_tokens=100, max_output_tokens=500, tenant="acme")
SPEC = make_spec("a", rate_limit_tpm=1_000, cost_per_1m_input_tokens=1_000.0, cost_per_1m_output_tokens=1_000.0)


def chunk(text: str = "", **choice: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": None, **choice}]}


CHUNKS = [chunk(), chunk("one"), chunk("two"), chunk("three", finish_reason="stop"), {"choices": [], "usage": None}]


def said(_: Attempt) -> Iterator[Any]:
    yield from CHUNKS


async def said_later(_: Attempt) -> AsyncIterator[Any]:
    for each in CHUNKS:
        yield each


@pytest.fixture
def router() -> Router:
    budget = BudgetSettings.model_validate({"tenants": {"acme": {"usd": 1, "requests": 10, "period": "day"}}})
    return Router(ModelRegistry([SPEC]), budget=budget, seed=1)


def used(router: Router) -> dict[str, float]:
    limits = router.limits().items()
    return {key.partition("|")[0]: round(each["limit"] - each["remaining"], 6) for key, each in limits}


async def leave(router: Router, kind: str, after: int) -> Any:
    if kind == "sync":
        stream = router.stream(ASK, said)
        for _ in range(after):
            next(stream)
        stream.close()
        return stream.record
    later = router.astream(ASK, said_later)
    for _ in range(after):
        await anext(later)
    await later.aclose()
    return later.record


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_was_sent_stays_counted(router: Router, kind: str) -> None:
    await leave(router, kind, after=2)
    assert used(router)["tpm"] == pytest.approx(102, abs=1)  # a rate refills while this test runs
    assert used(router)["usd"] == pytest.approx(0.102)
    assert used(router)["requests"] == 1
    assert router.health("a").success_rate is None, "nothing is learnt from it"


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_one_left_after_its_finish_reason_is_an_answer(router: Router, kind: str) -> None:
    record = await leave(router, kind, after=4)
    assert [each.fault for each in record.attempts] == [None]
    assert router.health("a").success_rate == 1


async def test_usage_that_was_told_is_believed(router: Router) -> None:
    def tells(_: Attempt) -> Iterator[Any]:
        yield {**chunk("one"), "usage": {"prompt_tokens": 80, "completion_tokens": 7}}
        yield chunk("two")

    stream = router.stream(ASK, tells)
    next(stream)
    stream.close()
    assert used(router)["usd"] == pytest.approx(0.087)


async def test_one_that_nobody_has_begun_to_read_has_used_nothing(router: Router) -> None:
    stream = router.stream(ASK, said)
    stream.close()
    assert used(router).get("usd", 0) == 0
