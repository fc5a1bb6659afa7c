"""The cache as LangChain's, as LiteLLM's, and for embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import BaseCache
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel, FakeListLLM
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite
from samples import make_spec

from pointsman import ModelRegistry, Router
from pointsman.cache import ModelCache
from pointsman.langchain import ChatPointsman, PointsmanCache, PointsmanEmbeddings
from pointsman.testing import ModelServer, ServedModel, serve


class TestSyncCache(SyncCacheTestSuite):
    """LangChain's own tests for caches."""

    @pytest.fixture
    def cache(self, tmp_path: Path) -> BaseCache:
        return PointsmanCache(ModelCache(["memory", f"sqlite:///{tmp_path}/cache.db"]))


class TestAsyncCache(AsyncCacheTestSuite):
    """LangChain's own tests for caches."""

    @pytest.fixture
    async def cache(self, tmp_path: Path) -> BaseCache:
        return PointsmanCache(ModelCache(["memory", f"sqlite:///{tmp_path}/cache.db"]))


class Counting(BaseChatModel):
    """Answers with a number that grows."""

    calls: int = 0

    @property
    def _llm_type(self) -> str:
        return "counting"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        self.calls += 1
        message = AIMessage(
            f"answer {self.calls}",
            tool_calls=[{"name": "t", "args": {"a": [1]}, "id": "1"}],
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            response_metadata={"finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=message, generation_info={"finish_reason": "stop"})])


def test_a_message_comes_back_whole_from_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cache.db"
    first = Counting(cache=PointsmanCache(ModelCache(url))).invoke("hi")
    model = Counting(cache=PointsmanCache(ModelCache(url)))
    again = model.invoke("hi")
    assert model.calls == 0
    assert isinstance(again, AIMessage)
    assert (again.content, again.tool_calls, again.response_metadata) == (
        first.content,
        first.tool_calls,
        first.response_metadata,
    )


async def test_models_and_tenants_share_a_cache_and_no_answers() -> None:
    cache = ModelCache()
    models = [Counting(cache=PointsmanCache(cache, tenant=tenant)) for tenant in ("a", "b", None)]
    assert [model.invoke("hi").content for model in models] == ["answer 1"] * 3
    assert [model.calls for model in models] == [1, 1, 1]
    assert (await models[0].ainvoke("hi")).content == "answer 1"
    models[0].cache.clear()  # type: ignore[union-attr]
    assert [model.invoke("hi").content for model in models] == ["answer 2", "answer 1", "answer 1"]


def test_plain_completions_are_kept_too() -> None:
    cache = ModelCache()
    llm = FakeListLLM(responses=["one", "two"], cache=PointsmanCache(cache))
    assert [llm.invoke("hi"), llm.invoke("hi"), llm.invoke("other")] == ["one", "one", "two"]


def test_an_answer_from_a_childs_cache_teaches_nothing() -> None:
    registry = ModelRegistry([make_spec("m")])
    router = Router(registry, "weighted")
    llm = ChatPointsman(router=router, models={"m": Counting(cache=PointsmanCache())})
    assert [llm.invoke("hi").content for _ in range(3)] == ["answer 1"] * 3
    attempts = [row["cached"] for _, row in router.ledger.rows("ledger.attempts")]
    assert sorted(attempts) == [False, True, True]
    assert router.statistics()["selection_stats"]["total_attempts"] <= 1


def test_no_class_is_made_of_what_stands_in_an_entry() -> None:
    cache = ModelCache()
    ours = PointsmanCache(cache)
    evil = {"lc": 1, "type": "constructor", "id": ["langchain_core", "prompts", "PromptTemplate"], "kwargs": {}}
    ours.update("p", "l", [Generation(text="x", generation_info=evil)])
    found = ours.lookup("p", "l")
    assert found is not None
    assert found[0].generation_info == evil


def test_generations_that_are_no_json_are_not_kept() -> None:
    cache = PointsmanCache()
    cache.update("p", "l", [Generation(text="x", generation_info={"object": object()})])
    assert cache.lookup("p", "l") is None
    assert cache.cache.get_statistics().not_kept == 1


# -- embeddings


class CountingEmbeddings(Embeddings):
    """Embeds a text to its length, and remembers what it was asked."""

    def __init__(self, dimensions: int = 2) -> None:
        self.dimensions = dimensions
        self.asked: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        return [[len(text) + 0.1] * self.dimensions for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(f"query {text}")
        return [len(text) / 3] * self.dimensions


def embeddings(child: CountingEmbeddings, cache: ModelCache, **options: Any) -> PointsmanEmbeddings:
    name = options.pop("name", "e")
    registry = ModelRegistry([make_spec(name, capabilities=["embedding.text"])])
    return PointsmanEmbeddings(Router(registry, cache=cache), models={name: child}, **options)


async def test_of_a_batch_only_what_is_new_is_embedded_once_and_in_order() -> None:
    child, cache = CountingEmbeddings(), ModelCache()
    ours = embeddings(child, cache)
    ours.embed_documents(["a", "bb"])
    assert ours.embed_documents(["ccc", "a", "ccc", "bb"]) == [[3.1, 3.1], [1.1, 1.1], [3.1, 3.1], [2.1, 2.1]]
    assert child.asked == ["a", "bb", "ccc"]
    assert await ours.aembed_documents(["bb", "dddd"]) == [[2.1, 2.1], [4.1, 4.1]]
    assert ours.embed_query("a") == ours.embed_query("a") == await ours.aembed_query("a") == [1 / 3, 1 / 3]
    assert child.asked == ["a", "bb", "ccc", "dddd", "query a"]
    assert ours.embed_documents([]) == []


def test_models_dimensions_and_tenants_do_not_share_vectors() -> None:
    cache = ModelCache()
    children = [CountingEmbeddings(2), CountingEmbeddings(3), CountingEmbeddings(2), CountingEmbeddings(2)]
    makers = [
        embeddings(children[0], cache),
        embeddings(children[1], cache),
        embeddings(children[2], cache, name="f"),
        embeddings(children[3], cache, tenant="t"),
    ]
    for _ in range(2):
        for maker in makers:
            maker.embed_documents(["a"])
    assert [child.asked for child in children] == [["a"]] * 4
    without = CountingEmbeddings()
    registry = ModelRegistry([make_spec("e", capabilities=["embedding.text"])])
    PointsmanEmbeddings(Router(registry, cache=cache), models={"e": without}, cache=False).embed_documents(["a"])
    assert without.asked == ["a"]
    cache.invalidate(model="e", tenant="t")
    makers[3].embed_documents(["a"])
    assert children[3].asked == ["a", "a"]


# -- LiteLLM


@pytest.fixture
def served() -> Iterator[ModelServer]:
    with serve([ServedModel("m")], seed=1, life_limit=120) as fleet:
        yield fleet["m"]


async def test_litellm_keeps_its_answers_here(served: ModelServer, tmp_path: Path) -> None:
    import litellm

    from pointsman.litellm import litellm_cache

    url = f"sqlite:///{tmp_path}/cache.db"
    call: dict[str, Any] = {
        "model": "openai/m",
        "api_base": served.url,
        "api_key": "none",
        "messages": [{"role": "user", "content": "hi"}],
        "caching": True,
    }
    before = litellm.cache
    try:
        litellm.cache = litellm_cache(ModelCache(url))
        first = litellm.completion(**call)  # the async one keeps its answer after it has returned
        second = await litellm.acompletion(**call)
        assert first.choices[0].message.content == second.choices[0].message.content
        assert served.calls == 1
        litellm.cache = litellm_cache(ModelCache(url))
        third = litellm.completion(**call)
        assert third.choices[0].message.content == first.choices[0].message.content
        assert served.calls == 1, "another process finds it"
        litellm.cache = litellm_cache(ModelCache(url), tenant="another")
        litellm.completion(**call)
        assert served.calls == 2
    finally:
        litellm.cache = before


def test_a_routers_answer_from_litellm_comes_back_as_one(served: ModelServer) -> None:
    registry = ModelRegistry([make_spec("m", api_base=served.url)])
    router = Router(registry, "weighted", cache=True)
    first, second = router.reply("hi"), router.reply("hi")
    assert served.calls == 1
    assert second.cached
    assert type(second.value) is type(first.value)
    assert json.loads(second.value.model_dump_json()) == json.loads(first.value.model_dump_json())
