"""`PointsmanEmbeddings`: embeddings that fail over, but only between deployments of one and the same model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from langchain_core.embeddings import Embeddings

from pointsman.arguments import expect, expect_mapping
from pointsman.cache import ModelCache
from pointsman.cache.vectors import Vectors
from pointsman.caller import litellm_model
from pointsman.calling import CallLimits
from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.errors import ConfigError, MissingCredentialError, MissingDependencyError
from pointsman.failover.readings import Reading
from pointsman.failover.steps import Attempt
from pointsman.langchain.builders import speaks_openai
from pointsman.router import Router
from pointsman.types import Request

CAPABILITY = "embedding.text"


class PointsmanEmbeddings(Embeddings):
    """Embeds texts by whichever deployment of a model can.

    Vectors of different models cannot be compared, so a choice that could mix them is refused: deployments count as
    one model if their `serves`, else their `base`, else their names are the same.

    Args:
        router: who decides.
        model: name, alias or pool of the embedding model; needed where more than one is registered.
        models: embeddings by the name or key of a registered model; those that are missing are built when first used.
        timeout: seconds per attempt.
        deadline: seconds per call, all attempts together.
        max_cost: USD per call, all attempts together.
        cache: where vectors are kept per text; by default the router's, `False` for none.
        tenant: whose vectors these are in the cache, and whose budget pays.

    Raises:
        ConfigError: E4006, if what could be chosen is not one model.
    """

    def __init__(
        self,
        router: Router,
        model: str | None = None,
        models: Mapping[str, Embeddings] | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        max_cost: float | None = None,
        cache: ModelCache | Literal[False] | None = None,
        tenant: str | None = None,
    ) -> None:
        expect(router, Router, "router", "a pointsman.Router")
        if models is not None:
            expect_mapping(models, "models")
        self.router = router
        self.model = model
        self._given = {router.registry.get_model(name).key: child for name, child in (models or {}).items()}
        self._built: dict[str, tuple[ModelSpec, Embeddings]] = {}
        self._limits: CallLimits = {"timeout": timeout, "deadline": deadline, "max_cost": max_cost}
        self._tenant = tenant
        kept_in = router.cache if cache is None else cache
        self._vectors = Vectors(kept_in, tenant) if kept_in else None
        self._check(self._deployments())

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts, all of them by one deployment; those that are kept need none."""
        if self._vectors is None or not texts:
            return self._embed(texts) if texts else []
        return self._vectors.get("document", self._model_and_dimensions(), texts, self._embed)

    def embed_query(self, text: str) -> list[float]:
        """Embed a text."""
        if self._vectors is None:
            return self._embed_query(text)
        kept = self._vectors.get("query", self._model_and_dimensions(), [text], lambda _: [self._embed_query(text)])
        return kept[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts, all of them by one deployment; those that are kept need none."""
        if self._vectors is None or not texts:
            return await self._aembed(texts) if texts else []
        return await self._vectors.aget("document", self._model_and_dimensions(), texts, self._aembed)

    async def aembed_query(self, text: str) -> list[float]:
        """Embed a text."""
        if self._vectors is None:
            return await self._aembed_query(text)

        async def embed(_: list[str]) -> list[list[float]]:
            return [await self._aembed_query(text)]

        return (await self._vectors.aget("query", self._model_and_dimensions(), [text], embed))[0]

    def _model_and_dimensions(self) -> tuple[str, str]:
        """Which model's vectors these are, and of which sizes it was asked for."""
        specs = self._deployments()
        self._check(specs)  # the registry may have changed
        sizes = {str(getattr(child, "dimensions", None)) for child in self._given.values()}
        sizes |= {str(spec.default_parameters.get("dimensions")) for spec in specs}
        return _identity(specs[0]), ",".join(sorted(sizes))

    def _embed(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._call(texts, lambda child: child.embed_documents(texts))
        return vectors

    def _embed_query(self, text: str) -> list[float]:
        vector: list[float] = self._call([text], lambda child: child.embed_query(text))
        return vector

    async def _aembed(self, texts: list[str]) -> list[list[float]]:
        async def perform(attempt: Attempt) -> Any:
            return await self._child(attempt.spec).aembed_documents(texts)

        decision = self._decide(texts)
        record = await self.router.aexecute(decision, perform, dialect="openai", reader=_read, **self._limits)
        return cast("list[list[float]]", record.value)

    async def _aembed_query(self, text: str) -> list[float]:
        async def perform(attempt: Attempt) -> Any:
            return await self._child(attempt.spec).aembed_query(text)

        decision = self._decide([text])
        record = await self.router.aexecute(decision, perform, dialect="openai", reader=_read, **self._limits)
        return cast("list[float]", record.value)

    def _call(self, texts: Sequence[str], ask: Callable[[Embeddings], Any]) -> Any:
        def perform(attempt: Attempt) -> Any:
            return ask(self._child(attempt.spec))

        decision = self._decide(texts)
        return self.router.execute(decision, perform, dialect="openai", reader=_read, **self._limits).value

    def _decide(self, texts: Sequence[str]) -> RoutingDecision:
        allowed = self._deployments()
        self._check(allowed)  # the registry may have changed
        keys = {spec.key for spec in allowed}
        others = frozenset(spec.key for spec in self.router.registry if spec.key not in keys)
        # The window holds for each text by itself, so the longest stands for all.
        decision = self.router.decide(
            Request(
                messages=max(texts, key=len),
                needs={CAPABILITY},
                model=self.model,
                exclude=others,
                max_output_tokens=0,
                tenant=self._tenant,
            )
        )
        self._child(decision.spec)  # built now: what it takes to import a package is not the model's time
        return decision

    def _deployments(self) -> list[ModelSpec]:
        registry = self.router.registry
        specs = registry.get_models_by_capability(CAPABILITY)
        if self.model is not None:
            specs = [spec for spec in specs if self.model in _names(spec) or self.model in registry.pools_of(spec.key)]
        return [spec for spec in specs if spec.key in self._given] if self._given else specs

    def _check(self, specs: Sequence[ModelSpec]) -> None:
        if not specs:
            wanted = f" named {self.model!r}" if self.model else ""
            raise ConfigError(f"no embedding model{wanted} is registered", hint=f"its capabilities name {CAPABILITY!r}")
        different = sorted({_identity(spec) for spec in specs})
        if len(different) > 1:
            raise ConfigError(
                f"several embedding models could be chosen ({', '.join(different)}), whose vectors cannot be compared",
                hint="name one by model=..., or give deployments of one model the same `serves`",
            )

    def _child(self, spec: ModelSpec) -> Embeddings:
        child = self._given.get(spec.key)
        if child is not None:
            return child
        known = self._built.get(spec.key)
        if known is None or known[0] != spec:
            known = self._built[spec.key] = (spec, build_embeddings(spec))
        return known[1]


def build_embeddings(spec: ModelSpec) -> Embeddings:
    """Build what embeds for a spec; it makes no retries of its own.

    Raises:
        MissingCredentialError: E4402, if the variable of its key is not set.
        MissingDependencyError: E4401, naming the package to install.
    """
    secret: Any = spec.secret()
    if speaks_openai(spec):
        try:
            from langchain_openai import OpenAIEmbeddings  # noqa: PLC0415  optional, and a second to import
        except ImportError:
            raise MissingDependencyError("langchain-openai", extra="langchain") from None
        if secret is None and spec.api_base is None and not os.environ.get("OPENAI_API_KEY"):
            raise MissingCredentialError(spec.key, "OPENAI_API_KEY")
        arguments: dict[str, Any] = {"model": spec.deployment_name or spec.base or spec.name, "max_retries": 0}
        if spec.api_base is not None:
            # Servers of one's own take texts, not tokens of OpenAI's.
            arguments |= {"base_url": spec.api_base, "check_embedding_ctx_length": False}
            secret = secret or "none"
        if secret is not None:
            arguments["api_key"] = secret
        return OpenAIEmbeddings(**arguments)
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        from langchain_litellm import LiteLLMEmbeddings  # noqa: PLC0415  optional, and seconds to import
    except ImportError:
        raise MissingDependencyError("langchain-litellm", extra="langchain") from None
    options: dict[str, Any] = {"model": litellm_model(spec), "max_retries": 0}
    if spec.api_base is not None:
        options["api_base"] = spec.api_base
    if secret is not None:
        options["api_key"] = secret
    made: Embeddings = LiteLLMEmbeddings(**options)
    return made


def _names(spec: ModelSpec) -> tuple[str, ...]:
    return (spec.key, spec.name, *spec.aliases)


def _identity(spec: ModelSpec) -> str:
    return spec.serves or spec.base or spec.name


def _read(vectors: Any) -> Reading:
    """An answer without a vector is of no use."""
    return Reading(content=len(vectors) > 0)
