"""Clients and local models: built once, when first used, and let go of when others need the room."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from samples import make_spec

from pointsman import ConfigError, ModelRegistry, ModelSpec, Request, Router
from pointsman.errors import MissingDependencyError, ModelLoadError
from pointsman.langchain import ChatPointsman
from pointsman.langchain.children import Children
from pointsman.loading import LoadedModels, LoadingSettings


class Shelf:
    """Loads and releases, and remembers."""

    def __init__(self, **limits: Any) -> None:
        self.loaded = LoadedModels(LoadingSettings(**limits))
        self.log: list[str] = []

    def lease(self, name: str, **facts: Any) -> Any:
        def load() -> str:
            self.log.append(f"+{name}")
            return name

        return self.loaded.lease(name, make_spec(name, **facts), load, lambda value: self.log.append(f"-{value}"))

    def use(self, name: str, **facts: Any) -> None:
        with self.lease(name, **facts) as value:
            assert value == name


def test_what_is_used_again_is_not_loaded_again() -> None:
    shelf = Shelf()
    for _ in range(3):
        shelf.use("a")
    assert shelf.log == ["+a"]
    statistics = shelf.loaded.statistics()
    assert (statistics.loads, statistics.releases, statistics.loaded, statistics.in_use) == (1, 0, ("openai:a",), ())


def test_the_least_recently_used_goes_first() -> None:
    shelf = Shelf(max_loaded=2)
    for name in ("a", "b", "a", "c", "b"):
        shelf.use(name)
    assert shelf.log == ["+a", "+b", "-b", "+c", "-a", "+b"]


def test_memory_is_never_exceeded() -> None:
    shelf = Shelf(max_memory_gb=10)
    shelf.use("a", memory_gb=6)
    shelf.use("b", memory_gb=4)
    shelf.use("c", memory_gb=5)
    assert shelf.log == ["+a", "+b", "-a", "+c"]
    assert shelf.loaded.statistics().memory_gb == 9
    with shelf.lease("c", memory_gb=5), pytest.raises(ModelLoadError, match="in use"), shelf.lease("d", memory_gb=6):
        pass
    with pytest.raises(ModelLoadError, match="all there is") as caught, shelf.lease("e", memory_gb=11):
        pass
    assert not caught.value.retryable
    shelf.use("d", memory_gb=6)


def test_what_is_in_use_is_not_let_go_of() -> None:
    shelf = Shelf(max_loaded=1)
    with shelf.lease("a"):
        with shelf.lease("b"):
            assert shelf.log == ["+a", "+b"], "a count is exceeded rather than a call refused"
        assert shelf.log == ["+a", "+b", "-b"]
    assert shelf.loaded.statistics().loaded == ("openai:a",)


def test_a_changed_model_is_loaded_anew_and_the_old_one_goes_after_its_last_use() -> None:
    shelf = Shelf()
    with shelf.lease("a"), shelf.lease("a", context_window=5):
        assert shelf.log == ["+a", "+a"]
    assert shelf.log == ["+a", "+a", "-a"]
    shelf.loaded.forget("a")
    assert shelf.log == ["+a", "+a", "-a", "-a"]
    assert shelf.loaded.statistics().loaded == ()


def test_a_limit_that_comes_later_lets_go_at_once() -> None:
    shelf = Shelf()
    for name in "abc":
        shelf.use(name)
    shelf.loaded.limit(LoadingSettings(max_loaded=1))
    assert shelf.log[3:] == ["-a", "-b"]
    shelf.loaded.clear()
    assert shelf.log[5:] == ["-c"]


def test_many_threads_load_once() -> None:
    shelf = Shelf()
    begin, may_load = threading.Barrier(21), threading.Event()
    loads: list[int] = []
    got: list[object] = []

    def load() -> object:
        loads.append(1)
        assert may_load.wait(30)
        return object()

    def use() -> None:
        begin.wait(30)
        with shelf.loaded.lease("a", SPEC, load) as value:
            got.append(value)

    threads = [threading.Thread(target=use) for _ in range(20)]
    for thread in threads:
        thread.start()
    begin.wait(30)
    may_load.set()
    for thread in threads:
        thread.join(30)
    assert len(loads) == 1
    assert len(got) == 20
    assert len({id(value) for value in got}) == 1


SPEC = make_spec("a")


async def test_many_tasks_load_once_and_the_loop_goes_on_meanwhile() -> None:
    loaded = LoadedModels()
    may_load = threading.Event()
    loads: list[int] = []

    def load() -> object:
        loads.append(1)
        assert may_load.wait(30)
        return object()

    async def use() -> object:
        async with loaded.alease("a", SPEC, load) as value:
            return value

    tasks = [asyncio.create_task(use()) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[0].cancel()  # the one that began: what it began goes on
    await asyncio.sleep(0)
    may_load.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert len(set(results[1:])) == len(loads) == 1
    assert loaded.statistics().in_use == ()


async def test_a_failure_is_told_to_all_who_wait_and_tried_again_by_the_next() -> None:
    loaded = LoadedModels()
    attempts: list[int] = []

    def load() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("no such file: /secret/place")
        return "loaded"

    with pytest.raises(ModelLoadError) as caught, loaded.lease("a", SPEC, load):
        pass
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    async with loaded.alease("a", SPEC, load) as value:
        assert value == "loaded"
    assert loaded.statistics().failures == 1


def test_our_own_errors_are_not_wrapped() -> None:
    def load() -> str:
        raise MissingDependencyError("torch")

    with pytest.raises(MissingDependencyError), LoadedModels().lease("a", SPEC, load):
        pass


def test_a_release_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    loaded = LoadedModels(LoadingSettings(max_loaded=1))

    def release(_: object) -> None:
        raise RuntimeError("cannot close")

    with loaded.lease("a", SPEC, object, release):
        pass
    with loaded.lease("b", make_spec("b"), object):
        pass
    assert "could not be let go of" in caplog.text
    assert loaded.statistics().loaded == ("openai:b",)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3)), max_size=40), st.integers(1, 4))
def test_limits_hold_whenever_nothing_is_in_use(uses: list[tuple[str, int]], most: int) -> None:
    shelf = Shelf(max_loaded=most, max_memory_gb=6)
    held: set[str] = set()
    for name, memory in uses:
        shelf.use(name, **({"memory_gb": memory} if memory else {}))
        statistics = shelf.loaded.statistics()
        assert len(statistics.loaded) <= most
        assert statistics.memory_gb <= 6
        assert f"openai:{name}" in statistics.loaded
        held = set(statistics.loaded)
    assert len(held) == sum(1 if each[0] == "+" else -1 for each in shelf.log)


# -- in front of LangChain


class Closing(FakeListChatModel):
    """A chat model that says when it is let go of."""

    log: list[str] = []  # noqa: RUF012  pydantic copies it per instance, and it is given

    def close(self) -> None:
        self.log.append("closed")


def children_with(names: str, build: Callable[[ModelSpec], Any], **limits: Any) -> tuple[Router, Children]:
    registry = ModelRegistry([make_spec(name) for name in names])
    router = Router(registry, "priority", loading=LoadingSettings(**limits))
    return router, Children(registry, build=build)


def test_chat_models_are_let_go_of_beyond_the_limit() -> None:
    log: list[str] = []
    built: list[str] = []

    def build(spec: ModelSpec) -> Closing:
        built.append(spec.name)
        child = Closing(responses=[f"I am {spec.name}"])
        child.log = log
        return child

    router, children = children_with("abc", build, max_loaded=1)
    llm = ChatPointsman(router=router, models=children)
    for name in ("a", "a", "b", "a"):
        assert llm.invoke("hi", model=name).content == f"I am {name}"
    assert "".join(str(chunk.content) for chunk in llm.stream("hi", model="b")) == "I am b"
    assert built == ["a", "b", "a", "b"]
    assert log == ["closed"] * 3
    assert router.registry.loaded.statistics().in_use == ()


async def test_async_calls_lease_too() -> None:
    router, children = children_with("ab", lambda spec: FakeListChatModel(responses=[spec.name]), max_loaded=1)
    llm = ChatPointsman(router=router, models=children)
    answers = await asyncio.gather(*(llm.ainvoke("hi", model=name) for name in "abab"))
    assert [answer.content for answer in answers] == ["a", "b", "a", "b"]
    chunks = [chunk.content async for chunk in llm.astream("hi", model="a")]
    assert "".join(map(str, chunks)) == "a"
    assert len(router.registry.loaded.statistics().loaded) == 1
    assert router.registry.loaded.statistics().in_use == ()


def test_a_model_that_does_not_load_is_ill_and_another_one_answers() -> None:
    def build(spec: ModelSpec) -> FakeListChatModel:
        if spec.name == "a":
            raise OSError("weights are missing")
        return FakeListChatModel(responses=[spec.name])

    router, children = children_with("ab", build)
    router.registry.register_model(make_spec("a", priority=1), replace=True)
    router.registry.register_model(make_spec("b", priority=2), replace=True)
    llm = ChatPointsman(router=router, models=children)
    assert llm.invoke("hi").content == "b"
    assert router.health("a").success_rate == 0
    for _ in range(5):
        llm.invoke("hi")
    assert not router.health("a").healthy
    assert router.decide(Request(messages="hi")).model == "openai:b"


def test_the_limits_stand_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text("models: [{name: m, provider: openai}]\nloading: {max_loaded: 4, max_memory_gb: 16}\n")
    assert Router.from_config(path).registry.loaded.settings == LoadingSettings(max_loaded=4, max_memory_gb=16)
    path.write_text("models: [{name: m, provider: openai}]\nloading: {max_loaded: 0}\n")
    with pytest.raises(ConfigError):
        Router.from_config(path)
