"""Models that are code work like any other, through every door."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from samples import StatusError, make_spec

from pointsman import (
    AllModelsFailedError,
    InvalidModelError,
    ModelRegistry,
    ModelSpec,
    NoEligibleModelsError,
    Request,
    Router,
)
from pointsman.failover.calls import CallSettings
from pointsman.langchain import ChatPointsman


class Sync:
    def generate(self, prompt: str, temperature: float | None = None) -> str:
        return f"{prompt} at {temperature}"

    def stream(self, prompt: str) -> Iterator[str]:
        yield from prompt


class Async:
    async def generate_response(self, prompt: str, **parameters: Any) -> str:
        await asyncio.sleep(0)
        return f"{prompt} at {parameters.get('temperature')}"

    async def stream(self, prompt: str, **_: Any) -> AsyncIterator[str]:
        for letter in prompt:
            yield letter


def function(prompt: str, temperature: float | None = None) -> str:
    return f"{prompt} at {temperature}"


async def async_function(prompt: str, temperature: float | None = None) -> str:
    return f"{prompt} at {temperature}"


class Openai:
    """Answers in OpenAI's form, from messages, and calls a tool when it has one."""

    def generate(self, messages: list[dict[str, Any]], tools: Any = None) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": f"{len(messages)} messages"}
        reason = "stop"
        if tools:
            name = tools[0]["function"]["name"]
            call = {"id": "1", "type": "function", "function": {"name": name, "arguments": '{"city": "Rome"}'}}
            message, reason = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}


FORMS = [Sync(), Sync, Async(), Async, function, async_function]


def router_of(code: Any, **options: Any) -> Router:
    registry = ModelRegistry()
    registry.register_model(
        ModelSpec(name="own", provider="custom", capabilities=["generation.text.chat", "tools"]), implementation=code
    )
    return Router(registry, "weighted", seed=1, **options)


@contextmanager
def failing_with(kind: str) -> Iterator[None]:
    with pytest.raises(AllModelsFailedError) as caught:
        yield
    assert [type(cause).__name__ for cause in caught.value.exceptions] == [kind]


HI = Request(messages="hi", parameters={"temperature": 0.5})


@pytest.mark.parametrize("form", FORMS, ids=lambda form: getattr(form, "__name__", f"{type(form).__name__} object"))
async def test_every_form_answers_sync_and_async_and_streams(form: Any) -> None:
    router = router_of(form)
    for asked in (router.ask(HI), await router.aask(HI), await asyncio.to_thread(router.ask, HI, timeout=30)):
        assert asked == "hi at 0.5"
    for text in ("".join(router.ask_stream(HI)), "".join([each async for each in router.aask_stream(HI)])):
        assert text == ("hi" if hasattr(form, "stream") else "hi at 0.5")
    response = router.run(HI)
    assert response.choices[0].message.content == response["choices"][0]["message"]["content"] == "hi at 0.5"
    assert (await router.arun(HI)).model == "custom:own"
    assert router.health("own").success_rate == 1.0


@pytest.mark.parametrize("form", FORMS, ids=lambda form: getattr(form, "__name__", f"{type(form).__name__} object"))
async def test_every_form_is_a_chat_model(form: Any) -> None:
    llm = ChatPointsman(router=router_of(form), temperature=0.5)
    answers = [llm.invoke("hi"), await llm.ainvoke("hi")]
    assert [answer.content for answer in answers] == ["hi at 0.5"] * 2
    assert answers[0].response_metadata["pointsman"]["model"] == "custom:own"
    streamed = "".join(str(chunk.content) for chunk in llm.stream("hi"))
    assert streamed == ("hi" if hasattr(form, "stream") else "hi at 0.5")
    assert "".join([str(chunk.content) async for chunk in llm.astream("hi")]) == streamed


