"""What a `litellm.Router` with pointsman serves besides chat, and the hosts that use such a router."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import litellm
import pytest
from langchain_litellm import ChatLiteLLMRouter
from litellm_door.proxies import LITELLM

from pointsman import ModelRegistry, NoEligibleModelsError, Router
from pointsman.litellm import install
from pointsman.testing import ModelFleet


def embedding_models(fleet: ModelFleet) -> list[dict[str, Any]]:
    return [
        {
            "model_name": "embed",
            "litellm_params": {"model": f"hosted_vllm/{name}", "api_base": fleet[name].url, "api_key": "none"},
            "model_info": {"id": f"embed-{name}", "mode": "embedding", "base_model": "house-embedding"},
        }
        for name in ("cheap", "middle")
    ]


@pytest.fixture
def host(fleet: ModelFleet, tmp_path: Path) -> Iterator[Any]:
    config = tmp_path / "pointsman.yaml"
    config.write_text("policy: cheapest\npools: {auto: {}}\n")
    router = litellm.Router(model_list=[*fleet.litellm_model_list("chat"), *embedding_models(fleet)])
    strategy = install(router, config=config)
    yield router
    strategy.uninstall()


async def test_embeddings_go_on_to_the_next_deployment_of_their_group(host: Any, fleet: ModelFleet) -> None:
    fleet["cheap"].fail("server_error_503")
    for _ in range(4):
        assert len((await host.aembedding(model="embed", input=["one", "two"])).data) == 2


@pytest.mark.skipif(
    LITELLM < (1, 106), reason="before 1.106 LiteLLM does not say which call a synchronous embedding's attempt is of"
)
def test_synchronous_embeddings_go_on_to_the_next_deployment_of_their_group(host: Any, fleet: ModelFleet) -> None:
    fleet["cheap"].fail("server_error_503")
    for _ in range(4):
        assert len(host.embedding(model="embed", input="one").data) == 1


async def test_a_pool_embeds_with_embedding_models_only(host: Any, fleet: ModelFleet) -> None:
    await host.aembedding(model="auto", input=["one"])
    assert fleet["large"].calls == 0


async def test_text_completions_go_on_to_the_next_deployment(host: Any, fleet: ModelFleet) -> None:
    fleet["cheap"].kill()
    assert (await host.atext_completion(model="chat", prompt="Say something.")).choices[0].text


def test_chat_never_meets_an_embedding_model(host: Any, fleet: ModelFleet) -> None:
    with pytest.raises(NoEligibleModelsError):
        host.completion(model="embed", messages=[{"role": "user", "content": "hi"}], tools=[{"type": "function"}])
    assert fleet.calls == 0


async def test_a_langchain_model_on_the_router_is_routed_too(host: Any, fleet: ModelFleet) -> None:
    fleet["cheap"].kill()
    model = ChatLiteLLMRouter(router=host, model="chat", model_name="chat")
    assert model.invoke("Say something.").content
    assert (await model.ainvoke("Say something.")).content
    assert fleet["middle"].calls == 2


def test_a_router_of_one_s_own_gets_the_deployments(fleet: ModelFleet) -> None:
    own = Router(ModelRegistry(), policy="cheapest")
    host = litellm.Router(model_list=fleet.litellm_model_list("chat"))
    strategy = install(host, pointsman_router=own)
    try:
        assert host.completion(model="chat", messages=[{"role": "user", "content": "hi"}]).model == "cheap"
        assert len(own.registry) == 3
    finally:
        strategy.uninstall()


def test_two_routers_in_one_process_keep_their_outcomes_apart(fleet: ModelFleet) -> None:
    hosts = [litellm.Router(model_list=fleet.litellm_model_list("chat")) for _ in range(2)]
    strategies = [install(host) for host in hosts]
    try:
        for server in fleet.values():
            server.fail("server_error_500")
        with pytest.raises(litellm.InternalServerError):
            hosts[0].completion(model="chat", messages=[{"role": "user", "content": "hi"}])
        rows = [len(list(strategy.router.ledger.rows("ledger.attempts"))) for strategy in strategies]
        assert rows == [3, 0]
    finally:
        for strategy in strategies:
            strategy.uninstall()


def test_many_dead_deployments_are_worked_through(fleet: ModelFleet) -> None:
    entries = []
    for number in range(30):
        entry = fleet.litellm_model_list("chat")[0]
        entry["model_info"] = {"id": f"dead-{number}", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
        entries.append(entry)
    fleet["cheap"].fail("server_error_500")
    host = litellm.Router(model_list=[*entries, fleet.litellm_model_list("chat")[2]])
    strategy = install(host, pointsman_router=Router(ModelRegistry(), policy="cheapest"))
    try:
        assert host.completion(model="chat", messages=[{"role": "user", "content": "hi"}]).model == "large"
        assert fleet["cheap"].calls == 30
    finally:
        strategy.uninstall()


async def test_litellm_s_cool_downs_are_respected_on_request(fleet: ModelFleet) -> None:
    host = litellm.Router(model_list=fleet.litellm_model_list("chat"), allowed_fails=0, cooldown_time=60)
    own = Router(ModelRegistry(), policy="cheapest")
    strategy = install(host, pointsman_router=own, respect_cooldowns=True)
    try:
        fleet["cheap"].fail("unauthorized")
        messages = [{"role": "user", "content": "hi"}]
        for _ in range(3):  # one refusal is not enough for pointsman's own health
            assert (await host.acompletion(model="chat", messages=messages)).model == "middle"
        assert fleet["cheap"].calls == 1
        fleet["middle"].fail("unauthorized")
        fleet["large"].fail("unauthorized")
        with pytest.raises(litellm.AuthenticationError):
            await host.acompletion(model="chat", messages=messages)
        fleet.heal()
        assert (await host.acompletion(model="chat", messages=messages)).choices[0].message.content
    finally:
        strategy.uninstall()


async def test_a_deployment_at_its_rpm_is_passed_over(fleet: ModelFleet) -> None:
    entries = fleet.litellm_model_list("chat")
    entries[0]["litellm_params"]["rpm"] = 2
    host = litellm.Router(model_list=entries)
    strategy = install(host, pointsman_router=Router(ModelRegistry(), policy="cheapest"))
    try:
        messages = [{"role": "user", "content": "hi"}]
        answered = [(await host.acompletion(model="chat", messages=messages)).model for _ in range(4)]
        assert answered == ["cheap", "cheap", "middle", "middle"]
    finally:
        strategy.uninstall()


async def test_a_pool_reaches_no_wildcard(fleet: ModelFleet, tmp_path: Path) -> None:
    config = tmp_path / "pointsman.yaml"
    config.write_text("policy: cheapest\npools: {auto: {}}\n")
    routed = {"model": "openai/*", "api_base": fleet["cheap"].url, "api_key": "none"}
    entries = [{"model_name": "openai/*", "litellm_params": routed}, *fleet.litellm_model_list()[1:]]
    host = litellm.Router(model_list=entries)
    strategy = install(host, config=config)
    assert sorted(strategy.deployments.key_of) == ["openai:large", "openai:middle"]
    assert "middle" in str(
        await host.acompletion(model="auto", messages=[{"role": "user", "content": "Say something."}])
    )
    assert "cheap" in str(
        await host.acompletion(model="openai/cheap", messages=[{"role": "user", "content": "Say something."}])
    )
    strategy.uninstall()


@pytest.mark.parametrize("first_leaves_first", [True, False])
async def test_who_installs_last_serves_and_leaves_the_router_as_it_was(
    fleet: ModelFleet, *, first_leaves_first: bool
) -> None:
    host = litellm.Router(model_list=fleet.litellm_model_list("chat"), num_retries=2)
    before = set(vars(host))
    first, last = (install(host, pointsman_router=Router(ModelRegistry(), policy="cheapest")) for _ in range(2))
    fleet["cheap"].fail("server_error_503")
    messages = [{"role": "user", "content": "Say something."}]
    assert "middle" in str(await host.acompletion(model="chat", messages=messages))
    assert len(list(last.router.ledger.rows("ledger.decisions"))) == 1
    assert not list(first.router.ledger.rows("ledger.decisions"))
    for strategy in (first, last) if first_leaves_first else (last, first):
        strategy.uninstall()
    assert host.num_retries == 2
    assert set(vars(host)) <= before
