"""ChatPointsman as a chat model: tools, structured output, children, requirements, names in traces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from pointsman import (
    AllModelsFailedError,
    ConfigError,
    InvalidRequestError,
    ModelNotFoundError,
    ModelRegistry,
    ModelSpec,
    NoEligibleModelsError,
    Router,
)
from pointsman.errors import MissingCredentialError, MissingDependencyError
from pointsman.langchain import ChatPointsman
from pointsman.langchain.children import Children
from pointsman.testing import ModelFleet

IMAGE = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
PDF = {"type": "file", "base64": "JVBERi0=", "mime_type": "application/pdf"}


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@tool
def weather(city: str) -> str:
    """How the weather is."""
    return f"fine in {city}"


def child_of(fleet: ModelFleet, name: str, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=fleet[name].url, api_key=SecretStr("none"), max_retries=0, **options)


def test_the_door_needs_langchain_core_and_nothing_more() -> None:
    code = (
        "import sys, pointsman.langchain\n"
        "heavy = {'langchain', 'langchain_openai', 'langchain_litellm', 'litellm', 'openai', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- where chat models come from


def test_models_of_a_configuration_file_are_built_when_they_are_first_used(fleet: ModelFleet, tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(yaml.safe_dump({"policy": "cheapest", "models": fleet.catalogue()}))
    llm = ChatPointsman.from_config(path, temperature=0.5)
    assert isinstance(llm.models, Children)
    assert llm.models.known == []
    assert llm.invoke("hello").text.startswith("This is first.")
    assert len(llm.models.known) == 1
    assert fleet["first"].requests[-1].body is not None
    assert fleet["first"].requests[-1].body["temperature"] == 0.5


def test_given_models_need_no_router(fleet: ModelFleet) -> None:
    llm = ChatPointsman(models={"first": child_of(fleet, "first"), "second": child_of(fleet, "second")})
    assert {spec.key for spec in llm.router.registry} == {"openai:first", "openai:second"}
    fleet["first"].fail("server_error_503")
    assert {llm.invoke("hello").response_metadata["model_name"] for _ in range(5)} == {"second"}


def test_only_given_models_are_routed_to(router: Router, fleet: ModelFleet) -> None:
    llm = ChatPointsman(
        router=router, models={"third": child_of(fleet, "third"), "openai:second": child_of(fleet, "second")}
    )
    assert llm.invoke("hello").response_metadata["model_name"] == "second"
    assert list(llm.models) == ["openai:third", "openai:second"]
    with pytest.raises(ModelNotFoundError):
        ChatPointsman(router=router, models={"unheard-of": child_of(fleet, "third")})
    with pytest.raises(ConfigError):
        ChatPointsman()


def test_a_package_or_a_key_that_is_missing_is_named_before_any_call(
    fleet: ModelFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    monkeypatch.setitem(sys.modules, "langchain_litellm", None)
    keyless = ModelSpec(name="keyless", provider="openai", api_key="env:ABSENT_KEY", context_window=9_000)
    foreign = ModelSpec(name="claude", provider="anthropic", context_window=9_000)
    for spec, expected, named in (
        (keyless, MissingCredentialError, "ABSENT_KEY"),
        (foreign, MissingDependencyError, "langchain-anthropic"),
    ):
        with pytest.raises(expected, match=named):
            ChatPointsman(router=Router(ModelRegistry([spec]))).invoke("hello")
    others = [ModelSpec(**entry) for entry in fleet.catalogue()]
    llm = ChatPointsman(
        router=Router(ModelRegistry([foreign, keyless, *others]), "cheapest"), requirements={"prefer": ["keyless"]}
    )
    assert llm.invoke("hello").response_metadata["model_name"] == "first"


# -- tools and structured output


@pytest.mark.parametrize("fault", [None, "server_error_503"])
async def test_tools_are_called_through_bind_tools(fault: str | None, llm: ChatPointsman, fleet: ModelFleet) -> None:
    if fault:
        fleet["first"].fail(fault)
    bound = llm.bind_tools([weather], tool_choice="weather")
    for message in (bound.invoke("How is it?"), await bound.ainvoke("How is it?")):
        assert [call["name"] for call in message.tool_calls] == ["weather"]
    parts = list(bound.stream("How is it?"))
    whole = parts[0]
    assert isinstance(whole, AIMessageChunk)
    for part in parts[1:]:
        assert isinstance(part, AIMessageChunk)
        whole = whole + part
    assert [call["name"] for call in whole.tool_calls] == ["weather"]


def test_tools_are_bound_by_the_child_that_answers_in_its_own_way(fleet: ModelFleet) -> None:
    class Shouting(ChatOpenAI):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return super().bind_tools(tools, **{**kwargs, "parallel_tool_calls": False})

    child = Shouting(model="first", base_url=fleet["first"].url, api_key=SecretStr("none"), max_retries=0)
    llm = ChatPointsman(models={"first": child})
    llm.bind_tools([weather], tool_choice="any").invoke("How is it?")
    body = fleet["first"].requests[-1].body
    assert body is not None
    assert body["parallel_tool_calls"] is False
    assert body["tool_choice"] == "required"  # as ChatOpenAI says it
    llm.bind_tools([]).invoke("hello")
    body = fleet["first"].requests[-1].body
    assert body is not None
    assert body["parallel_tool_calls"] is False


def test_a_later_argument_wins_over_what_was_bound_with_the_tools(llm: ChatPointsman, fleet: ModelFleet) -> None:
    llm.bind_tools([weather], tool_choice="any").bind(tool_choice="none").invoke("How is it?")
    body = fleet["first"].requests[-1].body
    assert body is not None
    assert body["tool_choice"] == "none"


def test_a_model_without_tools_never_gets_one(router_with: Callable[..., Router], fleet: ModelFleet) -> None:
    llm = ChatPointsman(router=router_with(first={"capabilities": ["generation.text.chat"]}))
    llm.bind_tools([weather]).invoke("How is it?")
    assert fleet["first"].calls == 0
    llm.with_structured_output(Person, method="function_calling").invoke("Who?")
    llm.with_structured_output(Person, method="json_schema").invoke("Who?")
    assert fleet["first"].calls == 0
    assert llm.invoke("hello").response_metadata["model_name"] == "first"


@pytest.mark.parametrize(
    "content", [IMAGE, PDF, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]
)
def test_a_model_that_cannot_see_is_never_shown_anything(
    content: dict[str, Any], router_with: Callable[..., Router], fleet: ModelFleet
) -> None:
    seeing = {"capabilities": ["generation.text.chat", "vision", "pdf"]}
    llm = ChatPointsman(router=router_with(second=seeing))
    prompt = [HumanMessage([{"type": "text", "text": "What is this?"}, content])]
    assert llm.invoke(prompt).response_metadata["model_name"] == "second"
    fleet["second"].fail("unauthorized")
    with pytest.raises(AllModelsFailedError):
        llm.invoke(prompt)
    assert (fleet["first"].calls, fleet["third"].calls) == (0, 0)


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("fault", [None, "server_error_503"])
async def test_structured_output_is_read_whoever_answers(
    method: str, fault: str | None, llm: ChatPointsman, fleet: ModelFleet
) -> None:
    if fault:
        fleet["first"].fail(fault)
    structured = llm.with_structured_output(Person, method=method)
    assert isinstance(structured.invoke("Who?"), Person)
    assert isinstance(await structured.ainvoke("Who?"), Person)
    assert isinstance(list(structured.stream("Who?"))[-1], Person)
    assert isinstance([part async for part in structured.astream("Who?")][-1], Person)
    raw = llm.with_structured_output(Person, method=method, include_raw=True).invoke("Who?")
    assert isinstance(raw["parsed"], Person)
    assert raw["raw"].response_metadata["pointsman"]["model"] == ("openai:second" if fault else "openai:first")


def test_structured_output_takes_what_the_child_takes(llm: ChatPointsman, fleet: ModelFleet) -> None:
    llm.with_structured_output(Person, method="json_schema", strict=True).invoke("Who?")
    body = fleet["first"].requests[-1].body
    assert body is not None
    assert body["response_format"]["json_schema"]["strict"] is True
    with pytest.raises(ValueError, match="strict"):
        llm.with_structured_output(Person, method="json_mode", strict=True)


@pytest.mark.parametrize("include_raw", [False, True])
def test_an_answer_that_cannot_be_read_counts_as_quality_0(include_raw: bool, router: Router) -> None:
    class Unlikely(BaseModel):
        """The server answers JSON mode with an object of its own."""

        something_else: int

    structured = ChatPointsman(router=router).with_structured_output(
        Unlikely, method="json_mode", include_raw=include_raw
    )
    if include_raw:
        answer = structured.invoke("Reply in JSON.")
        assert answer["parsing_error"] is not None
    else:
        with pytest.raises(Exception, match="something_else"):
            structured.invoke("Reply in JSON.")
    assert [(row["score"], row["source"]) for _, row in router.ledger.rows("ledger.feedback")] == [(0.0, "parser")]


# -- what every call is asked for


def test_requirements_add_up_and_limits_tighten(llm: ChatPointsman) -> None:
    strict = llm.require(needs={"tools"}, max_cost=1.0).require(needs=["json"], max_cost=2.0, exclude="first")
    assert strict.requirements == {"needs": {"tools", "json"}, "max_cost": 1.0, "exclude": {"first"}}
    assert llm.requirements == {}
    assert strict.invoke("hello").response_metadata["model_name"] == "second"
    assert strict.models is llm.models


def test_requirements_that_cannot_be_are_refused_before_any_call(llm: ChatPointsman, fleet: ModelFleet) -> None:
    with pytest.raises(InvalidRequestError, match="max_costs") as caught:
        llm.require(max_costs=1)
    assert "max_cost" in str(caught.value)
    with pytest.raises(InvalidRequestError):
        llm.require(max_cost=-1)
    with pytest.raises(NoEligibleModelsError):
        llm.require(needs={"vision"}).invoke("hello")
    with pytest.raises(NoEligibleModelsError):
        llm.require(exclude={"first"}, model="first").invoke("hello")
    assert fleet.calls == 0


def test_a_call_may_name_its_model_and_its_requirements(llm: ChatPointsman, fleet: ModelFleet) -> None:
    assert llm.invoke("hello", model="third").response_metadata["model_name"] == "third"
    with pytest.raises(ModelNotFoundError):
        llm.invoke("hello", model="thrid")
    configurable = llm.configurable_fields(requirements=ConfigurableField(id="requirements"))
    config = {"configurable": {"requirements": {"exclude": {"first"}}}}
    assert configurable.invoke("hello", config).response_metadata["model_name"] == "second"  # type: ignore[arg-type]


def test_max_tokens_is_checked_and_a_small_model_passed_over(
    router_with: Callable[..., Router], fleet: ModelFleet
) -> None:
    llm = ChatPointsman(router=router_with(), max_tokens=50)
    llm.invoke("hello", stop=["xyz"])
    body = fleet["first"].requests[-1].body
    assert body is not None
    assert (body["max_completion_tokens"], body["stop"]) == (50, ["xyz"])
    assert llm.invoke("hello", max_tokens=6_000).response_metadata["model_name"] == "second"


# -- names, usage, caches, counting


def test_traces_name_the_model_that_was_chosen_in_one_run(llm: ChatPointsman) -> None:
    collected = RunCollectorCallbackHandler()
    usage = UsageMetadataCallbackHandler()
    llm.invoke("hello", {"callbacks": [collected, usage]})
    list(llm.stream("hello", {"callbacks": [collected, usage]}))
    assert [run.run_type for run in collected.traced_runs] == ["llm", "llm"]
    for run in collected.traced_runs:
        assert run.extra["metadata"]["ls_model_name"] == "first"
        assert run.extra["metadata"]["ls_provider"] == "openai"
        assert run.extra["invocation_params"]["model"] == "first"
        assert not run.child_runs
    assert set(usage.usage_metadata) == {"first"}


async def test_usage_is_counted_once_for_the_model_that_answered(llm: ChatPointsman, fleet: ModelFleet) -> None:
    fleet["first"].fail("server_error_503")
    usage = UsageMetadataCallbackHandler()
    answer = await llm.ainvoke("hello", {"callbacks": [usage]})
    assert usage.usage_metadata == {"second": answer.usage_metadata}


async def test_events_carry_each_token_once(llm: ChatPointsman) -> None:
    events = [event async for event in llm.astream_events("hello", version="v2")]
    text = "".join(event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream")
    assert text == "This is first. You wrote 1 words: hello"
    assert len([event for event in events if event["event"] == "on_chat_model_start"]) == 1


def test_a_child_answers_from_its_own_cache_and_that_teaches_nothing(fleet: ModelFleet) -> None:
    child = child_of(fleet, "first", cache=InMemoryCache())
    llm = ChatPointsman(models={"first": child})
    first, second = llm.invoke("hello"), llm.invoke("hello")
    assert fleet["first"].calls == 1
    records = [message.response_metadata["pointsman"] for message in (first, second)]
    assert records[0]["decision_id"] != records[1]["decision_id"]
    outcomes = [row for _, row in llm.router.ledger.rows("ledger.attempts")]
    assert [row["cached"] for row in outcomes] == [False, True]


def test_the_rate_limiter_of_a_child_holds_for_streams_too(fleet: ModelFleet) -> None:
    class Counting(InMemoryRateLimiter):
        acquired = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            self.acquired += 1
            return super().acquire(blocking=blocking)

    limiter = Counting(requests_per_second=1000, max_bucket_size=10, check_every_n_seconds=0.001)
    llm = ChatPointsman(models={"first": child_of(fleet, "first", rate_limiter=limiter)})
    llm.invoke("hello")
    list(llm.stream("hello"))
    assert limiter.acquired == 2


@pytest.mark.parametrize(
    "child", [FakeListChatModel(responses=["one two"]), GenericFakeChatModel(messages=iter([AIMessage("one two")] * 4))]
)
async def test_any_chat_model_can_be_a_child(child: BaseChatModel) -> None:
    llm = ChatPointsman(models={"fake": child}, timeout=20)
    assert llm.invoke("hello").text == "one two"
    assert "".join(part.text for part in llm.stream("hello")) == "one two"
    assert "".join([part.text async for part in llm.astream("hello")]) == "one two"
    assert (await llm.ainvoke("hello")).response_metadata["model_name"] == "fake"


def test_a_child_that_does_not_stream_is_heard_in_one_piece(llm: ChatPointsman, fleet: ModelFleet) -> None:
    child = child_of(fleet, "first", disable_streaming=True)
    mute = ChatPointsman(models={"first": child})
    parts = list(mute.bind_tools([weather], tool_choice="weather").stream("How is it?"))
    assert [call["name"] for part in parts for call in part.tool_calls] == ["weather"]
    assert parts[-1].response_metadata["pointsman"]["attempts"] == 1


def test_it_says_what_its_models_can_do_together(router_with: Callable[..., Router]) -> None:
    llm = ChatPointsman(router=router_with(second={"capabilities": ["generation.text.chat", "vision", "tools"]}))
    assert llm.profile is not None
    assert llm.profile["max_input_tokens"] == 200_000
    assert (llm.profile["image_inputs"], llm.profile["tool_calling"], llm.profile["pdf_inputs"]) == (True, True, False)


def test_structured_output_is_promised_only_if_every_model_that_speaks_json_keeps_to_schemas(
    router_with: Callable[..., Router],
) -> None:
    loose, strict = ["generation.text.chat", "json"], ["generation.text.chat", "json.schema"]
    names = ("first", "second", "third")
    for given, promised in (([loose, strict, strict], False), ([strict] * 3, True)):
        router = router_with(**{name: {"capabilities": each} for name, each in zip(names, given, strict=True)})
        profile = ChatPointsman(router=router).profile
        assert profile is not None
        assert profile["structured_output"] is promised


def test_tokens_are_counted_without_a_download(llm: ChatPointsman) -> None:
    assert llm.get_num_tokens("hello " * 100) >= 100
    bare = llm.get_num_tokens_from_messages([HumanMessage("hello")])
    assert llm.get_num_tokens_from_messages([HumanMessage("hello")], tools=[weather]) > bare


def test_several_prompts_are_routed_one_by_one(llm: ChatPointsman, fleet: ModelFleet) -> None:
    result = llm.generate([[HumanMessage("hello")], [HumanMessage("word " * 60_000)]])
    names = [each[0].message.response_metadata["model_name"] for each in result.generations]  # type: ignore[union-attr]
    assert names == ["first", "second"]
    assert result.run is not None
    assert len({info.run_id for info in result.run}) == 2
