"""Standard parameter names to each provider's, by provider and model; what a model refuses; what is too large."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pointsman.errors import InvalidParametersError

if TYPE_CHECKING:
    from pointsman.catalog.spec import ModelSpec

Dialect = Literal["provider", "openai"]
OnUnsupported = Literal["raise", "drop", "exclude"]

# Names that mean the answer's size in any dialect; `max_tokens` is the standard one.
OUTPUT_LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens")

_BEDROCK = {"stop": "stop_sequences"}
_GEMINI = {"max_tokens": "max_output_tokens", "stop": "stop_sequences", "n": "candidate_count"}
_OLLAMA = {"max_tokens": "num_predict"}

BY_PROVIDER: dict[str, Mapping[str, str]] = {
    "bedrock": _BEDROCK,
    "anthropic": {"stop": "stop_sequences"},
    "gemini": _GEMINI,
    "google": _GEMINI,
    "vertex": _GEMINI,
    "vertex_ai": _GEMINI,
    "ollama": _OLLAMA,
    "huggingface": {"max_tokens": "max_new_tokens", "stop": "stop_sequences"},
    "cohere": {"stop": "stop_sequences", "top_p": "p", "top_k": "k"},
}

# OpenAI's reasoning models, also behind Azure: `max_tokens` is refused, and so are the sampling parameters.
_REASONING = re.compile(r"(?:^|[/:])(?:o[1-9](?:-|$)|gpt-[5-9](?!.*chat))")
_REASONING_NAMES = {"max_tokens": "max_completion_tokens"}
_REASONING_REFUSES = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs"})
_OPENAI_LIKE = frozenset({"openai", "azure", "azure_openai"})


@dataclass(frozen=True, slots=True)
class ParameterIssue:
    """One thing wrong with one parameter: what was given, what the limit is, and what to do."""

    parameter: str
    value: Any
    limit: Any
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.problem} ({self.hint})" if self.hint else self.problem


def names_for(spec: ModelSpec) -> Mapping[str, str]:
    """The provider's names for standard ones; a model's own `parameter_names` win."""
    names: Mapping[str, str] = BY_PROVIDER.get(spec.provider, {})
    if is_reasoning_model(spec):
        names = _REASONING_NAMES
    return {**names, **spec.parameter_names} if spec.parameter_names else names


def is_reasoning_model(spec: ModelSpec) -> bool:
    """Whether this is one of OpenAI's models that think before they answer."""
    return spec.provider in _OPENAI_LIKE and _REASONING.search(spec.base or spec.name) is not None


def is_supported(spec: ModelSpec, parameter: str) -> bool:
    """Whether the model takes the parameter; unknown support permits."""
    if parameter in spec.unsupported_parameters:
        return False
    if spec.supported_parameters is not None:
        return parameter in spec.supported_parameters or parameter in OUTPUT_LIMIT_NAMES
    return not (parameter in _REASONING_REFUSES and is_reasoning_model(spec))


def check(spec: ModelSpec, parameters: Mapping[str, Any]) -> list[ParameterIssue]:
    """Report everything wrong with these standard parameters for this model at once; empty when fine."""
    issues = []
    for name, value in parameters.items():
        if not is_supported(spec, name):
            problem = f"{spec.key} does not support {name}"
            issues.append(ParameterIssue(name, value, None, problem, "leave it out, or let it be dropped"))
        elif name in OUTPUT_LIMIT_NAMES:
            issues.extend(_check_output_limit(spec, name, value))
    return issues


def _check_output_limit(spec: ModelSpec, name: str, value: Any) -> list[ParameterIssue]:
    limit = spec.max_output_tokens
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        problem = f"{name} is {value!r}, expected a whole number of tokens above 0"
        return [ParameterIssue(name, value, limit, problem, "")]
    if limit is not None and value > limit:
        problem = f"{name} {value} exceeds the limit {limit} of {spec.key}"
        return [ParameterIssue(name, value, limit, problem, f"ask for at most {limit}")]
    return []


def translate(
    spec: ModelSpec,
    parameters: Mapping[str, Any],
    *,
    dialect: Dialect = "provider",
    on_unsupported: OnUnsupported = "raise",
) -> dict[str, Any]:
    """Rename standard parameters for the model, defaults filled in, unsupported ones raised or dropped.

    `dialect="openai"` keeps standard names, for callers such as LiteLLM that rename themselves: mapping must not
    happen twice. The answer's limit is clamped to what the model can produce.

    Raises:
        InvalidParametersError: E4104, for unsupported parameters unless they are dropped.
    """
    refused = [name for name in parameters if not is_supported(spec, name)]
    if refused and on_unsupported == "raise":
        raise InvalidParametersError(spec.key, check(spec, {name: parameters[name] for name in refused}))
    names = names_for(spec) if dialect == "provider" else {}
    result: dict[str, Any] = {}
    for name, value in {**spec.default_parameters, **parameters}.items():
        if name in refused:
            continue
        clamped = value
        if name in OUTPUT_LIMIT_NAMES and isinstance(value, int) and spec.max_output_tokens is not None:
            clamped = min(value, spec.max_output_tokens)
        result[_renamed(name, names)] = clamped
    return result


def _renamed(name: str, names: Mapping[str, str]) -> str:
    if name in names:
        return names[name]
    if name in OUTPUT_LIMIT_NAMES and "max_tokens" in names:
        return names["max_tokens"]
    return name
