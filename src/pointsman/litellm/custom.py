"""Models that are code, as a LiteLLM provider: `litellm_params: {model: pointsman/NAME}` in a `litellm.Router`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import litellm
from litellm.llms.custom_llm import CustomLLM, CustomLLMError
from litellm.types.utils import GenericStreamingChunk, ModelResponse

from pointsman import custom_calls
from pointsman.arguments import expect, expect_text
from pointsman.custom import CustomCall, Implementation
from pointsman.custom_calls import Asked
from pointsman.failover.readings import field
from pointsman.registry.models import ModelRegistry

PROVIDER = "pointsman"


def provide_custom(registry: ModelRegistry, provider: str = PROVIDER) -> None:
    """Let LiteLLM call a registry's own models as `pointsman/NAME`; of the whole process, as LiteLLM's providers are.

    Args:
        registry: where they are registered, now or later.
        provider: the word before the slash, where there are several registries.
    """
    expect(registry, ModelRegistry, "registry", "a ModelRegistry")
    expect_text(provider, "provider")
    others = [each for each in litellm.custom_provider_map if each["provider"] != provider]
    litellm.custom_provider_map = [*others, {"provider": provider, "custom_handler": CustomModels(registry)}]
    litellm.utils.custom_llm_setup()


class CustomModels(CustomLLM):
    """LiteLLM's interface to the models of a registry that are code."""

    def __init__(self, registry: ModelRegistry) -> None:
        super().__init__()
        self._registry = registry

    def completion(self, model: str, messages: list[Any], *_: Any, **kwargs: Any) -> ModelResponse:
        """One answer."""
        code, asked = self._asked(model, messages, kwargs)
        return _response(custom_calls.complete(code, asked), kwargs)

    async def acompletion(self, model: str, messages: list[Any], *_: Any, **kwargs: Any) -> ModelResponse:
        """One answer."""
        code, asked = self._asked(model, messages, kwargs)
        return _response(await custom_calls.acomplete(code, asked), kwargs)

    def streaming(self, model: str, messages: list[Any], *_: Any, **kwargs: Any) -> Iterator[GenericStreamingChunk]:
        """An answer as it comes."""
        code, asked = self._asked(model, messages, kwargs)
        return map(_chunk, custom_calls.complete_stream(code, asked))

    async def astreaming(
        self, model: str, messages: list[Any], *_: Any, **kwargs: Any
    ) -> AsyncIterator[GenericStreamingChunk]:
        """An answer as it comes."""
        code, asked = self._asked(model, messages, kwargs)
        async for chunk in custom_calls.acomplete_stream(code, asked):
            yield _chunk(chunk)

    def _asked(self, model: str, messages: list[Any], kwargs: Mapping[str, Any]) -> tuple[Implementation, Asked]:
        spec = self._registry.find_model(model.removeprefix(f"{PROVIDER}/"))
        code = None if spec is None else custom_calls.of_spec(spec, self._registry.snapshot)
        if spec is None or code is None:
            raise CustomLLMError(404, f"{model} is no model of this registry that is code")
        timeout = kwargs.get("timeout")
        parameters = {**(kwargs.get("optional_params") or {})}
        limit = float(timeout) if isinstance(timeout, int | float) else None
        return code, Asked(spec, limit, CustomCall(messages, parameters))


def _response(answer: Any, kwargs: Mapping[str, Any]) -> ModelResponse:
    if isinstance(answer, ModelResponse):
        return answer
    made = ModelResponse(**answer)
    given = kwargs.get("model_response")
    made.model = given.model if given is not None and given.model else made.model
    return made


def _chunk(chunk: Any) -> GenericStreamingChunk:
    choice = (field(chunk, "choices") or [{}])[0]
    delta, reason, usage = field(choice, "delta"), field(choice, "finish_reason"), field(chunk, "usage")
    calls = field(delta, "tool_calls")
    return GenericStreamingChunk(
        text=field(delta, "content") or "",
        tool_use=calls[0] if calls else None,
        is_finished=reason is not None,
        finish_reason=reason or "",
        usage=usage,
        index=0,
    )
