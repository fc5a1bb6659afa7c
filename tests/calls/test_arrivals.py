"""Twelve faults, five ways in which requests arrive, over loopback: while one model can serve, nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import openai
import pytest

from pointsman import AllModelsFailedError, Attempt, ModelRegistry, ModelSpec, Request, Router
from pointsman.testing import Fault, ModelFleet, ServedModel, serve
from pointsman.types import SystemClock

ASK = Request(messages="What is 2 + 3?")
PATIENCE = 0.5

FAULTS: dict[str, Fault | None] = {
    "refused": None,  # the server is gone
    "reset": Fault.reset(),
    "500": Fault.server_error(500),
    "503": Fault.server_error(503),
    "429": Fault.rate_limited(),
    "401": Fault.unauthorized(),
    "404": Fault.model_not_found(),
    "hang": Fault.hang(),
    "slow": Fault.slow_first_token(30),
    "empty": Fault.empty_answer(),
    "garbage": Fault.invalid_json(),
    "cut": Fault.reset_after_chunks(1),
}


class LeapingClock(SystemClock):
    """The machine's time, which can be put forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0
        real = self.monotonic
        self.monotonic = lambda: real() + self.ahead


class Client:
    """Calls models through OpenAI's own client, without retries of its own."""

    def __init__(self) -> None:
        self.patience: float | None = PATIENCE
        self._http = httpx.AsyncClient(limits=httpx.Limits(max_connections=200))
        self._clients: dict[str, openai.AsyncOpenAI] = {}

    def of(self, attempt: Attempt) -> openai.AsyncOpenAI:
        url = str(attempt.spec.api_base)
        if url not in self._clients:
            self._clients[url] = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=self._http)
        return self._clients[url]

    async def complete(self, attempt: Attempt) -> Any:
        async with asyncio.timeout(self._limit(attempt)):
            return await self._ask(attempt)

    async def stream(self, attempt: Attempt) -> AsyncIterator[Any]:
        async with asyncio.timeout(self._limit(attempt)):
            async for chunk in await self._ask(attempt, stream=True):
                yield chunk

    async def _ask(self, attempt: Attempt, **options: Any) -> Any:
        messages: Any = attempt.messages
        completions = self.of(attempt).chat.completions
        return await completions.create(model=attempt.spec.name, messages=messages, **options)

    def _limit(self, attempt: Attempt) -> float | None:
        """The healthy model gets all the time that a busy machine needs."""
        return self.patience if attempt.spec.name == "faulty" else None

    async def aclose(self) -> None:
        await self._http.aclose()


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.aclose()


@pytest.fixture
def clock() -> LeapingClock:
    return LeapingClock()


@pytest.fixture
def fleet() -> Iterator[ModelFleet]:
    models = [ServedModel("faulty", input_price_per_1m=1), ServedModel("fine", input_price_per_1m=2)]
    with serve(models, seed=1) as running:
        yield running


@pytest.fixture
def router(fleet: ModelFleet, clock: LeapingClock) -> Router:
    return Router(ModelRegistry(ModelSpec(**entry) for entry in fleet.catalogue()), "cheapest", seed=1, clock=clock)


async def whole(router: Router, client: Client) -> str:
    answer = await router.arun(ASK, client.complete)
    return str(answer.choices[0].message.content)


async def streamed(router: Router, client: Client) -> str:
    parts, reason = [], None
    async for chunk in router.astream(ASK, client.stream):
        for choice in chunk.choices:
            parts.append(choice.delta.content or "")
            reason = choice.finish_reason or reason
    assert reason == "stop"
    return "".join(parts)


Ask = Callable[[Router, Client], Awaitable[str]]


async def serial(router: Router, client: Client, clock: LeapingClock) -> list[str]:
    return [await whole(router, client) for _ in range(12)]


async def burst(router: Router, client: Client, clock: LeapingClock) -> list[str]:
    return await asyncio.gather(*(whole(router, client) for _ in range(50)))


async def staggered(router: Router, client: Client, clock: LeapingClock) -> list[str]:
    async def one(number: int) -> str:
        for _ in range(3 * number):
            await asyncio.sleep(0)
        return await whole(router, client)

    return await asyncio.gather(*(one(number) for number in range(20)))


async def after_idle(router: Router, client: Client, clock: LeapingClock) -> list[str]:
    answers = [await whole(router, client) for _ in range(7)]
    clock.ahead += 1_000
    return answers + [await whole(router, client) for _ in range(7)]


async def mixed(router: Router, client: Client, clock: LeapingClock) -> list[str]:
    ways: list[Ask] = [whole, streamed]
    return await asyncio.gather(*(ways[number % 2](router, client) for number in range(20)))


@pytest.mark.parametrize("arrive", [serial, burst, staggered, after_idle, mixed], ids=lambda each: each.__name__)
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_request_is_lost(
    fleet: ModelFleet, router: Router, client: Client, clock: LeapingClock, fault: str, arrive: Any
) -> None:
    wrong = FAULTS[fault]
    if wrong is None:
        fleet["faulty"].kill()
    else:
        fleet["faulty"].fail(wrong)
    answers = await arrive(router, client, clock)
    assert all(answers)
    assert len(fleet["fine"].requests) >= len(answers)


async def test_poison_loses_no_good_request_and_ejects_nobody(
    fleet: ModelFleet, router: Router, client: Client
) -> None:
    client.patience = None  # nobody hangs here, but the machine may be busy
    poison = Request(messages="[[fault:server_error_500]]")
    good = lost = 0
    assert await whole(router, client)
    for number in range(100):
        if number % 10 < 3:
            with pytest.raises(AllModelsFailedError):
                await router.arun(poison, client.complete, deadline=20, retries=0)
            continue
        good += 1
        try:
            await whole(router, client)
        except AllModelsFailedError:
            lost += 1
        assert router.decide(ASK).model == "openai:faulty", "the favourite stays the favourite"
    assert (good, lost) == (70, 0)


async def test_poison_in_a_cold_start_ejects_nobody_for_long(router: Router, client: Client) -> None:
    client.patience = None  # likewise
    poison = Request(messages="[[fault:server_error_500]]")
    for _ in range(3):
        with pytest.raises(AllModelsFailedError):
            await router.arun(poison, client.complete, deadline=20, retries=0)
    assert await whole(router, client)
    assert router.decide(ASK).model == "openai:faulty"


async def test_a_dead_primary_is_not_called_after_the_first_five(
    fleet: ModelFleet, router: Router, client: Client
) -> None:
    fleet["faulty"].kill()
    for _ in range(5):
        await whole(router, client)
    asked: list[str] = []

    async def counting(attempt: Attempt) -> Any:
        asked.append(attempt.spec.name)
        return await client.complete(attempt)

    for _ in range(30):
        await router.arun(ASK, counting)
    assert asked == ["fine"] * 30


async def test_all_503_keeps_the_deadline_and_costs_little_more_than_a_call_each(
    fleet: ModelFleet, router: Router, client: Client
) -> None:
    fleet["faulty"].fail(Fault.server_error(503))
    fleet["fine"].fail(Fault.server_error(503))

    async def one() -> float:
        began = router.clock.monotonic()
        with pytest.raises(AllModelsFailedError):
            await router.arun(ASK, client.complete, deadline=3)
        return router.clock.monotonic() - began

    took: list[float] = []
    for _ in range(10):
        took += await asyncio.gather(*(one() for _ in range(20)))
    assert max(took) <= 3.3
    calls = fleet["faulty"].calls + fleet["fine"].calls
    assert calls <= 1.2 * 200 + 20, "the first twenty arrive at once, before anything is known of the second model"
