"""The proxy's plan at its hook: whose key it is decides which models it may hold; what clients ask for never widens it."""

from __future__ import annotations

from typing import Any

import litellm
import pytest
from fastapi import HTTPException
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth

from pointsman.catalog.files import Catalogue
from pointsman.config import Settings
from pointsman.litellm.planning import Planner
from pointsman.testing import ModelFleet

EVERYBODY = ["cheap", "middle", "large"]


@pytest.fixture
def host(fleet: ModelFleet) -> Any:
    return litellm.Router(model_list=fleet.litellm_model_list())


@pytest.fixture
def planner(host: Any) -> Planner:
    made = Planner(Catalogue(), Settings(policy="cheapest"))
    made.refresh(host)
    return made


async def plan_of(planner: Planner, host: Any, key: UserAPIKeyAuth, **body: Any) -> list[str]:
    data: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Say something."}], **body}
    await planner.plan(host, key, data, "acompletion")
    return [data["model"], *data["fallbacks"]]


def restricted(**more: Any) -> UserAPIKeyAuth:
    return UserAPIKeyAuth(api_key="sk-of-a-test", user_role=LitellmUserRoles.INTERNAL_USER, **more)


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        (restricted(), EVERYBODY),
        (restricted(models=["auto", "middle", "large"]), ["middle", "large"]),
        (restricted(models=["auto", "large"]), ["large"]),
        (restricted(team_id="t1", team_models=["auto", "middle"]), ["middle"]),
        (restricted(models=["auto", "middle", "large"], team_id="t1", team_models=["auto", "large"]), ["large"]),
        (UserAPIKeyAuth(api_key="sk-of-a-test", user_role=LitellmUserRoles.PROXY_ADMIN), EVERYBODY),
    ],
    ids=["any", "two models", "one model", "its team's", "both", "admin"],
)
async def test_a_plan_holds_only_what_key_and_team_may_call(
    planner: Planner, host: Any, key: UserAPIKeyAuth, allowed: list[str]
) -> None:
    assert await plan_of(planner, host, key) == allowed


async def test_a_key_that_may_call_none_of_the_models_is_told_so(planner: Planner, host: Any) -> None:
    with pytest.raises(HTTPException) as refused:
        await plan_of(planner, host, restricted(models=["auto", "something-else"]))
    assert refused.value.status_code == 400


async def test_what_a_client_sends_never_widens_the_plan(planner: Planner, host: Any) -> None:
    key = restricted(models=["auto", "large"])
    sent = {"fallbacks": ["cheap"], "num_retries": 9, "api_base": "http://127.0.0.1:9", "api_key": "sk-other"}
    sent["metadata"] = {"pointsman": {"needs": [], "prefer": ["cheap"]}}
    assert await plan_of(planner, host, key, **sent) == ["large"]


async def test_hostile_headers_change_nothing_and_are_counted(planner: Planner, host: Any) -> None:
    headers = {
        "x-pointsman-needs": "no capability!",
        "x-pointsman-max-cost": "nan",
        "X-POINTSMAN-MAX-LATENCY": "1e999",
        "x-pointsman-session": "s" * 100_000,
        "x-pointsman-decision": "somebody-else's",
    }
    request = {"headers": headers, "body": {"metadata": {"pointsman": ["no mapping"]}}}
    assert await plan_of(planner, host, restricted(), proxy_server_request=request) == EVERYBODY
    assert planner.ignored_wishes >= 4


@pytest.mark.parametrize(
    "kind", ["aimage_generation", "amoderation", "aspeech", "atranscription", "arerank", "_arealtime"]
)
async def test_what_asks_neither_for_text_nor_for_vectors_is_left_alone(planner: Planner, host: Any, kind: str) -> None:
    data = {"model": "auto", "prompt": "A pointsman at work."}
    await planner.plan(host, restricted(), data, kind)
    assert data == {"model": "auto", "prompt": "A pointsman at work."}


@pytest.mark.parametrize("content", [5, True, 1.5, None, {"a": 1}, [5, None, [[]], {"type": 7}]])
@pytest.mark.parametrize("system", [None, 5])
async def test_messages_of_no_sense_are_left_to_the_provider(
    planner: Planner, host: Any, content: Any, system: Any
) -> None:
    body = {"messages": [{"role": "user", "content": content}], "system": system}
    assert await plan_of(planner, host, restricted(), **body) == EVERYBODY