def test_messages_and_openai_answers_with_tool_calls_and_tokens() -> None:
    router = router_of(Openai)
    reply = router.reply(Request(messages=[{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]))
    assert reply.value.choices[0].message.content == "2 messages"
    assert reply.record is not None
    assert reply.record.attempts[0].outcome.input_tokens == 7

    @tool
    def weather(city: str) -> str:
        """Say the weather."""
        return f"sun in {city}"

    llm = ChatPointsman(router=router)
    assert llm.invoke([SystemMessage("s"), HumanMessage("hi")]).content == "2 messages"
    answer = llm.bind_tools([weather]).invoke("hi")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("weather", {"city": "Rome"})]
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 10
    whole: Any = None
    for chunk in llm.bind_tools([weather]).stream("hi"):
        whole = chunk if whole is None else whole + chunk
    assert whole.tool_calls[0]["args"] == {"city": "Rome"}


def test_several_messages_are_one_text_for_code_that_wants_text() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]},
    ]
    assert router_of(lambda prompt: prompt).ask(messages) == "system: be brief\nuser: hi\nthere"


def test_a_model_that_fails_is_ill_and_another_one_answers() -> None:
    class Broken:
        def generate(self, prompt: str) -> str:
            raise StatusError(500)

    registry = ModelRegistry()
    registry.register_model(make_spec("broken", provider="custom", priority=1), implementation=Broken())
    registry.register_model(make_spec("well", provider="custom", priority=2), implementation=lambda prompt: prompt)
    router = Router(registry, "priority", seed=1)
    assert router.ask("hi") == "hi"
    assert router.health("broken").success_rate == 0
    assert ChatPointsman(router=router).invoke("hi").content == "hi"


@pytest.mark.parametrize("empty", ["", {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}])
def test_an_empty_answer_is_none(empty: Any) -> None:
    with failing_with("EmptyAnswerError"):
        router_of(lambda prompt: empty).ask("hi", retries=0)


async def test_code_that_hangs_is_left_behind_at_its_timeout() -> None:
    never = threading.Event()

    class Hangs:
        def generate(self, prompt: str) -> str:
            never.wait(60)
            return prompt

    class HangsAsync:
        async def generate(self, prompt: str) -> str:
            await asyncio.Event().wait()
            return prompt

    for code in (Hangs(), HangsAsync()):
        router = router_of(code, calls=CallSettings(timeout=0.05, retries=0))
        with failing_with("TimeoutError"):
            router.ask("hi")
        with failing_with("TimeoutError"):
            await router.aask("hi")
        with failing_with("TimeoutError"):
            await asyncio.to_thread(ChatPointsman(router=router).invoke, "hi")
    never.set()


async def test_a_cancelled_call_cancels_async_code() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    class Waits:
        async def generate(self, prompt: str) -> str:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return prompt

    task = asyncio.create_task(router_of(Waits()).aask("hi"))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


@pytest.mark.parametrize("well", [True, False, None])
@pytest.mark.parametrize("is_async", [True, False])
async def test_its_own_health_check_is_asked(*, well: bool | None, is_async: bool) -> None:
    class Checked:
        def generate(self, prompt: str) -> str:
            return prompt

    async def acheck(_: Any) -> bool | None:
        return well

    def check(_: Any) -> bool | None:
        return well

    Checked.health_check = acheck if is_async else check  # type: ignore[attr-defined]
    router = router_of(Checked)
    reports = await router.check_health()
    assert reports["custom:own"].healthy == (well is not False)
    reports = await router.monitor().round()
    assert reports["custom:own"].healthy == (well is not False)


async def test_code_without_a_health_check_is_not_said_to_be_well() -> None:
    report = (await router_of(function).check_health())["custom:own"]
    assert report.state == "unknown"
    assert "not probed" in " ".join(report.issues)


async def test_a_health_check_that_raises_says_what_it_raised() -> None:
    class Checked:
        def generate(self, prompt: str) -> str:
            return prompt

        def health_check(self) -> bool:
            raise ConnectionError

    report = (await router_of(Checked).check_health())["custom:own"]
    assert not report.healthy
    assert "ConnectionError" in " ".join(report.issues)


