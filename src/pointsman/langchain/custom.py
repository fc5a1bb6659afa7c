"""`CustomChatModel`: a model that is code, as a LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    UsageMetadata,
    convert_to_messages,
    convert_to_openai_messages,
)
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from pointsman import custom_calls
from pointsman.catalog.spec import ModelSpec
from pointsman.custom import CustomCall, Implementation
from pointsman.custom_calls import Asked
from pointsman.failover.readings import field


class CustomChatModel(BaseChatModel):
    """A model's own code behind LangChain's interface; it takes `timeout=` and keeps it.

    Attributes:
        implementation: the code.
        spec: the model it is.
    """

    implementation: Any
    spec: ModelSpec

    @property
    def _llm_type(self) -> str:
        return "pointsman-custom"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.spec.key}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Hand the tools over in OpenAI's form, as `tools`."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  LangChain's own layers tell it
        **kwargs: Any,
    ) -> ChatResult:
        return _result(custom_calls.complete(self._code, self._asked(messages, stop, kwargs)))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  likewise
        **kwargs: Any,
    ) -> ChatResult:
        return _result(await custom_calls.acomplete(self._code, self._asked(messages, stop, kwargs)))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for each in custom_calls.complete_stream(self._code, self._asked(messages, stop, kwargs)):
            chunk = _chunk(each)
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for each in custom_calls.acomplete_stream(self._code, self._asked(messages, stop, kwargs)):
            chunk = _chunk(each)
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    @property
    def _code(self) -> Implementation:
        code: Implementation = self.implementation
        return code

    def _asked(self, messages: list[BaseMessage], stop: list[str] | None, given: Mapping[str, Any]) -> Asked:
        parameters = {name: value for name, value in given.items() if name not in ("timeout", "stream")}
        if stop:
            parameters["stop"] = stop
        return Asked(self.spec, given.get("timeout"), CustomCall(convert_to_openai_messages(messages), parameters))


def _result(response: Any) -> ChatResult:
    choice = (field(response, "choices") or [{}])[0]
    reason = field(choice, "finish_reason")
    message = convert_to_messages([_plain(field(choice, "message"))])[0]
    if isinstance(message, AIMessage):
        message.usage_metadata = _usage(response)
        message.response_metadata = {"finish_reason": reason, "model_name": field(response, "model")}
    return ChatResult(generations=[ChatGeneration(message=message, generation_info={"finish_reason": reason})])


def _plain(message: Any) -> dict[str, Any]:
    calls = field(message, "tool_calls")
    plain: dict[str, Any] = {"role": "assistant", "content": field(message, "content") or ""}
    if calls:
        plain["tool_calls"] = [call if isinstance(call, Mapping) else call.model_dump() for call in calls]
    return plain


def _chunk(chunk: Any) -> ChatGenerationChunk:
    choice = (field(chunk, "choices") or [{}])[0]
    delta, reason = field(choice, "delta"), field(choice, "finish_reason")
    calls = [
        tool_call_chunk(
            name=field(field(call, "function"), "name"),
            args=field(field(call, "function"), "arguments"),
            id=field(call, "id"),
            index=field(call, "index"),
        )
        for call in field(delta, "tool_calls") or ()
    ]
    message = AIMessageChunk(
        content=field(delta, "content") or "",
        tool_call_chunks=calls,
        usage_metadata=_usage(chunk),
        response_metadata={"finish_reason": reason} if reason else {},
    )
    return ChatGenerationChunk(message=message, generation_info={"finish_reason": reason} if reason else None)


def _usage(response: Any) -> UsageMetadata | None:
    usage = field(response, "usage")
    counts = [field(usage, name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(isinstance(count, int) for count in counts):
        return None
    return UsageMetadata(input_tokens=counts[0], output_tokens=counts[1], total_tokens=sum(counts))
