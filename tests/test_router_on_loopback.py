"""The router over real HTTP: model servers on loopback that fail, hang and die; LiteLLM as the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from pointsman import AllModelsFailedError, CatalogError, PromptTooLongError, Request, Router, StreamInterruptedError
from pointsman.testing import Fault, ModelFleet, ModelProcess, ServedModel, serve

MODELS = [
    ServedModel("cheap", input_price_per_1m=0.1, output_price_per_1m=0.2, context_window=16_000),
    ServedModel("middle", input_price_per_1m=1, output_price_per_1m=2, context_window=16_000),
    ServedModel("dear", input_price_per_1m=5, output_price_per_1m=9, context_window=128_000),
]


@pytest.fixture
def fleet() -> Iterator[ModelFleet]:
    with serve(MODELS, seed=1) as running:
        yield running


@pytest.fixture
def router(fleet: ModelFleet, tmp_path: Path) -> Router:
    path = tmp_path / "pointsman.yaml"
    path.write_text(yaml.safe_dump({"policy": "cheapest", "models": fleet.catalogue()}))
    return Router.from_config(path)


def test_ask_is_one_line(router: Router, fleet: ModelFleet) -> None:
    assert router.ask("What is 2 + 3?")
    assert fleet["cheap"].calls == 1


async def test_aask_and_streams_too(router: Router) -> None:
    assert await router.aask("What is 2 + 3?")
    assert "".join(router.ask_stream("Tell me something long"))
    assert "".join([text async for text in router.aask_stream("Tell me something long")])


@pytest.mark.parametrize(
    "fault",
    [Fault.server_error(500), Fault.server_error(503), Fault.rate_limited(), Fault.reset(), Fault.empty_answer()],
    ids=lambda fault: fault.name,
)
async def test_a_failing_model_is_not_noticed(router: Router, fleet: ModelFleet, fault: Fault) -> None:
    fleet["cheap"].fail(fault)
    assert router.ask("hello")
    assert await router.aask("hello")
    assert "".join(router.ask_stream("hello"))
    assert fleet["middle"].calls == 3


def test_a_dead_model_is_not_noticed_and_soon_not_called(router: Router, fleet: ModelFleet) -> None:
    fleet["cheap"].kill()
    for _ in range(7):
        assert router.ask("hello")
    assert router.health("cheap").state == "unhealthy"
    assert router.decide("hello").model == "openai:middle"


def test_a_killed_process_is_not_noticed() -> None:
    with ModelProcess([MODELS[0]]) as process, serve([MODELS[1]], seed=1) as fleet:
        entries = [
            {"name": "cheap", "provider": "openai", "api_base": process.urls["cheap"], "priority": 1, "weight": 1},
            {"name": "middle", "provider": "openai", "api_base": fleet["middle"].url, "weight": 0},
        ]
        from pointsman import ModelRegistry, ModelSpec

        router = Router(ModelRegistry(ModelSpec(**entry) for entry in entries), "weighted")
        assert router.ask("hello")
        assert fleet["middle"].calls == 0
        process.kill()
        assert router.ask("hello")
        assert fleet["middle"].calls == 1


async def test_a_hanging_model_costs_one_timeout(router: Router, fleet: ModelFleet) -> None:
    fleet["cheap"].fail(Fault.hang())
    assert router.ask("hello", timeout=0.3)
    assert await router.aask("hello", timeout=0.3)


def test_a_long_prompt_is_never_sent_to_a_small_model(router: Router, fleet: ModelFleet) -> None:
    prompt = "word " * 60_000
    assert router.ask(prompt, deadline=30)
    fleet["dear"].fail(Fault.server_error(500))
    with pytest.raises(AllModelsFailedError):
        router.ask(prompt, deadline=30)
    small = [record for name in ("cheap", "middle") for record in fleet[name].requests if "completions" in record.path]
    assert small == [], "neither first nor as a fallback"
    assert fleet["dear"].calls >= 2
    with pytest.raises(PromptTooLongError):
        router.ask("word " * 140_000)


async def test_a_failed_check_puts_a_model_behind_before_any_call_meets_it(router: Router, fleet: ModelFleet) -> None:
    fleet["cheap"].kill()
    reports = await router.check_health()
    assert not reports["openai:cheap"].healthy
    assert reports["openai:middle"].healthy
    decision = router.decide("hello")
    assert decision.model == "openai:middle"
    assert decision.fallbacks[-1] == "openai:cheap"
    assert [spec.name for spec in router.available_models] == ["middle", "dear"]
    fleet["cheap"].revive()
    for _ in range(2):
        await router.check_health(["cheap"])
    assert router.decide("hello").model == "openai:cheap"


def test_when_all_answer_503_every_cause_is_carried(router: Router, fleet: ModelFleet) -> None:
    for name in ("cheap", "middle", "dear"):
        fleet[name].fail(Fault.server_error(503))
    with pytest.raises(AllModelsFailedError) as caught:
        router.ask("hello", deadline=3)
    assert set(caught.value.models) == {"openai:cheap", "openai:middle", "openai:dear"}
    assert {getattr(cause, "status_code", None) for cause in caught.value.exceptions} == {503}


def test_a_stream_cut_after_content_says_so(router: Router, fleet: ModelFleet) -> None:
    fleet["cheap"].fail(Fault.reset_after_chunks(3))
    got: list[str] = []
    with pytest.raises(StreamInterruptedError) as caught:
        got.extend(router.ask_stream("Tell me something long about trains"))
    assert got
    assert caught.value.partial == "partial_text"


def test_max_tokens_and_stop_reach_the_server(router: Router, fleet: ModelFleet) -> None:
    answer = router.ask(Request(messages="Tell me something long about trains", parameters={"max_tokens": 3}))
    assert len(answer.split()) <= 4


CONFIG_PROBLEMS: list[tuple[str, str, int | None]] = [
    ("polcy: ucb", "did you mean 'policy'", 1),
    ("policy: magic", "no policy 'magic'", 1),
    ("store: postgres://x", "no store", 1),
    ("calls: {deadline: soon}", "calls.deadline", 1),
    ("calls:\n  deadlin: 3", "did you mean 'deadline'", 2),
    ("health: {interval: -1}", "health.interval", 1),
    ("budget: {per_request: -1}", "budget.per_request", 1),
    ("seed: yes please", "seed", 1),
]


@pytest.mark.parametrize(("text", "says", "line"), CONFIG_PROBLEMS)
def test_a_wrong_section_is_refused_with_its_line(tmp_path: Path, text: str, says: str, line: int | None) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(text + "\n")
    with pytest.raises(CatalogError, match=says) as caught:
        Router.from_config(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_all_wrong_sections_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("policy: magic\ncalls: {deadline: soon}\nhealth: {interval: -1}\n")
    with pytest.raises(CatalogError) as caught:
        Router.from_config(path)
    assert len(caught.value.problems) == 3


def test_keyword_arguments_win_over_the_file(router: Router, fleet: ModelFleet, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump({"policy": "cheapest", "seed": 3, "models": fleet.catalogue()}))
    made: Callable[..., Router] = Router.from_config
    assert made(path, policy="ucb").decide("hi").policy == "ucb"