def test_a_class_is_made_when_it_is_first_used_and_once() -> None:
    made: list[int] = []

    class Heavy:
        def __init__(self) -> None:
            made.append(1)

        def generate(self, prompt: str) -> str:
            return prompt

    router = router_of(Heavy)
    assert made == []
    threads = [threading.Thread(target=router.ask, args=("hi",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert made == [1]


def test_a_class_that_cannot_be_made_is_a_failed_attempt() -> None:
    class Heavy:
        def __init__(self) -> None:
            raise MemoryError

        def generate(self, prompt: str) -> str:
            return prompt

    with failing_with("ModelLoadError"):
        router_of(Heavy).ask("hi", retries=0)


@pytest.mark.parametrize("wrong", [5, "text", object(), object, FakeListChatModel(responses=["x"])])
def test_what_can_generate_nothing_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidModelError):
        router_of(wrong)


def test_code_is_attached_by_name_after_a_restart_and_until_then_the_model_is_not_eligible(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/pointsman.db"
    registry = ModelRegistry()
    router = Router(registry, "weighted", store)
    registry.register_model(make_spec("own", provider="custom"), implementation=function)
    assert router.ask("hi") == "hi at None"
    router.close()

    registry = ModelRegistry()
    router = Router(registry, "weighted", store)
    assert registry.get_model("own").implementation == "custom:own"
    with pytest.raises(NoEligibleModelsError) as caught:
        router.ask("hi")
    assert "not attached" in caught.value.excluded["custom:own"].reason
    registry.attach_implementation("custom:own", function)
    assert router.ask("hi") == "hi at None"
    router.close()


def test_models_of_a_file_name_their_code_which_survives_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    text = """
models:
  - {name: base, provider: custom, implementation: mine, context_window: 4000}
  - {name: tuned, provider: custom, base: base}
"""
    path.write_text(text)
    registry = ModelRegistry.load(path)
    registry.attach_implementation("mine", lambda prompt: prompt.upper())
    router = Router(registry, "weighted")
    assert router.ask(Request(messages="hi", model="tuned")) == "HI", "a fine-tuned model inherits its base's code"
    path.write_text(text.replace("4000", "8000"))
    registry.reload()
    registry.rollback(registry.history()[-1].version)
    assert router.ask(Request(messages="hi", model="base")) == "HI"


# -- LiteLLM


@pytest.fixture
def litellm_router() -> Iterator[Callable[..., Any]]:
    import litellm

    from pointsman.litellm import install, provide_custom

    before = litellm.custom_provider_map
    strategies: list[Any] = []

    def make(**codes: Any) -> tuple[Any, Any]:
        registry = ModelRegistry()
        for name, code in codes.items():
            registry.register_model(ModelSpec(name=name, provider="custom"), implementation=code)
        provide_custom(registry)
        deployments = [{"model_name": "chat", "litellm_params": {"model": f"pointsman/{name}"}} for name in codes]
        router = litellm.Router(model_list=deployments)
        strategies.append(install(router))
        return router, strategies[-1]

    yield make
    for strategy in strategies:
        strategy.uninstall()
    litellm.custom_provider_map = before


@pytest.mark.parametrize("form", [Sync(), Async], ids=["sync", "async"])
async def test_every_form_is_a_litellm_provider(litellm_router: Callable[..., Any], form: Any) -> None:
    router, _ = litellm_router(own=form)
    messages = [{"role": "user", "content": "hi"}]
    answer = await asyncio.to_thread(router.completion, model="chat", messages=messages, temperature=0.5)
    assert answer.choices[0].message.content == "hi at 0.5"
    answer = await router.acompletion(model="chat", messages=messages, temperature=0.5)
    assert answer.choices[0].message.content == "hi at 0.5"
    stream = await router.acompletion(model="chat", messages=messages, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "hi"
    stream = router.completion(model="chat", messages=messages, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "hi"


async def test_in_litellm_a_model_that_is_code_fails_over_too(litellm_router: Callable[..., Any]) -> None:
    calls: list[str] = []

    def broken(prompt: str) -> str:
        calls.append(prompt)
        raise StatusError(500)

    router, strategy = litellm_router(broken=broken, well=function)
    messages = [{"role": "user", "content": "hi"}]
    for _ in range(20):
        answer = await router.acompletion(model="chat", messages=messages)
        assert answer.choices[0].message.content == "hi at None"
    assert 1 <= len(calls) < 20, "what is ill is asked last"
    healthy = [strategy.router.health(spec.key).healthy for spec in strategy.router.registry]
    assert sorted(healthy) == [False, True]
