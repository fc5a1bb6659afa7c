"""A chain with ChatPointsman in it keeps answering, whatever becomes of its first model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from pointsman import (
    AllModelsFailedError,
    ModelRegistry,
    ModelSpec,
    PromptTooLongError,
    Router,
    StreamInterruptedError,
)
from pointsman.langchain import ChatPointsman
from pointsman.testing import Fault, ModelFleet, ModelProcess, ServedModel

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
ASKED = {"question": "hello"}


@pytest.fixture(scope="module")
def mortal() -> Iterator[ModelProcess]:
    with ModelProcess([ServedModel("mortal", 0.01, 0.01)], seed=7, life_limit=300) as process:
        yield process


async def ask(chain: Runnable[Any, str], way: str) -> str:
    match way:
        case "invoke":
            return await asyncio.to_thread(chain.invoke, ASKED)
        case "ainvoke":
            return await chain.ainvoke(ASKED)
        case "stream":
            return "".join(await asyncio.to_thread(lambda: list(chain.stream(ASKED))))
        case "astream":
            return "".join([part async for part in chain.astream(ASKED)])
        case "batch":
            answers = await asyncio.to_thread(chain.batch, [ASKED, ASKED])
        case _:
            answers = await chain.abatch([ASKED, ASKED])
    assert answers[0] == answers[1]
    return answers[0]


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"])
async def test_a_chain_keeps_answering_when_the_process_of_its_first_model_is_killed(
    way: str, mortal: ModelProcess, fleet: ModelFleet
) -> None:
    mortal.start()
    first = ModelSpec(
        name="mortal",
        provider="openai",
        api_base=mortal.url,
        context_window=16_000,
        capabilities=["generation.text.chat"],
        cost_per_1m_input_tokens=0.01,
        cost_per_1m_output_tokens=0.01,
    )
    others = [ModelSpec(**entry) for entry in fleet.catalogue()]
    chain = PROMPT | ChatPointsman(router=Router(ModelRegistry([first, *others]), "cheapest")) | StrOutputParser()
    assert "This is mortal." in await ask(chain, way)
    mortal.kill()
    assert "This is first." in await ask(chain, way)


@pytest.mark.parametrize("way", ["invoke", "astream"])
async def test_a_prompt_of_60000_tokens_is_never_sent_to_a_model_of_16k(
    way: str, llm: ChatPointsman, fleet: ModelFleet
) -> None:
    fleet["second"].fail("server_error_503")  # so that a fallback is needed too
    prompt = "word " * 60_000
    answer = llm.invoke(prompt) if way == "invoke" else await anext(llm.astream(prompt))
    assert isinstance(answer, AIMessage)
    assert fleet["first"].calls == 0
    assert fleet["second"].calls >= 1
    assert fleet["third"].requests[-1].prompt_tokens > 16_000


def test_a_prompt_larger_than_every_window_is_refused_before_any_call(llm: ChatPointsman, fleet: ModelFleet) -> None:
    with pytest.raises(PromptTooLongError):
        llm.invoke("word " * 300_000)
    assert fleet.calls == 0


BEFORE_CONTENT = [
    "server_error_503",
    "rate_limited",
    "unauthorized",
    "model_not_found",
    "reset_before_first_byte",
    "reset_after_first_chunk",
    "clean_eof_after_1_chunks",
    "empty_answer",
]


@pytest.mark.parametrize("fault", BEFORE_CONTENT)
async def test_a_stream_that_fails_before_its_first_content_is_taken_over_unseen(
    fault: str, llm: ChatPointsman, fleet: ModelFleet
) -> None:
    fleet["first"].fail(fault)
    parts = [part async for part in llm.astream("hello")]
    assert joined(parts).text == "This is second. You wrote 1 words: hello"
    assert joined(list(llm.stream("hello"))).text == "This is second. You wrote 1 words: hello"


async def test_a_stream_that_breaks_after_its_first_content_says_so_and_repeats_nothing(
    llm: ChatPointsman, fleet: ModelFleet
) -> None:
    fleet["first"].fail("reset_after_3_chunks")
    parts: list[AIMessageChunk] = []
    with pytest.raises(StreamInterruptedError) as caught:
        await acollect(llm.astream("hello"), parts)
    assert joined(parts).text == "This is"
    assert caught.value.partial == "partial_text"
    parts = []
    with pytest.raises(StreamInterruptedError):
        parts.extend(llm.stream("hello"))
    assert joined(parts).text == "This is"
    assert fleet["second"].calls == 0


def test_a_stream_that_ends_without_saying_why_is_broken_not_complete(llm: ChatPointsman, fleet: ModelFleet) -> None:
    fleet["first"].fail("clean_eof_after_3_chunks")
    with pytest.raises(StreamInterruptedError):
        list(llm.stream("hello"))


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_model_that_hangs_is_given_up_at_the_timeout(
    streaming: bool, router: Router, fleet: ModelFleet
) -> None:
    llm = ChatPointsman(router=router, timeout=0.2)
    fleet["first"].fail(Fault.hang())
    if streaming:
        assert joined(list(llm.stream("hello"))).text.startswith("This is second.")
        assert joined([part async for part in llm.astream("hello")]).text.startswith("This is second.")
    else:
        assert llm.invoke("hello").text.startswith("This is second.")
        assert (await llm.ainvoke("hello")).text.startswith("This is second.")


def test_when_every_model_fails_the_error_carries_each_cause(router: Router, fleet: ModelFleet) -> None:
    for server in fleet.values():
        server.fail("unauthorized")
    with pytest.raises(AllModelsFailedError) as caught:
        ChatPointsman(router=router).invoke("hello")
    assert caught.value.models == ("openai:first", "openai:second", "openai:third")


def test_a_request_that_is_bad_is_not_sent_to_every_model(llm: ChatPointsman, fleet: ModelFleet) -> None:
    fleet["first"].fail("bad_request")
    with pytest.raises(Exception, match="Invalid value for a parameter") as caught:
        llm.invoke("hello")
    assert type(caught.value).__module__.startswith(("openai", "langchain_openai"))
    assert fleet["second"].calls == 0


async def test_a_cancelled_call_is_cancelled_and_teaches_nothing(router: Router, fleet: ModelFleet) -> None:
    fleet["first"].fail(Fault.hang())
    task = asyncio.create_task(ChatPointsman(router=router).ainvoke("hello"))
    assert await asyncio.to_thread(fleet["first"].wait_until, lambda server: server.in_flight == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fleet["second"].calls == 0
    assert router.health("first").state == "unknown"


def test_the_record_says_who_answered_after_how_many_attempts(
    llm: ChatPointsman, fleet: ModelFleet, router_with: Callable[..., Router]
) -> None:
    fleet["first"].fail("server_error_503")
    message = llm.invoke([HumanMessage("hello")])
    record = message.response_metadata["pointsman"]
    assert (record["model"], record["attempts"]) == ("openai:second", 2)
    assert message.response_metadata["model_name"] == "second"
    usage = message.usage_metadata
    assert usage is not None
    assert record["cost"] == pytest.approx((usage["input_tokens"] * 1.0 + usage["output_tokens"] * 2.0) / 1e6)
    llm.router.feedback(record["decision_id"], 0.9)


@pytest.mark.parametrize("fault", [None, "server_error_503"])
async def test_the_record_stands_on_exactly_one_chunk(fault: str | None, llm: ChatPointsman, fleet: ModelFleet) -> None:
    if fault:
        fleet["first"].fail(fault)
    for parts in (list(llm.stream("hello")), [part async for part in llm.astream("hello")]):
        assert len([part for part in parts if "pointsman" in part.response_metadata]) == 1
        whole = joined(parts)
        assert whole.response_metadata["pointsman"]["cost"] > 0
        assert whole.usage_metadata is not None
        assert whole.usage_metadata["output_tokens"] < 20
        assert whole.response_metadata["model_name"] == ("second" if fault else "first")


async def acollect(stream: AsyncIterator[AIMessageChunk], parts: list[AIMessageChunk]) -> None:
    async for part in stream:
        parts.append(part)  # noqa: PERF401  what has come must be there when it breaks


def joined(parts: list[AIMessageChunk]) -> AIMessageChunk:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole
