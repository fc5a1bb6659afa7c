"""Who is compared: pointsman through each of its doors, LiteLLM's Router as it comes and tuned, LangChain's fallbacks.

Each is set up as its documentation says for "this model first, then the others", over the same servers, with the same
time limits, and is asked in the same two ways. A call that raises is lost; so is one whose answer is not whole.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI

from pointsman import ModelRegistry, ModelSpec, Router, caller
from pointsman.failover.calls import CallSettings
from pointsman.langchain import ChatPointsman
from pointsman.litellm import install
from pointsman.testing import ModelFleet

litellm.suppress_debug_info = True


class Limits(NamedTuple):
    """Seconds an attempt, and a whole call, may take."""

    timeout: float = 0.5
    deadline: float | None = None


class Contender:
    """One way to call the models of a fleet, the first of them preferred."""

    def __init__(self, fleet: ModelFleet, limits: Limits, names: Sequence[str] | None = None) -> None:
        self.fleet = fleet
        self.limits = limits
        self.names = list(names or fleet)

    async def ask(self, text: str) -> str:
        """The whole answer; what goes wrong is raised."""
        raise NotImplementedError

    def stream(self, text: str) -> AsyncIterator[str]:
        """The answer as it comes."""
        raise NotImplementedError

    def is_out(self, name: str) -> bool:
        """Whether it keeps this model from its normal place now; for those who keep none, never."""
        del name
        return False

    def out_for(self, name: str) -> float:
        """Seconds for which it keeps this model from its normal place."""
        del name
        return 0.0

    async def close(self) -> None:
        """Give back what is held."""


def _router(fleet: ModelFleet, limits: Limits, names: Sequence[str]) -> Router:
    # Prices put the models in order, which is how "this one first" is said with `cheapest`.
    prices = {"cost_per_1m_input_tokens": 1.0, "cost_per_1m_output_tokens": 1.0}
    entries = {entry["name"]: entry for entry in fleet.catalogue()}
    specs = [
        ModelSpec(**{**entries[name], **{field: value * (at + 1) for field, value in prices.items()}})
        for at, name in enumerate(names)
    ]
    settings = CallSettings(timeout=limits.timeout, deadline=limits.deadline or 30.0)
    return Router(ModelRegistry(specs), "cheapest", seed=1, calls=settings)


class Pointsman(Contender):
    """The Python door."""

    def __init__(self, fleet: ModelFleet, limits: Limits, names: Sequence[str] | None = None) -> None:
        super().__init__(fleet, limits, names)
        self.router = _router(fleet, limits, self.names)

    async def ask(self, text: str) -> str:
        return await self.router.aask(text)

    async def stream(self, text: str) -> AsyncIterator[str]:
        async for part in self.router.aask_stream(text):
            yield part

    def is_out(self, name: str) -> bool:
        return not self.router.health(name).healthy

    def out_for(self, name: str) -> float:
        return self.router.health(name).available_in


class PointsmanLangChain(Pointsman):
    """The LangChain door."""

    def __init__(self, fleet: ModelFleet, limits: Limits, names: Sequence[str] | None = None) -> None:
        super().__init__(fleet, limits, names)
        self._llm = ChatPointsman(router=self.router)

    async def ask(self, text: str) -> str:
        return str((await self._llm.ainvoke(text)).text)

    async def stream(self, text: str) -> AsyncIterator[str]:
        async for part in self._llm.astream(text):
            yield str(part.text)


class LangChain(Contender):
    """`with_fallbacks` over ChatOpenAI, without retries of its own."""

    def __init__(self, fleet: ModelFleet, limits: Limits, names: Sequence[str] | None = None) -> None:
        super().__init__(fleet, limits, names)
        models: list[Any] = [
            ChatOpenAI(model=name, base_url=fleet[name].url, api_key="none", max_retries=0, timeout=limits.timeout)
            for name in self.names
        ]
        self._llm: Runnable[Any, Any] = models[0].with_fallbacks(models[1:]) if len(models) > 1 else models[0]

    async def ask(self, text: str) -> str:
        return str((await self._llm.ainvoke(text)).text)

    async def stream(self, text: str) -> AsyncIterator[str]:
        async for part in self._llm.astream(text):
            yield str(part.text)


class LiteLLM(Contender):
    """LiteLLM's Router: a model group each, and fallbacks from the first to the others."""

    options: Mapping[str, Any] = {}

    def __init__(self, fleet: ModelFleet, limits: Limits, names: Sequence[str] | None = None) -> None:
        super().__init__(fleet, limits, names)
        entries = {entry["model_name"]: entry for entry in fleet.litellm_model_list()}
        self.router = litellm.Router(
            model_list=[entries[name] for name in self.names],
            fallbacks=[{self.names[0]: self.names[1:]}] if len(self.names) > 1 else [],
            timeout=limits.timeout if limits.deadline is None else limits.deadline,
            stream_timeout=limits.timeout,
            **self.options,
        )

    async def ask(self, text: str) -> str:
        answer = await self.router.acompletion(model=self.names[0], messages=_messages(text))
        return caller.text_of(answer)

    async def stream(self, text: str) -> AsyncIterator[str]:
        answer: Any = await self.router.acompletion(model=self.names[0], messages=_messages(text), stream=True)
        async for chunk in answer:
            yield caller.chunk_text(chunk)

    def is_out(self, name: str) -> bool:
        return bool(self._cooldowns(name))

    def out_for(self, name: str) -> float:
        return max((value["cooldown_time"] for _, value in self._cooldowns(name)), default=0.0)

    def _cooldowns(self, name: str) -> list[Any]:
        cache = getattr(self.router, "cooldown_cache", None)  # private since 1.109
        if cache is None:
            return []
        return list(cache.get_active_cooldowns(model_ids=[f"openai:{name}"], parent_otel_span=None))

    async def close(self) -> None:
        self.router.discard()


