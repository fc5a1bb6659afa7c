"""Standard parameters for a model: defaults filled in, sizes clamped, names and values as its provider spells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pointsman.catalog.apis import OUTPUT_LIMIT_NAMES, api_of, is_supported, name_for, names_for
from pointsman.catalog.parameter_checks import ParameterIssue, check
from pointsman.catalog.translation import LISTS_STOPS, SHAPED, SHAPES, UnreadableError, shaped
from pointsman.errors import InvalidParametersError

if TYPE_CHECKING:
    from pointsman.catalog.spec import ModelSpec

__all__ = [
    "OUTPUT_LIMIT_NAMES",
    "Dialect",
    "OnUnsupported",
    "ParameterIssue",
    "check",
    "is_supported",
    "name_for",
    "names_for",
    "translate",
]

Dialect = Literal["provider", "openai"]
OnUnsupported = Literal["raise", "drop", "exclude"]

# Anthropic's API insists on `max_tokens`. Where nobody says how long an answer may be, this much or the model's limit.
REQUIRED_OUTPUT_TOKENS = 4_096


def translate(
    spec: ModelSpec,
    parameters: Mapping[str, Any],
    *,
    dialect: Dialect = "provider",
    on_unsupported: OnUnsupported = "raise",
) -> dict[str, Any]:
    """Say standard (OpenAI's) parameters to a model: defaults filled in, the answer's limit clamped to the model's.

    `dialect="openai"` keeps standard names and values, for callers such as LiteLLM that translate themselves: that
    must not happen twice, and doing this twice changes nothing. `dialect="provider"` also translates:

    - names by provider and family (`pointsman.catalog.apis.NAMES`), a model's own `parameter_names` first;
    - `tools`, `tool_choice`, `parallel_tool_calls` and `response_format` by value, for Anthropic's Messages (Claude on
      Bedrock and Vertex included), Gemini, Ollama, Cohere, and Bedrock's Converse (`toolConfig`, `outputConfig`) for
      what others than Anthropic make there; JSON is asked for only where it was asked for;
    - one stop word to a list of one where the API wants a list;
    - and gives Anthropic the `max_tokens` it insists on: at most 4,096 unless somebody says otherwise.

    Args:
        spec: the model.
        parameters: under their standard names; None counts as not given.
        dialect: whose names and values the result has.
        on_unsupported: `raise`, or leave out what the model does not take and what its API cannot be told.

    Raises:
        InvalidParametersError: E4104, naming every unsupported parameter, unless they are dropped; and tools, choices or
            formats that are not written as the standard has it, if they are to be translated.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    refused = [name for name in given if not is_supported(spec, name)]
    if refused and on_unsupported == "raise":
        raise InvalidParametersError(spec.key, check(spec, {name: given[name] for name in refused}))
    settled = _settled(spec, {name: value for name, value in given.items() if name not in refused})
    return settled if dialect == "openai" else _to_provider(spec, settled, on_unsupported)


def _settled(spec: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults filled in; of several names for the answer's limit one, the smallest, and no more than the model has."""
    limited = any(name in given for name in OUTPUT_LIMIT_NAMES)
    result = {
        name: value
        for name, value in spec.default_parameters.items()
        if value is not None and is_supported(spec, name) and not (limited and name in OUTPUT_LIMIT_NAMES)
    }
    result.update(given)
    limits = [name for name in OUTPUT_LIMIT_NAMES if name in result]
    if limits:
        values = [result[name] for name in limits]
        for name in limits[1:]:
            del result[name]
        if all(isinstance(value, int) for value in values):
            most = spec.max_output_tokens
            result[limits[0]] = min(values if most is None else [*values, most])
    return result


def _to_provider(spec: ModelSpec, settled: Mapping[str, Any], on_unsupported: OnUnsupported) -> dict[str, Any]:
    api = api_of(spec)
    own = spec.parameter_names
    result: dict[str, Any] = {}
    by_value: dict[str, Any] = {}
    for name, value in settled.items():
        if name in SHAPED and name not in own and api in SHAPES:
            by_value[name] = value
        elif name == "stop" and isinstance(value, str) and name not in own and api in LISTS_STOPS:
            result[name_for(spec, name)] = [value]
        else:
            result[name_for(spec, name)] = value
    if by_value:
        said, refused = shaped(api, by_value, spec)
        if any(on_unsupported == "raise" or isinstance(why, UnreadableError) for why in refused.values()):
            issues = [
                ParameterIssue(name, by_value[name], None, f"{name} cannot be said to {spec.key}", str(why))
                for name, why in refused.items()
            ]
            raise InvalidParametersError(spec.key, issues)
        result.update(said)
    if api == "anthropic":
        result.setdefault(
            name_for(spec, "max_tokens"), min(spec.max_output_tokens or REQUIRED_OUTPUT_TOKENS, REQUIRED_OUTPUT_TOKENS)
        )
    return result
