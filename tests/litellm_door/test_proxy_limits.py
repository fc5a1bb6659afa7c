"""Limits behind the Proxy door: room is taken before each attempt, given back after it, and learnt from headers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import litellm
import pytest
from fastapi import HTTPException
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth
from litellm_door.proxies import Proxy

from pointsman import ModelRegistry, Router
from pointsman.catalog.files import parse_catalogue
from pointsman.config import read_settings
from pointsman.learning.ledger import ATTEMPTS
from pointsman.litellm import install
from pointsman.litellm.failover import _cooling
from pointsman.litellm.planning import Planner
from pointsman.litellm.proxy import ProxyHandler
from pointsman.testing import ModelFleet, ServedModel, serve

Door = tuple[Planner, Callable[..., Awaitable[Any]], Callable[[int], Awaitable[None]]]

MANY, RPM, LONELY_RPM = 50, 10, 2
CONFIG = """
policy: cheapest
pools:
  pair: {models: [burst, spare]}
  alone: {models: [lonely]}
  failing: {models: [broken, full]}
limits: {models: {"lm_studio:burst": {rpm: 10}, "lm_studio:lonely": {rpm: 2}, "lm_studio:full": {rpm: 1}}}
calls: {deadline: 20}
"""
MESSAGES = [{"role": "user", "content": "Say something."}]
ENDPOINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES}),
    "completions": ("/v1/completions", {"prompt": "Say something."}),
    "responses": ("/v1/responses", {"input": "Say something."}),
    "messages": ("/v1/messages", {"messages": MESSAGES, "max_tokens": 50}),
}


# -- the proxy as a process


@pytest.fixture(scope="module")
def models() -> Iterator[ModelFleet]:
    names = ("burst", "spare", "lonely", "broken", "full")
    served = [
        ServedModel(name, input_price_per_1m=at, output_price_per_1m=at, latency=0.05)
        for at, name in enumerate(names, start=1)
    ]
    with serve(served, seed=3, life_limit=600) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def proxy(models: ModelFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    (folder / "pointsman.yaml").write_text(CONFIG)
    with Proxy(folder, entries_of(models)) as proxy:
        yield proxy


def entries_of(fleet: ModelFleet, **params: Any) -> list[dict[str, Any]]:
    entries = fleet.litellm_model_list()
    for entry in entries:
        entry["litellm_params"]["model"] = entry["litellm_params"]["model"].replace("openai/", "lm_studio/")
        entry["litellm_params"] |= params
    return entries


def ask_many(proxy: Proxy, pool: str) -> list[tuple[int, Any, Any]]:
    with ThreadPoolExecutor(MANY) as threads:
        body = {"model": pool, "messages": MESSAGES}
        return list(threads.map(lambda _: proxy.post("/v1/chat/completions", body), range(MANY)))


def test_a_burst_takes_of_a_model_what_its_rate_allows_and_the_rest_goes_elsewhere(
    proxy: Proxy, models: ModelFleet
) -> None:
    started = time.monotonic()
    answers = ask_many(proxy, "pair")
    refilled = int((time.monotonic() - started) * RPM / 60) + 1
    assert Counter(status for status, _, _ in answers) == {200: MANY}
    assert RPM <= models["burst"].calls <= RPM + refilled
    assert models["burst"].calls + models["spare"].calls == MANY


def test_without_another_model_the_rest_is_told_when_to_come_back(proxy: Proxy, models: ModelFleet) -> None:
    started = time.monotonic()
    answers = ask_many(proxy, "alone")
    refilled = int((time.monotonic() - started) * LONELY_RPM / 60) + 1
    served = sum(status == 200 for status, _, _ in answers)
    assert LONELY_RPM <= served == models["lonely"].calls <= LONELY_RPM + refilled
    refused = [(headers, body) for status, headers, body in answers if status == 429]
    assert len(refused) == MANY - served
    for headers, body in refused:
        assert body["error"]["message"].startswith("E4207")
        assert 0 < int(headers["retry-after"]) <= 60 / LONELY_RPM + 1


def test_a_fallback_without_room_is_passed_over_on_every_endpoint(proxy: Proxy, models: ModelFleet) -> None:
    models["broken"].fail("server_error_500")
    path, body = ENDPOINTS["chat"]
    assert proxy.post(path, {"model": "failing", **body})[0] == 200, "the fallback has room for one"
    for path, body in ENDPOINTS.values():
        status, _, answer = proxy.post(path, {"model": "failing", **body})
        said = str(answer["error"]["message"])
        assert (status, "E4207" in said) == (500, True), said
    assert (models["broken"].calls, models["full"].calls) == (1 + len(ENDPOINTS), 1)


# -- the handler in this process, behind a LiteLLM router


@contextmanager
def hosted(host: Any, **sections: Any) -> Iterator[Door]:
    """A planner, what asks LiteLLM's router as the proxy does, and what waits until so many attempts have been told."""
    handler = ProxyHandler()
    settings = {"policy": "cheapest", **sections}
    planner = handler._planner = Planner(parse_catalogue(settings), read_settings(settings))
    planner.refresh(host)
    assert planner.router is not None
    ended = Ended()
    planner.router.listen(ended)

    async def ask(
        tenant: str = "acme", call_type: str = "acompletion", method: str = "acompletion", **body: Any
    ) -> Any:
        key = UserAPIKeyAuth(api_key="sk-of-a-test", team_id=tenant, user_role=LitellmUserRoles.PROXY_ADMIN)
        metadata = "litellm_metadata" if method in ("aresponses", "aanthropic_messages") else "metadata"
        data: dict[str, Any] = {"model": "auto", metadata: {}, **body}
        await planner.plan(host, key, data, call_type)
        answer = await getattr(host, method)(**data)
        if body.get("stream"):
            async for _ in answer:
                pass
        return answer

    litellm.logging_callback_manager.add_litellm_callback(handler)
    try:
        yield planner, ask, ended.wait
    finally:
        litellm.logging_callback_manager.remove_callback_from_all_lists(handler)


