"""A real `litellm.Router` over real HTTP: it keeps answering, and pointsman learns what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import litellm
import pytest

from pointsman import ModelRegistry, Router
from pointsman.errors import PromptTooLongError
from pointsman.litellm import PointsmanStrategy, install
from pointsman.testing import ModelFleet, ModelProcess, ServedModel

MESSAGES = [{"role": "user", "content": "Say something."}]


class Installed:
    """A LiteLLM router with a strategy, and ways to ask it."""

    def __init__(self, model_list: list[dict[str, Any]], **options: Any) -> None:
        self.host = litellm.Router(model_list=model_list)
        self.strategy: PointsmanStrategy = install(self.host, **options)

    def ask(self, model: str = "chat", **more: Any) -> Any:
        return self.host.completion(model=model, **{"messages": MESSAGES, **more})

    async def aask(self, model: str = "chat", **more: Any) -> Any:
        return await self.host.acompletion(model=model, **{"messages": MESSAGES, **more})

    async def atext(self, model: str = "chat") -> str:
        stream = await self.host.acompletion(model=model, messages=MESSAGES, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    def text(self, model: str = "chat") -> str:
        stream = self.host.completion(model=model, messages=MESSAGES, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


@pytest.fixture
def installed(fleet: ModelFleet, tmp_path: Any) -> Iterator[Installed]:
    config = tmp_path / "pointsman.yaml"
    config.write_text("policy: cheapest\nseed: 7\npools: {auto: {}}\n")
    made = Installed(fleet.litellm_model_list("chat"), config=config)
    yield made
    made.strategy.uninstall()


def test_the_policy_chooses_the_deployment(installed: Installed, fleet: ModelFleet) -> None:
    installed.ask()
    assert [server.calls for server in fleet.values()] == [1, 0, 0]


async def test_a_killed_process_is_survived_by_every_kind_of_call(fleet: ModelFleet) -> None:
    with ModelProcess([ServedModel("doomed")], life_limit=300) as process:
        entry = {
            "model_name": "chat",
            "litellm_params": {"model": "openai/doomed", "api_base": process.url, "api_key": "none"},
            "model_info": {"id": "doomed", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
        }
        own = Router(ModelRegistry(), policy="cheapest")
        made = Installed([entry, *fleet.litellm_model_list("chat")], pointsman_router=own)
        try:
            assert made.ask().model == "doomed"
            process.kill()
            assert made.ask().choices[0].message.content
            assert (await made.aask()).choices[0].message.content
            assert made.text()
            assert await made.atext()
            assert made.strategy.router.health("doomed").success_rate != 1.0
        finally:
            made.strategy.uninstall()


@pytest.mark.parametrize(
    "fault", ["server_error_500", "server_error_503", "rate_limited", "model_not_found", "unauthorized"]
)
async def test_each_deployment_is_tried_once(installed: Installed, fleet: ModelFleet, fault: str) -> None:
    fleet["cheap"].fail(fault)
    fleet["middle"].fail(fault)
    assert (await installed.aask()).model == "large"
    assert [server.calls for server in fleet.values()] == [1, 1, 1]


def test_a_sync_call_tries_each_deployment_once(installed: Installed, fleet: ModelFleet) -> None:
    fleet["cheap"].fail("server_error_503")
    fleet["middle"].fail("server_error_503")
    assert installed.ask().model == "large"
    assert [server.calls for server in fleet.values()] == [1, 1, 1]


async def test_when_all_fail_the_provider_s_error_is_raised(installed: Installed, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("server_error_503")
    with pytest.raises(litellm.ServiceUnavailableError):
        await installed.aask()
    assert [server.calls for server in fleet.values()] == [1, 1, 1]


async def test_a_bad_request_is_not_repeated_elsewhere(installed: Installed, fleet: ModelFleet) -> None:
    fleet["cheap"].fail("bad_request")
    with pytest.raises(litellm.BadRequestError):
        await installed.aask()
    assert [server.calls for server in fleet.values()] == [1, 0, 0]


@pytest.mark.parametrize("fault", ["reset_before_first_byte", "reset_after_first_chunk"])
async def test_a_stream_that_dies_before_its_content_goes_on_elsewhere(
    installed: Installed, fleet: ModelFleet, fault: str
) -> None:
    fleet["cheap"].fail(fault)
    fleet["middle"].fail(fault)
    assert await installed.atext()
    fleet["cheap"].clear()
    assert installed.text()
    assert fleet["large"].calls == 2


def test_a_prompt_never_reaches_a_window_it_does_not_fit(installed: Installed, fleet: ModelFleet) -> None:
    fleet["large"].fail("server_error_503")
    with pytest.raises(litellm.ServiceUnavailableError):
        installed.ask(messages=[{"role": "user", "content": "word " * 60_000}])
    # The only one that can serve is asked once more.
    assert [server.calls for server in fleet.values()] == [0, 0, 2]


def test_a_prompt_larger_than_every_window_is_refused_before_any_call(installed: Installed, fleet: ModelFleet) -> None:
    with pytest.raises(PromptTooLongError):
        installed.ask(messages=[{"role": "user", "content": "word " * 400_000}])
    assert fleet.calls == 0


async def test_outcomes_reach_health_and_ledger(installed: Installed, fleet: ModelFleet) -> None:
    router, told = installed.strategy.router, asyncio.Event()
    router.on_health_change(lambda model, *_: told.set() if model == "openai:middle" else None)
    fleet["cheap"].fail("server_error_500", times=1)
    await installed.aask()
    await asyncio.wait_for(told.wait(), 10)  # LiteLLM tells of successes after the answer
    assert router.health("cheap").success_rate == 0.0
    assert router.health("middle").success_rate == 1.0
    rows = dict(router.ledger.rows("ledger.attempts"))
    assert [row["fault"] for row in rows.values()] == ["server_error", None]


def test_a_pool_is_a_model_name_of_the_router(installed: Installed, fleet: ModelFleet) -> None:
    fleet["cheap"].kill()
    assert installed.ask("auto").model == "middle"


def test_metadata_that_a_caller_uses_again_does_not_join_two_calls(installed: Installed, fleet: ModelFleet) -> None:
    metadata: dict[str, Any] = {"user": "u1"}
    for _ in range(2):
        installed.ask(metadata=metadata)
    assert fleet["cheap"].calls == 2


def test_a_deployment_called_by_its_id_stays_litellm_s_affair(installed: Installed, fleet: ModelFleet) -> None:
    assert installed.ask("openai:large").model == "large"


def test_uninstalled_the_router_is_as_it_was(fleet: ModelFleet) -> None:
    host = litellm.Router(model_list=fleet.litellm_model_list("chat"), fallbacks=[{"chat": ["other"]}], num_retries=3)
    before = (host.fallbacks, host.num_retries, host.max_fallbacks, host.disable_cooldowns)
    strategy = install(host)
    assert host.num_retries == 0
    strategy.uninstall()
    assert (host.fallbacks, host.num_retries, host.max_fallbacks, host.disable_cooldowns) == before
    assert "get_available_deployment" not in vars(host)


def test_changed_settings_do_not_drop_the_strategy(installed: Installed, fleet: ModelFleet) -> None:
    installed.host.update_settings(routing_strategy="latency-based-routing")
    installed.ask()
    assert fleet["cheap"].calls == 1
    assert len(list(installed.strategy.router.ledger.rows())) == 1


def test_deployments_that_come_and_go_are_noticed(installed: Installed, fleet: ModelFleet) -> None:
    installed.host.delete_deployment(id="openai:cheap")
    assert installed.ask().model == "middle"
    installed.host.add_deployment(litellm.Deployment(**fleet.litellm_model_list("chat")[0]))
    assert installed.ask().model == "cheap"


async def test_a_hanging_deployment_has_its_share_of_the_time_and_no_more(fleet: ModelFleet, tmp_path: Any) -> None:
    config = tmp_path / "pointsman.yaml"
    config.write_text("policy: cheapest\ncalls: {deadline: 60, timeout: 1}\n")
    made = Installed(fleet.litellm_model_list("chat"), config=config)
    fleet["cheap"].fail("hang")
    try:
        assert (await made.aask()).model == "middle"
        assert made.ask().model == "middle"
    finally:
        made.strategy.uninstall()
