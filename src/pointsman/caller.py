"""The default caller: one attempt through LiteLLM's functions, imported when first used."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pointsman import custom_calls
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import MissingDependencyError, TruncatedStreamError
from pointsman.failover.steps import Attempt

# LiteLLM's names of providers, where they differ from ours.
_PREFIXES = {
    "azure_openai": "azure",
    "google": "gemini",
    "vertex": "vertex_ai",
    "together": "together_ai",
    "ollama": "ollama_chat",
}
_ADDRESS = {
    "api_base": "api_base",
    "api_version": "api_version",
    "region": "aws_region_name",
    "project_id": "vertex_project",
}


def litellm_model(spec: ModelSpec) -> str:
    """The model string LiteLLM knows a deployment by."""
    if spec.litellm_model is not None:
        return spec.litellm_model
    prefix = _PREFIXES.get(spec.provider, spec.provider)
    return f"{prefix}/{spec.deployment_name or spec.name}"


def reach(spec: ModelSpec) -> dict[str, Any]:
    """Arguments that lead LiteLLM to a deployment: its name there, address and key; retries are ours.

    Raises:
        MissingCredentialError: E4402, if the key's variable is not set.
    """
    arguments: dict[str, Any] = {"model": litellm_model(spec), "num_retries": 0, "max_retries": 0}
    for name, theirs in _ADDRESS.items():
        value = getattr(spec, name)
        if value is not None:
            arguments[theirs] = value
    key = spec.secret()
    if key is None and spec.api_base is not None:
        key = "none"  # servers of one's own take any key, but the client insists on one
    if key is not None:
        arguments["api_key"] = key
    return arguments


def litellm_arguments(attempt: Attempt) -> dict[str, Any]:
    """Arguments of `litellm.completion` for an attempt; retries are ours, so LiteLLM makes none.

    Raises:
        MissingCredentialError: E4402, if the key's variable is not set.
    """
    spec = attempt.spec
    arguments: dict[str, Any] = {**attempt.parameters, **reach(spec), "messages": attempt.messages}
    request = attempt.request
    if request.tools:
        arguments["tools"] = list(request.tools)
    if request.response_format is not None:
        arguments["response_format"] = request.response_format
    if attempt.client_timeout is not None:
        arguments["timeout"] = attempt.client_timeout
    return arguments


def complete(attempt: Attempt) -> Any:
    """Make the attempt and return LiteLLM's response, or what the model's own code answers."""
    own = custom_calls.implementation_of(attempt)
    if own is not None:
        return custom_calls.complete(own, custom_calls.asked_of(attempt))
    return litellm_module().completion(**litellm_arguments(attempt))


async def acomplete(attempt: Attempt) -> Any:
    """Make the attempt and return LiteLLM's response, or what the model's own code answers."""
    own = custom_calls.implementation_of(attempt)
    if own is not None:
        return await custom_calls.acomplete(own, custom_calls.asked_of(attempt))
    return await litellm_module().acompletion(**litellm_arguments(attempt))


def complete_stream(attempt: Attempt) -> Any:
    """Make the attempt and return LiteLLM's stream, or that of the model's own code."""
    own = custom_calls.implementation_of(attempt)
    if own is not None:
        return custom_calls.complete_stream(own, custom_calls.asked_of(attempt))
    return _Honest(litellm_module().completion(**litellm_arguments(attempt), **_STREAM))


async def acomplete_stream(attempt: Attempt) -> Any:
    """Make the attempt and return LiteLLM's stream, or that of the model's own code."""
    own = custom_calls.implementation_of(attempt)
    if own is not None:
        return custom_calls.acomplete_stream(own, custom_calls.asked_of(attempt))
    return _Honest(await litellm_module().acompletion(**litellm_arguments(attempt), **_STREAM))


_STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


class _Honest:
    """LiteLLM's stream, except that one which ended without a finish reason fails: LiteLLM makes one up."""

    __slots__ = ("_source",)

    def __init__(self, source: Any) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._checked(next(self._source))

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return self._checked(await anext(self._source))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._source.aclose()

    def _checked(self, chunk: Any) -> Any:
        """The chunk, unless it ends the stream for a reason that no provider gave."""
        if chunk.choices and chunk.choices[0].finish_reason is not None:
            # Private to LiteLLM; where a version has other names, streams end as it says.
            given = [
                getattr(self._source, name, "") for name in ("received_finish_reason", "intermittent_finish_reason")
            ]
            if given == [None, None]:
                raise TruncatedStreamError("the stream ended without a finish reason")
        return chunk


def text_of(response: Any) -> str:
    """The answer's text."""
    content = response.choices[0].message.content if response.choices else None
    return content if isinstance(content, str) else ""


def chunk_text(chunk: Any) -> str:
    """A chunk's text; empty for chunks that carry something else."""
    content = getattr(chunk.choices[0].delta, "content", None) if chunk.choices else None
    return content if isinstance(content, str) else ""


def litellm_module() -> Any:
    """LiteLLM, imported when it is first needed.

    Raises:
        MissingDependencyError: E4401.
    """
    # Without this LiteLLM fetches its price map from the network when it is imported; the user may say otherwise.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    ours = "litellm" not in sys.modules
    try:
        import litellm  # noqa: PLC0415  several seconds, and only needed for this
    except ImportError:
        raise MissingDependencyError("litellm") from None
    if ours:
        # Failures are failed over; advice on each of them on stdout helps nobody. A user's own import keeps its ways.
        litellm.suppress_debug_info = True
    return litellm
