"""Which API a model speaks, what that API calls the standard parameters, and which of them it does not know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pointsman.catalog.spec import ModelSpec

# `openai` is everything that speaks OpenAI's chat completions, which is most; `reasoning` are OpenAI's models that think
# before they answer. Claude speaks `anthropic` wherever it runs; on Bedrock that is the body of InvokeModel. What others
# make and Bedrock serves speaks `converse`.
Api = Literal["openai", "reasoning", "anthropic", "converse", "gemini", "ollama", "cohere", "huggingface"]

# Names that mean the answer's size in any dialect; `max_tokens` is the standard one.
OUTPUT_LIMIT_NAMES = ("max_completion_tokens", "max_tokens", "max_output_tokens")

NAMES: Mapping[Api, Mapping[str, str]] = {
    "openai": {},
    "reasoning": {"max_tokens": "max_completion_tokens"},
    "anthropic": {"max_tokens": "max_tokens", "stop": "stop_sequences"},
    "converse": {"max_tokens": "max_tokens", "stop": "stop_sequences"},
    "gemini": {
        "max_tokens": "max_output_tokens",
        "stop": "stop_sequences",
        "n": "candidate_count",
        "logprobs": "response_logprobs",
        "top_logprobs": "logprobs",
    },
    "ollama": {"max_tokens": "num_predict"},
    "cohere": {"max_tokens": "max_tokens", "stop": "stop_sequences", "top_p": "p", "top_k": "k"},
    "huggingface": {"max_tokens": "max_new_tokens", "stop": "stop_sequences"},
}

# Standard parameters that an API answers with an error.
LACKS: Mapping[Api, frozenset[str]] = {
    "reasoning": frozenset(
        {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"}
    ),
    "anthropic": frozenset(
        {"n", "seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"}
    ),
}

_BY_PROVIDER: Mapping[str, Api] = {
    "anthropic": "anthropic",
    "bedrock": "converse",
    "gemini": "gemini",
    "google": "gemini",
    "vertex": "gemini",
    "vertex_ai": "gemini",
    "ollama": "ollama",
    "cohere": "cohere",
    "huggingface": "huggingface",
}
_HOSTS_OF_CLAUDE = frozenset({"bedrock", "google", "vertex", "vertex_ai"})
_HOSTS_OF_OPENAI = frozenset({"openai", "azure", "azure_openai"})
_REASONING = re.compile(r"(?:^|[/:])(?:o[1-9](?:-|$)|gpt-[5-9](?!.*chat))")

# What a model that declares one of these takes, whatever else its list of supported parameters leaves out.
_COMES_WITH = {
    "tools": "tools",
    "tool_choice": "tools",
    "parallel_tool_calls": "tools",
    "response_format": "json",
    "stream": "streaming",
}


def api_of(spec: ModelSpec) -> Api:
    """The API that serves this model."""
    name = spec.base or spec.name
    if spec.provider in _HOSTS_OF_OPENAI:
        return "reasoning" if _REASONING.search(name) else "openai"
    if spec.provider in _HOSTS_OF_CLAUDE and "claude" in f"{name} {spec.name} {spec.family}".lower():
        return "anthropic"
    return _BY_PROVIDER.get(spec.provider, "openai")


def names_for(spec: ModelSpec) -> Mapping[str, str]:
    """The provider's names for standard ones; a model's own `parameter_names` win."""
    names = NAMES[api_of(spec)]
    return {**names, **spec.parameter_names} if spec.parameter_names else names


def name_for(spec: ModelSpec, parameter: str) -> str:
    """The provider's name of one standard parameter."""
    names = names_for(spec)
    if parameter not in names and parameter in OUTPUT_LIMIT_NAMES:
        return names.get("max_tokens", "max_tokens" if parameter == "max_output_tokens" else parameter)
    return names.get(parameter, parameter)


def is_supported(spec: ModelSpec, parameter: object) -> bool:
    """Whether the model takes the parameter; unknown support permits, but a name is text."""
    if not isinstance(parameter, str) or parameter in spec.unsupported_parameters:
        return False
    if spec.supported_parameters is not None:
        declared = parameter in spec.supported_parameters or parameter in OUTPUT_LIMIT_NAMES
        return declared or (parameter in _COMES_WITH and spec.has_capability(_COMES_WITH[parameter]))
    return parameter not in LACKS.get(api_of(spec), ())
