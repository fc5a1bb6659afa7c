"""Whole chains per model, with the same failover; and decisions without a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langchain_openai import ChatOpenAI
from langgraph.errors import GraphBubbleUp
from pydantic import SecretStr

from pointsman import (
    AllModelsFailedError,
    ConfigError,
    ModelNotFoundError,
    NoEligibleModelsError,
    Router,
    StreamInterruptedError,
)
from pointsman.langchain import ChatPointsman, RouteRunnable, RunnableRouter
from pointsman.testing import Fault, ModelFleet

PROMPT = ChatPromptTemplate.from_messages([("user", "{question}")])
ASKED = {"question": "hello"}


def chain_of(fleet: ModelFleet, name: str) -> Runnable[Any, str]:
    child = ChatOpenAI(model=name, base_url=fleet[name].url, api_key=SecretStr("none"), max_retries=0)
    return PROMPT | child | StrOutputParser()


@pytest.fixture
def routed(router: Router, fleet: ModelFleet) -> RunnableRouter:
    return RunnableRouter(router, {name: chain_of(fleet, name) for name in fleet})


@pytest.mark.parametrize("kill", [False, True])
async def test_chains_are_routed_in_every_way_and_taken_over(
    kill: bool, routed: RunnableRouter, fleet: ModelFleet
) -> None:
    if kill:
        fleet["first"].kill()
    expected = f"This is {'second' if kill else 'first'}. You wrote 1 words: hello"
    assert await asyncio.to_thread(routed.invoke, ASKED) == expected
    assert await routed.ainvoke(ASKED) == expected
    assert "".join(await asyncio.to_thread(lambda: list(routed.stream(ASKED)))) == expected
    assert "".join([part async for part in routed.astream(ASKED)]) == expected
    assert await asyncio.to_thread(routed.batch, [ASKED, ASKED]) == [expected, expected]
    assert await (routed | RunnableLambda(str.upper)).abatch([ASKED]) == [expected.upper()]


async def test_a_stream_of_a_chain_is_taken_over_before_content_only(routed: RunnableRouter, fleet: ModelFleet) -> None:
    fleet["first"].fail("reset_after_first_chunk")
    assert "".join([part async for part in routed.astream(ASKED)]).startswith("This is second.")
    fleet["first"].fail("reset_after_3_chunks")
    second = fleet["second"].calls
    with pytest.raises(StreamInterruptedError):
        list(routed.require(exclude={"third"}, prefer={"first"}).stream(ASKED))
    assert fleet["second"].calls == second


async def test_a_chain_that_hangs_is_left_behind(router: Router, fleet: ModelFleet) -> None:
    fleet["first"].fail(Fault.hang())
    routed = RunnableRouter(router, {name: chain_of(fleet, name) for name in fleet}, timeout=0.3)
    assert (await routed.ainvoke(ASKED)).startswith("This is second.")
    router = Router(router.registry, "cheapest")
    routed = RunnableRouter(router, {name: chain_of(fleet, name) for name in fleet}, timeout=0.3)
    assert routed.invoke(ASKED).startswith("This is second.")
    fleet.heal()


def test_only_models_with_a_runnable_are_routed_to(router: Router, fleet: ModelFleet) -> None:
    routed = RunnableRouter(router, {"third": chain_of(fleet, "third"), "second": chain_of(fleet, "second")})
    assert routed.invoke(ASKED).startswith("This is second.")
    with pytest.raises(ModelNotFoundError):
        RunnableRouter(router, {"unheard-of": chain_of(fleet, "third")})
    with pytest.raises(ConfigError):
        RunnableRouter(router, {})


def test_a_long_document_anywhere_in_the_input_counts(routed: RunnableRouter, fleet: ModelFleet) -> None:
    routed.invoke({"question": "word " * 60_000})
    routed.invoke({"question": "hello", "messages": [HumanMessage("word " * 60_000)]})
    assert fleet["first"].calls == 0


def test_messages_carry_the_record_and_runs_the_decision(router: Router, fleet: ModelFleet) -> None:
    children: dict[str, Runnable[Any, Any]] = {
        name: ChatOpenAI(model=name, base_url=fleet[name].url, api_key=SecretStr("none"), max_retries=0)
        for name in fleet
    }
    routed = RunnableRouter(router, children)
    fleet["first"].fail("unauthorized")
    collected = RunCollectorCallbackHandler()
    message = routed.invoke("hello", {"callbacks": [collected]})
    assert isinstance(message, AIMessage)
    record = message.response_metadata["pointsman"]
    assert (record["model"], record["attempts"]) == ("openai:second", 2)
    runs = collected.traced_runs[0].child_runs
    assert [run.extra["metadata"]["pointsman_model"] for run in runs] == ["openai:first", "openai:second"]
    assert {run.extra["metadata"]["pointsman_decision"] for run in runs} == {record["decision_id"]}
    parts = list(routed.stream("hello"))
    assert len([part for part in parts if "pointsman" in part.response_metadata]) == 1


def test_a_chat_model_can_show_every_attempt_as_a_run_of_its_own(llm: ChatPointsman, fleet: ModelFleet) -> None:
    fleet["first"].fail("unauthorized")
    collected = RunCollectorCallbackHandler()
    cool = llm.require(needs={"generation.text"}).model_copy(update={"temperature": 0.1})
    message = cool.with_attempt_runs().invoke("hello", {"callbacks": [collected]})
    assert message.response_metadata["pointsman"]["attempts"] == 2
    runs = collected.traced_runs[0].child_runs
    assert [(run.run_type, run.error is None) for run in runs] == [("llm", False), ("llm", True)]
    body = fleet["second"].requests[-1].body
    assert body is not None
    assert body["temperature"] == 0.1


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_graph_that_is_interrupted_is_not_failed_over(way: str, router: Router) -> None:
    def interrupt(_: Any) -> Any:
        raise GraphBubbleUp

    def interrupt_stream(_: Iterator[Any]) -> Iterator[Any]:
        raise GraphBubbleUp
        yield

    async def ainterrupt_stream(_: AsyncIterator[Any]) -> AsyncIterator[Any]:
        raise GraphBubbleUp
        yield

    one: Runnable[Any, Any] = (
        RunnableGenerator(interrupt_stream, ainterrupt_stream) if "stream" in way else RunnableLambda(interrupt)
    )
    called: list[Any] = []
    routed = RunnableRouter(router, {"first": one, "second": RunnableLambda(called.append)})

    async def call() -> Any:
        match way:
            case "invoke":
                return routed.invoke("x")
            case "ainvoke":
                return await routed.ainvoke("x")
            case "stream":
                return list(routed.stream("x"))
        return await anext(routed.astream("x"))

    with pytest.raises(GraphBubbleUp):
        await call()
    assert called == []
    assert router.health("first").state == "unknown"


def test_a_bug_in_a_chain_is_not_hidden(router: Router) -> None:
    def broken(_: Any) -> Any:
        raise ZeroDivisionError("no")

    routed = RunnableRouter(router, {"first": RunnableLambda(broken), "second": RunnableLambda(broken)})
    with pytest.raises(AllModelsFailedError) as caught:
        routed.invoke("x")
    assert all(isinstance(cause, ZeroDivisionError) for cause in caught.value.exceptions)


def test_who_would_serve_can_be_asked_without_a_call(router: Router, fleet: ModelFleet) -> None:
    route = PROMPT | RouteRunnable(router)
    assert route.invoke(ASKED).model == "openai:first"
    assert route.invoke({"question": "word " * 60_000}).model == "openai:second"
    assert RouteRunnable(router).invoke("hello", exclude={"first"}).model == "openai:second"
    with pytest.raises(NoEligibleModelsError):
        RouteRunnable(router, requirements={"needs": {"vision"}}).invoke("hello")
    assert fleet.calls == 0