class LiteLLMTuned(LiteLLM):
    """The same with what its documentation offers for resilience."""

    options: Mapping[str, Any] = {
        "num_retries": 1,
        "retry_after": 0,
        "allowed_fails": 3,
        "cooldown_time": 5,
        "disable_cooldowns": False,
        "enable_pre_call_checks": True,
    }


class LiteLLMGroup(LiteLLM):
    """LiteLLM's Router with all models as deployments of one group."""

    def __init__(self, fleet: ModelFleet, limits: Limits, names: Sequence[str] | None = None) -> None:
        Contender.__init__(self, fleet, limits, names)
        entries = [entry for entry in fleet.litellm_model_list("chat") if entry["model_info"]["id"][7:] in self.names]
        for entry in entries:
            entry["litellm_params"]["order"] = self.names.index(entry["model_info"]["id"][7:]) + 1
        self.router = litellm.Router(
            model_list=entries,
            timeout=limits.timeout if limits.deadline is None else limits.deadline,
            stream_timeout=limits.timeout,
            **self.options,
        )
        self.names = ["chat"]


class PointsmanLiteLLM(LiteLLMGroup):
    """LiteLLM's Router with pointsman installed."""

    def __init__(self, fleet: ModelFleet, limits: Limits, names: Sequence[str] | None = None) -> None:
        super().__init__(fleet, limits, names)
        ours = _router(fleet, limits, list(names or fleet))
        self._strategy = install(self.router, pointsman_router=ours)

    async def close(self) -> None:
        self._strategy.uninstall()
        await super().close()

    def is_out(self, name: str) -> bool:
        return not self._strategy.router.health(name).healthy

    def out_for(self, name: str) -> float:
        return self._strategy.router.health(name).available_in


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


Maker = Callable[..., Contender]
CONTENDERS: Mapping[str, Maker] = {
    "pointsman": Pointsman,
    "pointsman, LangChain": PointsmanLangChain,
    "pointsman, LiteLLM": PointsmanLiteLLM,
    "LiteLLM, fallbacks": LiteLLM,
    "LiteLLM, tuned": LiteLLMTuned,
    "LiteLLM, group": LiteLLMGroup,
    "with_fallbacks": LangChain,
}
