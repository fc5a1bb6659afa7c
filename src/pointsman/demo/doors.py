"""The doors inside this process: Python, LangChain's chat model, LiteLLM's router. They share one pointsman router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pointsman import caller
from pointsman.demo.door import Answer
from pointsman.types import Request

if TYPE_CHECKING:
    from pointsman.router import Router
    from pointsman.testing import ModelFleet

_GROUP = "auto"


class PythonDoor:
    """`router.arun`, as `router.aask` does it.

    Args:
        router: who decides.
        max_output_tokens: room for an answer.
    """

    name = "Python"

    def __init__(self, router: Router, *, max_output_tokens: int | None = None) -> None:
        self._router = router
        self._max_output_tokens = max_output_tokens

    async def ask(self, prompt: str) -> Answer:
        """Decide, call through LiteLLM, fail over."""
        decision = self._router.decide(Request(messages=prompt, max_output_tokens=self._max_output_tokens))
        record = await self._router.aexecute(decision, caller.acomplete, dialect="openai")
        outcome = record.attempts[-1].outcome
        return Answer(
            text=caller.text_of(record.value),
            model=record.spec.key,
            decision_id=decision.id,
            input_tokens=outcome.input_tokens or 0,
            output_tokens=outcome.output_tokens or 0,
        )

    async def score(self, answer: Answer, score: float) -> None:
        """Give the grade to the router."""
        self._router.feedback(answer.decision_id, score, source="demo")

    async def close(self) -> None:
        """Do nothing: LiteLLM keeps its own connections."""


class LangChainDoor:
    """A `ChatPointsman`, asked by `ainvoke`."""

    name = "LangChain"

    def __init__(self, router: Router) -> None:
        from pointsman.langchain import ChatPointsman  # noqa: PLC0415  LangChain takes a second to import

        self._llm = ChatPointsman(router=router)

    async def ask(self, prompt: str) -> Answer:
        """Invoke the chat model."""
        message = await self._llm.ainvoke(prompt)
        facts = message.response_metadata["pointsman"]
        usage: Any = message.usage_metadata or {}
        return Answer(
            text=str(message.content),
            model=facts["model"],
            decision_id=facts["decision_id"],
            input_tokens=usage.get("input_tokens", 0),
            output_tokens=usage.get("output_tokens", 0),
        )

    async def score(self, answer: Answer, score: float) -> None:
        """Give the grade to the router."""
        self._llm.router.feedback(answer.decision_id, score, source="demo")

    async def close(self) -> None:
        """Do nothing: the children keep their own connections."""


class LiteLLMDoor:
    """A `litellm.Router` over the same servers, with `pointsman.litellm.install`."""

    name = "LiteLLM Router"

    def __init__(self, router: Router, fleet: ModelFleet) -> None:
        from litellm import Router as LiteLLMRouter  # noqa: PLC0415  seconds

        from pointsman.litellm import install  # noqa: PLC0415  likewise
        from pointsman.litellm.outcomes import CALL_KEY  # noqa: PLC0415  likewise

        self._decision_id = CALL_KEY
        self._host = LiteLLMRouter(model_list=fleet.litellm_model_list(_GROUP), num_retries=0)
        self._strategy = install(self._host, pointsman_router=router)

    async def ask(self, prompt: str) -> Answer:
        """Call the LiteLLM router as any of its users does."""
        metadata: dict[str, Any] = {}
        response = await self._host.acompletion(
            model=_GROUP, messages=[{"role": "user", "content": prompt}], metadata=metadata
        )
        return Answer(
            text=caller.text_of(response),
            model=response._hidden_params["model_id"],  # noqa: SLF001  where LiteLLM says which deployment it was
            decision_id=metadata[self._decision_id],
            input_tokens=response.usage.prompt_tokens,
            output_tokens=response.usage.completion_tokens,
        )

    async def score(self, answer: Answer, score: float) -> None:
        """Give the grade to the router."""
        self._strategy.router.feedback(answer.decision_id, score, source="demo")

    async def close(self) -> None:
        """Give the LiteLLM router back as it was."""
        self._strategy.uninstall()
