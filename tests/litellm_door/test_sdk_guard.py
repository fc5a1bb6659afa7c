"""What LiteLLM takes for an answer and is none, on a real `litellm.Router`: no success, and not the user's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import litellm
import pytest
from litellm_door.proxies import LITELLM

from pointsman import ModelRegistry, Router
from pointsman.errors import EmptyAnswerError
from pointsman.litellm import PointsmanStrategy, install
from pointsman.testing import Fault, ModelFleet

MESSAGES = [{"role": "user", "content": "Say something."}]
STREAMS = ["astream", "stream"] if LITELLM >= (1, 106) else ["astream"]
KINDS = ["whole", "awhole", *STREAMS]


@pytest.fixture
def host(fleet: ModelFleet) -> Any:
    return litellm.Router(model_list=fleet.litellm_model_list("chat"))


@pytest.fixture
def strategy(host: Any) -> Iterator[PointsmanStrategy]:
    made = install(host, pointsman_router=Router(ModelRegistry(), policy="cheapest"))
    yield made
    made.uninstall()


async def ask(host: Any, kind: str, parts: list[str] | None = None) -> str:
    """The answer's text; `parts` of a stream as far as they came."""
    parts = [] if parts is None else parts
    if kind == "whole":
        return str(host.completion(model="chat", messages=MESSAGES).choices[0].message.content)
    if kind == "awhole":
        return str((await host.acompletion(model="chat", messages=MESSAGES)).choices[0].message.content)
    if kind == "stream":
        for chunk in host.completion(model="chat", messages=MESSAGES, stream=True):
            parts.append(chunk.choices[0].delta.content or "")
    else:
        async for chunk in await host.acompletion(model="chat", messages=MESSAGES, stream=True):
            parts.append(chunk.choices[0].delta.content or "")
    return "".join(parts)


def faults(strategy: PointsmanStrategy) -> list[tuple[str, str | None]]:
    return [(row["model"], row["fault"]) for _, row in strategy.router.ledger.rows("ledger.attempts")]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_empty_answer_is_none_and_the_next_deployment_is_asked(
    host: Any, strategy: PointsmanStrategy, fleet: ModelFleet, kind: str
) -> None:
    fleet["cheap"].fail(Fault.empty_answer())
    assert await ask(host, kind)
    assert [server.calls for server in fleet.values()] == [1, 1, 0]
    assert faults(strategy)[0] == ("openai:cheap", "useless_answer")
    assert strategy.router.health("cheap").success_rate != 1.0


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_stream_that_ends_cleanly_before_its_content_goes_on_elsewhere(
    host: Any, strategy: PointsmanStrategy, fleet: ModelFleet, kind: str
) -> None:
    fleet["cheap"].fail(Fault.clean_eof(1))
    assert await ask(host, kind)
    assert [server.calls for server in fleet.values()] == [1, 1, 0]


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_stream_that_ends_cleanly_after_content_is_an_error(
    host: Any, strategy: PointsmanStrategy, fleet: ModelFleet, kind: str
) -> None:
    fleet["cheap"].fail(Fault.clean_eof(3))
    parts: list[str] = []
    with pytest.raises(litellm.APIConnectionError):
        await ask(host, kind, parts)
    assert "".join(parts)
    assert fleet["middle"].calls == 0, "what was delivered is never repeated"
    assert faults(strategy) == [("openai:cheap", "stream_broken")]


@pytest.mark.parametrize("kind", KINDS)
async def test_when_all_answers_are_empty_the_caller_hears_of_it(
    host: Any, strategy: PointsmanStrategy, fleet: ModelFleet, kind: str
) -> None:
    for server in fleet.values():
        server.fail(Fault.empty_answer())
    with pytest.raises((EmptyAnswerError, litellm.APIConnectionError)):
        await ask(host, kind)
    assert [server.calls for server in fleet.values()] == [1, 1, 1]


async def test_calls_that_are_not_ours_are_litellm_s_affair(
    host: Any, strategy: PointsmanStrategy, fleet: ModelFleet
) -> None:
    fleet["large"].fail(Fault.empty_answer())
    answer = await host.acompletion(model="openai:large", messages=MESSAGES)
    assert not answer.choices[0].message.content


async def test_uninstalled_nothing_stands_in_the_way(host: Any, strategy: PointsmanStrategy, fleet: ModelFleet) -> None:
    strategy.uninstall()
    fleet["cheap"].fail(Fault.empty_answer())
    fleet["middle"].fail(Fault.empty_answer())
    fleet["large"].fail(Fault.empty_answer())
    assert not await ask(host, "whole")
    assert not await ask(host, "astream")


NONSENSE: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": 5}]},
    {"messages": [1]},
    {"messages": "Say something."},
    {"messages": MESSAGES, "response_format": "json"},
]


@pytest.mark.parametrize("body", NONSENSE)
async def test_a_request_that_litellm_stumbles_over_makes_no_model_ill(
    host: Any, strategy: PointsmanStrategy, body: dict[str, Any]
) -> None:
    assert "cheap" in await ask(host, "awhole")
    for _ in range(6):
        with pytest.raises(Exception, match=r"."):  # LiteLLM's, of whichever class
            await host.acompletion(model="chat", **body)
    assert "unhealthy" not in {strategy.router.health(key).state for key in strategy.deployments.by_key}
    assert "cheap" in await ask(host, "awhole")
