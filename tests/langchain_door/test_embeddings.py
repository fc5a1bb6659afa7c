"""Embeddings fail over between deployments of one model, and refuse to mix models."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from pointsman import AllModelsFailedError, ConfigError, ModelRegistry, ModelSpec, Router
from pointsman.langchain import PointsmanEmbeddings
from pointsman.testing import ModelFleet


def spec_of(fleet: ModelFleet, server: str, name: str, serves: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        provider="openai",
        api_base=fleet[server].url,
        deployment_name=server,
        serves=serves,
        capabilities=["embedding.text"],
        context_window=8_000,
        cost_per_1m_input_tokens=0.1 if server == "first" else 1,
        cost_per_1m_output_tokens=0,
    )


def embedding_router(fleet: ModelFleet, *, other: str = "small-3") -> Router:
    specs = [spec_of(fleet, "first", "embed-eu", "small-3"), spec_of(fleet, "second", "embed-us", other)]
    chat = ModelSpec(name="chat", provider="openai", capabilities=["generation.text.chat"], context_window=9_000)
    return Router(ModelRegistry([*specs, chat]), "cheapest")


@pytest.mark.parametrize("fault", [None, "server_error_503", "hang"])
async def test_another_deployment_of_the_same_model_takes_over(fault: str | None, fleet: ModelFleet) -> None:
    embeddings = PointsmanEmbeddings(embedding_router(fleet), timeout=0.4)
    if fault:
        fleet["first"].fail(fault)
    assert len(embeddings.embed_documents(["a", "b"])) == 2
    assert len(await embeddings.aembed_documents(["a", "b"])) == 2
    assert len(embeddings.embed_query("a")) == len(await embeddings.aembed_query("a")) == 8
    assert embeddings.embed_documents([]) == []
    assert (fleet["second"].calls > 0) == (fault is not None)


def test_different_models_are_never_mixed(fleet: ModelFleet) -> None:
    router = embedding_router(fleet, other="large-3")
    with pytest.raises(ConfigError, match="large-3, small-3"):
        PointsmanEmbeddings(router)
    alone = PointsmanEmbeddings(router, model="embed-eu")
    fleet["first"].fail("unauthorized")
    with pytest.raises(AllModelsFailedError):
        alone.embed_query("a")
    assert fleet["second"].calls == 0
    with pytest.raises(ConfigError, match="no embedding model named 'chat'"):
        PointsmanEmbeddings(router, model="chat")


def test_a_model_that_is_registered_later_cannot_slip_in(fleet: ModelFleet) -> None:
    router = embedding_router(fleet)
    embeddings = PointsmanEmbeddings(router)
    router.registry.register_model(spec_of(fleet, "third", "embed-new", "large-3"))
    with pytest.raises(ConfigError):
        embeddings.embed_query("a")


def test_given_embeddings_are_used(fleet: ModelFleet) -> None:
    router = embedding_router(fleet, other="large-3")
    embeddings = PointsmanEmbeddings(router, models={"embed-us": DeterministicFakeEmbedding(size=3)})
    assert len(embeddings.embed_query("a")) == 3


class EmbeddingSettings:
    fleet: ClassVar[ModelFleet]
    fault: ClassVar[str | None] = None

    @pytest.fixture(autouse=True)
    def _served(self, fleet: ModelFleet) -> None:
        type(self).fleet = fleet
        if self.fault is not None:
            fleet["first"].fail(self.fault)

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return PointsmanEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"router": embedding_router(self.fleet)}


class TestUnits(EmbeddingSettings, EmbeddingsUnitTests):
    pass


class TestHealthy(EmbeddingSettings, EmbeddingsIntegrationTests):
    pass


class TestFirstDeploymentFailing(EmbeddingSettings, EmbeddingsIntegrationTests):
    fault = "server_error_503"
