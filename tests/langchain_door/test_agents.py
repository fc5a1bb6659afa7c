"""Agents made by LangChain's create_agent, with ChatPointsman as their model or PointsmanMiddleware around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import LLMToolSelectorMiddleware, ModelFallbackMiddleware, SummarizationMiddleware
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from pointsman import AllModelsFailedError, ConfigError, Router
from pointsman.langchain import ChatPointsman, PointsmanMiddleware
from pointsman.testing import Fault, ModelFleet

ASKED: Any = {"messages": [HumanMessage("How is the weather in Paris?")]}


class Report(BaseModel):
    """A weather report."""

    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """How the weather is in a city."""
    return f"fine in {city}"


@tool
def population(city: str) -> int:
    """How many people live in a city."""
    return len(city)


def last_text(state: Any) -> str:
    message = state["messages"][-1]
    assert isinstance(message, AIMessage)
    return message.text


@pytest.mark.parametrize("fault", [None, "server_error_503", "reset_after_first_chunk"])
async def test_an_agent_calls_its_tools_whoever_answers(
    fault: str | None, llm: ChatPointsman, fleet: ModelFleet
) -> None:
    agent = create_agent(llm, [weather])
    if fault:
        fleet["first"].fail(fault)
    for state in (agent.invoke(ASKED), await agent.ainvoke(ASKED)):
        kinds = [type(message) for message in state["messages"]]
        assert kinds == [HumanMessage, AIMessage, ToolMessage, AIMessage]
        assert state["messages"][-1].response_metadata["model_name"] == ("second" if fault else "first")


@pytest.mark.parametrize("fault", [None, "server_error_503"])
async def test_streams_of_an_agent_carry_each_token_and_each_usage_once(
    fault: str | None, llm: ChatPointsman, fleet: ModelFleet
) -> None:
    if fault:
        fleet["first"].fail(fault)
    agent = create_agent(llm, [weather])
    for way in ("sync", "async"):
        usage = UsageMetadataCallbackHandler()
        config: Any = {"callbacks": [usage]}
        parts: list[Any]
        if way == "sync":
            parts = list(agent.stream(ASKED, config, stream_mode="messages"))
        else:
            parts = [part async for part in agent.astream(ASKED, config, stream_mode="messages")]
        chunks = [part[0] for part in parts if isinstance(part[0], AIMessageChunk)]
        answers: dict[str | None, str] = {}
        counted: dict[str | None, int] = {}
        for chunk in chunks:
            answers[chunk.id] = answers.get(chunk.id, "") + chunk.text
            if chunk.usage_metadata is not None:
                counted[chunk.id] = counted.get(chunk.id, 0) + chunk.usage_metadata["total_tokens"]
        expected = last_text(agent.invoke(ASKED))
        assert list(answers.values()) == ["", expected]
        (name,) = usage.usage_metadata
        assert usage.usage_metadata[name]["total_tokens"] == sum(counted.values())


def test_structured_output_of_an_agent(llm: ChatPointsman, fleet: ModelFleet) -> None:
    fleet["first"].fail("server_error_503")
    state = create_agent(llm, response_format=Report).invoke(ASKED)
    assert isinstance(state["structured_response"], Report)


def test_summarisation_and_tool_selection_use_it_as_any_model(llm: ChatPointsman) -> None:
    selector = LLMToolSelectorMiddleware(model=llm, max_tools=1)
    summariser = SummarizationMiddleware(llm, trigger=("fraction", 0.0001), keep=("messages", 2))
    agent = create_agent(llm, [weather, population], middleware=[summariser, selector])
    turns = [HumanMessage("tell me something " * 10), AIMessage("something"), *ASKED["messages"]]
    asked: Any = {"messages": turns}
    assert last_text(agent.invoke(asked))


# -- the middleware


def bare(fleet: ModelFleet, name: str) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=fleet[name].url, api_key=SecretStr("none"), max_retries=0)


async def test_the_middleware_routes_each_call_of_an_agent(llm: ChatPointsman, fleet: ModelFleet) -> None:
    agent = create_agent(bare(fleet, "third"), [weather], middleware=[PointsmanMiddleware(llm)])
    fleet["first"].fail("server_error_503")
    for state in (agent.invoke(ASKED), await agent.ainvoke(ASKED)):
        names = [m.response_metadata["model_name"] for m in state["messages"] if isinstance(m, AIMessage)]
        assert names == ["second", "second"]
    assert fleet["third"].calls == 0


def test_the_middleware_sees_the_tools_of_a_call(router_with: Callable[..., Router], fleet: ModelFleet) -> None:
    router = router_with(first={"capabilities": ["generation.text.chat"]})
    create_agent(bare(fleet, "third"), [weather], middleware=[PointsmanMiddleware(router=router)]).invoke(ASKED)
    assert (fleet["first"].calls, fleet["second"].calls) == (0, 2)
    create_agent(bare(fleet, "third"), middleware=[PointsmanMiddleware(router=router)]).invoke(ASKED)
    assert fleet["first"].calls == 1


@pytest.mark.parametrize("outer", ["router", "fallback"])
async def test_the_middleware_works_on_either_side_of_a_fallback(outer: str, router: Router, fleet: ModelFleet) -> None:
    last_resort = GenericFakeChatModel(messages=iter([AIMessage("last resort")] * 4))
    for server in fleet.values():
        server.fail("unauthorized")
    middleware: list[Any] = [PointsmanMiddleware(router=router), ModelFallbackMiddleware(last_resort)]
    if outer == "fallback":
        middleware.reverse()
    agent = create_agent(bare(fleet, "third"), middleware=middleware)
    assert last_text(agent.invoke(ASKED)) == "last resort"
    fleet.heal()
    assert last_text(await agent.ainvoke(ASKED)) != "last resort"


def test_requirements_of_the_middleware_may_depend_on_the_call(router: Router, fleet: ModelFleet) -> None:
    def wanted(request: Any) -> dict[str, Any]:
        return {"exclude": {"first"}} if len(request.messages) > 1 else {}

    agent = create_agent(
        bare(fleet, "third"), [weather], middleware=[PointsmanMiddleware(router=router, requirements=wanted)]
    )
    names = [m.response_metadata["model_name"] for m in agent.invoke(ASKED)["messages"] if isinstance(m, AIMessage)]
    assert names == ["first", "second"]
    with pytest.raises(ConfigError):
        PointsmanMiddleware(ChatPointsman(router=router), timeout=1)


def test_when_nobody_can_answer_the_agent_fails_with_the_causes(llm: ChatPointsman, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("unauthorized")
    agent = create_agent(bare(fleet, "third"), middleware=[PointsmanMiddleware(llm)])
    with pytest.raises(AllModelsFailedError):
        agent.invoke(ASKED)


# -- a long run


def break_something(fleet: ModelFleet, turn: int) -> None:
    match turn:
        case 4:
            fleet["first"].kill()
        case 9:
            fleet["second"].fail(Fault.hang())
        case 13:
            fleet["first"].revive()
            fleet["second"].heal()
            fleet["first"].fail("rate_limited_retry_after_0")
        case 20:
            fleet["second"].fail("server_error_503", times=3)


async def run_of_50_steps(router: Router, fleet: ModelFleet, *, disturb: bool) -> list[str]:
    agent = create_agent(ChatPointsman(router=router, timeout=0.5), [weather])
    messages: list[Any] = []
    for turn in range(25):
        if disturb:
            break_something(fleet, turn)
        messages.append(HumanMessage(f"How is the weather in city number {turn}?"))
        state = await agent.ainvoke({"messages": messages})
        messages = state["messages"]
    return [f"{type(m).__name__}: {m.text.replace(str(m.response_metadata.get('model_name')), 'it')}" for m in messages]


async def test_an_agent_of_50_steps_ends_with_the_same_answers_whatever_breaks(
    router_with: Callable[..., Router], fleet: ModelFleet
) -> None:
    undisturbed = await run_of_50_steps(router_with(), fleet, disturb=False)
    calls = fleet.calls
    assert calls == 50
    assert await run_of_50_steps(router_with(), fleet, disturb=True) == undisturbed
    assert fleet["second"].calls + fleet["third"].calls > 20
