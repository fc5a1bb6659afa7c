"""Limits against real servers: how many requests reach them, by their own count, through every door."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from samples import make_spec

from pointsman import Attempt, ModelRegistry, Outcome, Request, Router
from pointsman.limits.settings import LimitSettings
from pointsman.testing import FakeClock, ModelFleet, ServedModel, serve

ASK = Request(messages="Say something.", max_output_tokens=20)


def registry_of(fleet: ModelFleet, **limits: Any) -> ModelRegistry:
    """The fleet's models in its order, each dearer than the last; limits are the first one's."""
    specs = [
        make_spec(
            name,
            api_base=fleet[name].url,
            cost_per_1m_input_tokens=10.0**at,
            cost_per_1m_output_tokens=10.0**at,
            **({} if at else limits),
        )
        for at, name in enumerate(fleet)
    ]
    return ModelRegistry(specs)


def refused(fleet: ModelFleet) -> int:
    return sum(record.status == 429 for server in fleet.values() for record in server.requests)


async def test_200_at_once_send_no_more_than_the_limit_and_none_is_lost() -> None:
    clock = FakeClock()
    with serve([ServedModel("first", rate_limit_rpm=60), ServedModel("second")], clock=clock) as fleet:
        router = Router(registry_of(fleet, rate_limit_rpm=60), "cheapest", clock=clock, seed=1)
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=50), timeout=30) as client:

            async def call(attempt: Attempt) -> Any:
                body = {"model": attempt.spec.name, "messages": list(attempt.messages)}
                response = await client.post(f"{attempt.spec.api_base}/chat/completions", json=body)
                response.raise_for_status()
                return response.json()

            answers = await asyncio.gather(*(router.arun(ASK, call, deadline=60) for _ in range(200)))
        assert (fleet["first"].calls, fleet["second"].calls, refused(fleet)) == (60, 140, 0)
    assert all(answer["choices"][0]["message"]["content"] for answer in answers)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_through_litellm_the_servers_headers_are_learnt_and_kept_to(streamed: bool) -> None:
    clock = FakeClock()
    with serve([ServedModel("first", rate_limit_rpm=3), ServedModel("second")], clock=clock) as fleet:
        router = Router(registry_of(fleet), "cheapest", clock=clock, seed=1)
        for _ in range(6):
            if streamed:
                assert "".join([text async for text in router.aask_stream(ASK)])
            else:
                assert await router.aask(ASK)
        assert (fleet["first"].calls, fleet["second"].calls, refused(fleet)) == (3, 3, 0)
    assert router.limits()["rpm|openai:first"] == {"limit": 3, "remaining": pytest.approx(0), "period": 60}


def test_what_a_429_says_is_learnt_through_litellm() -> None:
    clock = FakeClock()
    with serve([ServedModel("first", rate_limit_rpm=1), ServedModel("second")], clock=clock) as fleet:
        httpx.post(
            f"{fleet['first'].url}/chat/completions", json={"model": "first", "messages": list(ASK.messages or ())}
        )
        router = Router(registry_of(fleet), "cheapest", clock=clock, seed=1)
        assert router.ask(ASK)
        assert refused(fleet) == 1
        assert router.limits()["rpm|openai:first"]["remaining"] == 0


async def test_a_langchain_model_keeps_to_the_limit() -> None:
    from pointsman.langchain import ChatPointsman

    clock = FakeClock()
    with serve([ServedModel("first", rate_limit_rpm=4), ServedModel("second")], clock=clock) as fleet:
        router = Router(registry_of(fleet, rate_limit_rpm=4), "cheapest", clock=clock, seed=1)
        model = ChatPointsman(router=router)
        for answer in await asyncio.gather(*(model.ainvoke("Say something.") for _ in range(10))):
            assert answer.content
        assert (fleet["first"].calls, fleet["second"].calls, refused(fleet)) == (4, 6, 0)


async def test_litellms_router_with_the_strategy_keeps_to_the_rpm_of_its_deployments() -> None:
    import litellm

    from pointsman.litellm import install

    with serve([ServedModel("first"), ServedModel("second")]) as fleet:
        model_list = fleet.litellm_model_list("chat")
        model_list[0]["litellm_params"]["rpm"] = 4
        host = litellm.Router(model_list=model_list)
        clock = FakeClock()
        strategy = install(
            host, pointsman_router=Router(ModelRegistry(), "cheapest", clock=clock, seed=1, limits=LimitSettings())
        )
        try:
            messages: Any = [{"role": "user", "content": "Say something."}]
            for _ in range(5):
                assert host.completion(model="chat", messages=messages).choices[0].message.content
                assert (await host.acompletion(model="chat", messages=messages)).choices[0].message.content
        finally:
            strategy.uninstall()
        assert (fleet["first"].calls, fleet["second"].calls) == (4, 6)


async def test_litellms_router_with_the_strategy_learns_from_headers() -> None:
    import litellm

    from pointsman.litellm import install

    clock = FakeClock()
    with serve([ServedModel("first", rate_limit_rpm=3), ServedModel("second")], clock=clock) as fleet:
        host = litellm.Router(model_list=fleet.litellm_model_list("chat"))
        router = Router(ModelRegistry(), "cheapest", clock=clock, seed=1)
        strategy = install(host, pointsman_router=router)
        try:
            told = asyncio.Event()
            router.on_health_change(lambda *_: told.set())
            for _ in range(6):
                messages: Any = [{"role": "user", "content": "Say something."}]
                answer = await host.acompletion(model="chat", messages=messages)
                assert answer.choices[0].message.content
                await asyncio.wait_for(told.wait(), 10)  # LiteLLM tells of successes after the answer
        finally:
            strategy.uninstall()
        assert (fleet["first"].calls, refused(fleet)) == (3, 0)


async def test_the_proxys_planner_refuses_a_tenant_whose_budget_is_used_up() -> None:
    from fastapi import HTTPException
    from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth

    from pointsman.catalog.files import parse_catalogue
    from pointsman.config import read_settings
    from pointsman.litellm.planning import Planner

    sections = {"policy": "cheapest", "budget": {"tenants": {"team": {"tokens": 100, "period": "hour"}}}}
    planner = Planner(parse_catalogue(sections), read_settings(sections))
    entry = {"model_name": "small", "litellm_params": {"model": "openai/gpt-4o-mini"}, "model_info": {"id": "1"}}
    host = SimpleNamespace(model_list=[entry])
    planner.refresh(host)

    async def plan(team: str) -> dict[str, Any]:
        data: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
        await planner.plan(
            host, UserAPIKeyAuth(team_id=team, user_role=LitellmUserRoles.PROXY_ADMIN), data, "acompletion"
        )
        return data

    data = await plan("team")
    call = planner.call_of(data)
    assert call is not None
    kwargs = {**data, "model_info": {"id": "1"}}
    planner.began(call, kwargs)
    planner.delivered(call, kwargs, Outcome(input_tokens=90, output_tokens=20))
    with pytest.raises(HTTPException) as caught:
        await plan("team")
    assert caught.value.status_code == 429
    assert caught.value.headers is not None
    assert 0 < int(caught.value.headers["retry-after"]) <= 3_600
    assert (await plan("others"))["model"] == "small"
