"""Reads LangChain's answers and chunks, and writes the record of a routed call into exactly one place of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompt_values import PromptValue
from pydantic import BaseModel

from pointsman.failover.readings import Reading, read
from pointsman.failover.steps import CallRecord
from pointsman.learning.rewards import cost_of

RECORD = "pointsman"

ModelT = TypeVar("ModelT", bound=BaseModel)

# Where partner packages say why an answer ended.
_REASONS = ("finish_reason", "stop_reason", "done_reason", "stopReason", "status")


def _say_why() -> frozenset[str]:
    """Providers whose streams always say why they end, so that a silent end is a broken stream."""
    known = {"openai", "azure", "anthropic"}
    try:
        major, minor = version("langchain-litellm").split(".")[:2]
        if (int(major), int(minor)) >= (0, 8):  # before that, ChatLiteLLM kept the reason to itself
            known.add("litellm")
    except (PackageNotFoundError, ValueError):
        pass
    return frozenset(known)


_SAY_WHY = _say_why()
_REASON_WORDS = {"completed": "stop", "in_progress": None, "STOP": "stop"}


def read_result(result: Any) -> Reading:
    """Read a chat model's result."""
    if not isinstance(result, ChatResult) or not result.generations:
        return Reading(judged=False)
    generation = result.generations[0]
    return read_message(generation.message, generation.generation_info)


def read_chunk(chunk: Any) -> Reading:
    """Read a chunk of a chat model's stream."""
    if not isinstance(chunk, ChatGenerationChunk):
        return read_output(chunk)
    return read_message(chunk.message, chunk.generation_info)


def read_output(value: Any) -> Reading:
    """Read what any Runnable returned: messages and text are judged, the rest is taken as it is."""
    if isinstance(value, BaseMessage):
        return read_message(value)
    return read(value)


def read_message(message: BaseMessage, info: Mapping[str, Any] | None = None) -> Reading:
    """Read an answer, or a part of one."""
    metadata = message.response_metadata
    is_chunk = isinstance(message, AIMessageChunk)
    usage: Mapping[str, Any] = getattr(message, "usage_metadata", None) or {}
    return Reading(
        content=_has_content(message),
        tool_call=_has_tool_call(message),
        finish_reason=_reason(info, metadata),
        says_why_it_ends=is_chunk and metadata.get("model_provider") in _SAY_WHY,
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        cached=usage.get("total_cost") == 0,
        headers=message if "headers" in metadata else False,
    )


def _has_content(message: BaseMessage) -> bool:
    content = message.content
    if isinstance(content, str):
        if content:
            return True
    elif any(_says_something(block) for block in content):
        return True
    extra = message.additional_kwargs
    return bool(extra) and any(extra.get(name) for name in ("reasoning_content", "refusal", "audio", "parsed"))


def _says_something(block: Any) -> bool:
    if isinstance(block, str):
        return bool(block)
    return not (block.get("type") == "text" and not block.get("text"))


def _has_tool_call(message: BaseMessage) -> bool:
    # Pydantic takes long to say that there is no such field, so nobody is asked for what it cannot have.
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        return True
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return True
    return bool(message.additional_kwargs) and bool(message.additional_kwargs.get("function_call"))


def _reason(*sources: Mapping[str, Any] | None) -> str | None:
    for source in sources:
        for name in _REASONS if source else ():
            value = source.get(name) if source else None
            if isinstance(value, str):
                return _REASON_WORDS.get(value, value)
    return None


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) else None


# -- the record


def facts_of(record: CallRecord) -> dict[str, Any]:
    """What became of a call, as an answer's `response_metadata["pointsman"]` says it."""
    last = record.attempts[-1]
    return {
        "decision_id": record.decision.id,
        "model": last.attempt.model,
        "attempts": len(record.attempts),
        "cost": cost_of(last.attempt.spec, last.outcome),
        "probability": record.decision.probability,
    }


def with_record(result: ChatResult, record: CallRecord) -> ChatResult:
    """Write the record into copies of the messages: the originals may live on in a cache."""
    facts = facts_of(record)
    named = (result.llm_output or {}).get("model_name")
    generations = []
    for generation in result.generations:
        metadata = {**generation.message.response_metadata, RECORD: facts}
        if named is None:
            metadata.setdefault("model_name", record.spec.name)
        message = _copied(generation.message, response_metadata=metadata)
        generations.append(_copied(generation, message=message))
    return _copied(result, generations=generations)


def _copied(model: ModelT, **changes: Any) -> ModelT:
    """What `model_copy(update=changes)` gives, in half the time; three are made for each answer."""
    copied = model.__copy__()
    vars(copied).update(changes)
    copied.model_fields_set.update(changes)
    return copied


class RecordWriter:
    """Passes a stream's chunks on and writes the record into the last one, without holding back any content.

    Metadata of chunks is merged (texts are concatenated, numbers added), so the record may stand on one chunk only. A
    chunk that says that it is the last, or that has no content, is held back until the next one comes.
    """

    def __init__(self) -> None:
        self._held: ChatGenerationChunk | None = None
        self._named = False
        self._empty: Any = ""

    def feed(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """Take a chunk in; what may be passed on comes out."""
        if self._held is not None:
            yield self._held
            self._held = None
        message, info = chunk.message, chunk.generation_info
        self._named = self._named or "model_name" in message.response_metadata or "model_name" in (info or {})
        self._empty = "" if isinstance(message.content, str) else []
        last = getattr(message, "chunk_position", None) == "last"
        if last or not (_has_content(message) or _has_tool_call(message)):
            self._held = chunk
        else:
            yield chunk

    def finish(self, record: CallRecord) -> ChatGenerationChunk:
        """The stream is complete; the answer is its last chunk."""
        chunk = self._held
        if chunk is None:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=self._empty, chunk_position="last"))
        metadata = {**chunk.message.response_metadata, RECORD: facts_of(record)}
        if not self._named:
            metadata["model_name"] = record.spec.name
        message = chunk.message.model_copy(update={"response_metadata": metadata})
        return chunk.model_copy(update={"message": message})


def as_chunk(message: BaseMessage, info: Mapping[str, Any] | None) -> ChatGenerationChunk:
    """Turn a whole answer into a stream of one chunk."""
    given = (
        message.model_dump(exclude={"type", "tool_calls", "invalid_tool_calls"})
        if isinstance(message, AIMessage)
        else {}
    )
    chunk = AIMessageChunk(**(given or {"content": message.content}), chunk_position="last")
    if isinstance(message, AIMessage):
        chunk.tool_calls, chunk.invalid_tool_calls = message.tool_calls, message.invalid_tool_calls
        chunk.tool_call_chunks = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
            for index, call in enumerate(message.tool_calls)
        ]
    return ChatGenerationChunk(message=chunk, generation_info=dict(info) if info else None)


# -- what a Runnable is asked


def messages_of(value: Any) -> Sequence[Any]:
    """The messages in a Runnable's input, as far as one can tell; for sizes and media."""
    match value:
        case PromptValue():
            return value.to_messages()
        case BaseMessage():
            return [value]
        case str():
            return [HumanMessage(value)]
        case Mapping():
            texts = [HumanMessage(each) for each in value.values() if isinstance(each, str)]
            inner = value.get("messages")
            return texts if inner is None or isinstance(inner, str) else [*messages_of(inner), *texts]
        case Sequence():
            return [each if isinstance(each, BaseMessage | Mapping) else HumanMessage(str(each)) for each in value]
    return []