class Ended:
    """Counts attempts that were told; LiteLLM tells of successes after the answer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_event_loop()
        self._told = asyncio.Semaphore(0)

    def attempt_ended(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._told.release)

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(20):
            for _ in range(count):
                await self._told.acquire()


def remaining(planner: Planner) -> dict[str, float]:
    assert planner.router is not None
    return {key: each["remaining"] for key, each in planner.router.limits().items()}


@pytest.fixture
async def served() -> AsyncIterator[ModelFleet]:
    models = [
        ServedModel("telling", input_price_per_1m=1, output_price_per_1m=1, rate_limit_rpm=30, rate_limit_tpm=9_000),
        ServedModel("silent", input_price_per_1m=2, output_price_per_1m=2),
    ]
    with serve(models, seed=3) as fleet:
        yield fleet


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("acompletion", {"messages": MESSAGES}),
    ("acompletion", {"messages": MESSAGES, "stream": True}),
    ("atext_completion", {"prompt": "Say something."}),
    ("atext_completion", {"prompt": "Say something.", "stream": True}),
    ("aresponses", {"input": "Say something."}),
    ("aresponses", {"input": "Say something.", "stream": True}),
    ("aanthropic_messages", {"messages": MESSAGES, "max_tokens": 50}),
    ("aanthropic_messages", {"messages": MESSAGES, "max_tokens": 50, "stream": True}),
]


@pytest.mark.parametrize(("method", "body"), CALLS, ids=[each for each, _ in CALLS])
async def test_what_servers_say_of_their_limits_is_learnt_at_every_endpoint(
    served: ModelFleet, method: str, body: dict[str, Any]
) -> None:
    with hosted(litellm.Router(model_list=entries_of(served))) as (planner, ask, told):
        await ask(call_type=method, method=method, **body)
        await told(1)
        assert planner.router is not None
        limits = planner.router.limits()
        assert [row["fault"] for _, row in planner.router.ledger.rows(ATTEMPTS)] == [None]
    assert limits["rpm|lm_studio:telling"]["limit"] == 30
    assert limits["rpm|lm_studio:telling"]["remaining"] == pytest.approx(29, abs=0.9)
    assert limits["tpm|lm_studio:telling"]["limit"] == 9_000


async def test_of_a_name_with_several_deployments_the_rates_are_added_and_headers_say_nothing(
    served: ModelFleet,
) -> None:
    entries = [{**each, "model_name": "both"} for each in entries_of(served, rpm=3)]
    with hosted(litellm.Router(model_list=entries)) as (planner, ask, told):
        await ask(messages=MESSAGES)
        await told(1)
        assert planner.router is not None
        assert [each["limit"] for each in planner.router.limits().values()] == [6]


async def test_what_a_refusal_says_is_learnt_too() -> None:
    models = [
        ServedModel("first", input_price_per_1m=1, output_price_per_1m=1, rate_limit_rpm=1),
        ServedModel("second", input_price_per_1m=2, output_price_per_1m=2),
    ]
    with serve(models, seed=3) as fleet:
        elsewhere = litellm.Router(model_list=entries_of(fleet))
        await elsewhere.acompletion(model="first", messages=MESSAGES)
        with hosted(litellm.Router(model_list=entries_of(fleet))) as (planner, ask, told):
            await ask(messages=MESSAGES)
            await told(2)
            assert planner.router is not None
            assert planner.router.limits()["rpm|lm_studio:first"]["remaining"] == pytest.approx(0, abs=0.2)


async def test_through_the_strategy_streams_teach_limits_too(served: ModelFleet) -> None:
    router = Router(ModelRegistry(), "cheapest")
    ended = Ended()
    router.listen(ended)
    host = litellm.Router(model_list=served.litellm_model_list("chat"))
    strategy = install(host, pointsman_router=router)
    try:
        texts = []
        for options in ({"stream": True}, {}):
            answer: Any = await host.acompletion(model="chat", messages=MESSAGES, **options)
            if options:
                texts.append("".join([chunk.choices[0].delta.content or "" async for chunk in answer]))
            else:
                texts.append(answer.choices[0].message.content)
            await ended.wait(1)
            limits = {key: each["limit"] for key, each in router.limits().items()}
            assert limits["rpm|openai:telling"] == 30
        assert texts[0] == texts[1], "a stream says what an answer says, from its first word"
    finally:
        strategy.uninstall()


async def together(ask: Callable[..., Awaitable[Any]], **body: Any) -> list[Any]:
    return await asyncio.gather(*(ask(**body) for _ in range(MANY)), return_exceptions=True)


async def test_requests_at_once_overspend_no_budget_and_what_they_used_is_what_counts(served: ModelFleet) -> None:
    budget = {"tenants": {"*": {"requests": 7, "tokens": 100_000, "period": "month"}}}
    with hosted(litellm.Router(model_list=entries_of(served)), budget=budget) as (planner, ask, told):
        answers = await together(ask, messages=MESSAGES, max_tokens=50)
        refused = [each for each in answers if isinstance(each, HTTPException)]
        assert len(refused) == MANY - 7
        assert {each.status_code for each in refused} == {429}
        assert all("E4208" in str(each.detail) for each in refused)
        assert all(0 < int(each.headers["retry-after"]) <= 31 * 86_400 for each in refused if each.headers)
        assert sum(server.calls for server in served.values()) == 7
        await told(7)
        used = [each.usage.total_tokens for each in answers if not isinstance(each, BaseException)]
        assert remaining(planner)["tokens|tenant|acme|month"] == 100_000 - sum(used)


async def test_two_proxies_on_one_redis_spend_one_budget(served: ModelFleet, redis_url: str) -> None:
    settings = {"budget": {"tenants": {"*": {"requests": 7, "period": "month"}}}, "store": redis_url}
    entries = entries_of(served)
    with (
        hosted(litellm.Router(model_list=entries), **settings) as (first, ask, _),
        hosted(litellm.Router(model_list=entries), **settings) as (second, ask_other, _told),
    ):
        answers = await asyncio.gather(together(ask, messages=MESSAGES), together(ask_other, messages=MESSAGES))
        answered = [each for many in answers for each in many if not isinstance(each, BaseException)]
        assert len(answered) == sum(server.calls for server in served.values()) == 7
        for planner in (first, second):
            assert planner.router is not None
            planner.router.close()


async def test_a_budget_in_money_is_reserved_by_the_most_a_request_can_cost(served: ModelFleet) -> None:
    served["telling"].fail("server_error_500")
    # At 2 USD per million tokens fifty and the prompt cost more than 1e-4, and there is room for two at a time.
    budget = {"tenants": {"*": {"usd": 0.00032, "period": "day"}}}
    with hosted(litellm.Router(model_list=entries_of(served)), budget=budget) as (planner, ask, told):
        answers = await together(ask, messages=MESSAGES, max_tokens=50)
        answered = [each for each in answers if not isinstance(each, BaseException)]
        assert 1 <= len(answered) <= 3
        await told(served["telling"].calls + len(answered))
        spent = sum(each.usage.total_tokens for each in answered) * 2e-6
        assert remaining(planner)["usd|tenant|acme|86400"] == pytest.approx(0.00032 - spent)


async def test_a_failed_attempt_gives_back_what_its_provider_did_not_count(served: ModelFleet) -> None:
    limits = {"models": {f"lm_studio:{name}": {"rpm": 5, "tpm": 50_000} for name in ("telling", "silent")}}
    served["telling"].fail("server_error_500")
    settings = {"limits": {**limits, "learn_from_headers": False}}
    with hosted(litellm.Router(model_list=entries_of(served)), **settings) as (planner, ask, told):
        answer = await ask(messages=MESSAGES, max_tokens=50)
        await told(2)
        left = remaining(planner)
    assert left["rpm|lm_studio:telling"] == pytest.approx(4, abs=0.9)
    assert left["tpm|lm_studio:telling"] == 50_000
    assert left["rpm|lm_studio:silent"] == pytest.approx(4, abs=0.9)
    assert left["tpm|lm_studio:silent"] >= 50_000 - answer.usage.total_tokens


async def test_a_plan_that_nobody_carries_out_gives_back_what_it_took(served: ModelFleet) -> None:
    budget = {"tenants": {"*": {"requests": 1, "period": "day"}}}
    with hosted(litellm.Router(model_list=entries_of(served)), budget=budget) as (planner, _, _told):
        key = UserAPIKeyAuth(api_key="sk-of-a-test", team_id="acme", user_role=LitellmUserRoles.PROXY_ADMIN)
        for _ in range(3):
            data: dict[str, Any] = {"model": "auto", "messages": MESSAGES}
            await planner.plan(None, key, data, "acompletion")
            call = planner.call_of(data)
            assert call is not None
            planner.ended(call, ValueError("another hook has refused the request"))
        assert remaining(planner)["requests|tenant|acme|86400"] == 1


async def test_a_model_without_room_is_charged_with_nothing(served: ModelFleet) -> None:
    limits = {"models": {"lm_studio:telling": {"rpm": 1}, "lm_studio:silent": {"rpm": 1}}}
    host = litellm.Router(model_list=entries_of(served))
    with hosted(host, limits=limits, calls={"deadline": 1}) as (planner, ask, told):
        answers = await together(ask, messages=MESSAGES)
        assert sum(not isinstance(each, BaseException) for each in answers) == 2
        await told(2)
        assert planner.router is not None
        assert {planner.router.health(key).success_rate for key in ("telling", "silent")} == {1.0}
        faults = {row["fault"] for _, row in planner.router.ledger.rows(ATTEMPTS)}
        assert faults == {None}
        assert await _cooling("async_get_cooldown_deployments")(host, None) == []


async def test_when_nothing_is_limited_nothing_is_awaited(served: ModelFleet) -> None:
    with hosted(litellm.Router(model_list=entries_of(served))) as (planner, _, _told):
        data: dict[str, Any] = {"model": "auto", "messages": MESSAGES}
        key = UserAPIKeyAuth(api_key="sk-of-a-test", team_id="acme", user_role=LitellmUserRoles.PROXY_ADMIN)
        await planner.plan(None, key, data, "acompletion")
        for name in (data["model"], *data["fallbacks"]):
            assert planner.entering(data["metadata"], name) is None
