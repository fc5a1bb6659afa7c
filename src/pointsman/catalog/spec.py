"""`ModelSpec`: everything that is known about one deployment of a model, as a frozen value."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pointsman.catalog import capabilities as tree
from pointsman.catalog.spellings import canonical_fields
from pointsman.errors import InvalidModelError, MissingCredentialError

Status = Literal["active", "deprecated", "disabled", "maintenance"]

# A key such as `openai:gpt-4o` is split at its first colon only when the left part is a provider; `llama3.1:8b` is a name.
KNOWN_PROVIDERS = frozenset(
    [
        "ai21",
        "anthropic",
        "azure",
        "azure_openai",
        "bedrock",
        "cerebras",
        "cohere",
        "custom",
        "databricks",
        "deepseek",
        "fake",
        "fireworks",
        "gemini",
        "github",
        "google",
        "groq",
        "huggingface",
        "hosted_vllm",
        "litellm",
        "llamacpp",
        "lmstudio",
        "local",
        "mistral",
        "nvidia",
        "ollama",
        "openai",
        "openrouter",
        "perplexity",
        "replicate",
        "sagemaker",
        "sambanova",
        "test",
        "together",
        "together_ai",
        "vertex",
        "vertex_ai",
        "vllm",
        "voyage",
        "watsonx",
        "xai",
    ]
)

Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(gt=0)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

_LONGEST_NAME = 80
# Of one entry; beyond so many, more problems help nobody.
_MOST_PROBLEMS = 50
# Asked for many times per call, so each spec remembers them.
_WORKED_OUT = ("key", "arm", "credential")
_PASSWORD = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#@]*:[^/?#]*@")
# Control characters, line ends and halves of pairs: names go into headers, logs and tables.
_NOT_IN_A_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENV = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*\Z")


class MaintenanceWindow(BaseModel):
    """A span of time in which a model is not to be used; times without a zone are UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    start: datetime
    end: datetime
    reason: str | None = None

    @field_validator("start", "end", mode="after")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"it ends {self.end:%Y-%m-%d %H:%M}, which is not after it starts")
        return self


class Evidence(BaseModel):
    """Where one fact comes from, and as of when."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: str | None = None
    as_of: date | None = None


class ModelSpec(BaseModel):
    """One deployment of a model: identity, abilities, limits, prices, lifecycle and how to reach it.

    What is not set is unknown: never zero, never a default that lies. Prices are USD per million tokens (per-token
    and per-thousand spellings are read too), latencies are seconds, scores are 0 to 1. The key is `provider:name`.

    Raises:
        InvalidModelError: E4003, naming the field, what was found and what was expected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    # identity
    name: Annotated[str, Field(min_length=1, max_length=256)]
    provider: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
    family: str | None = None
    display_name: str | None = None
    base: str | None = None
    serves: str | None = None
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    # abilities
    capabilities: tuple[str, ...] = ()
    features: dict[str, bool] = Field(default_factory=dict)
    constraints: dict[str, Any] = Field(default_factory=dict)
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    expertise: tuple[str, ...] | None = None
    quality: dict[str, Score] = Field(default_factory=dict)
    languages: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    size_billions: Positive | None = None
    delivery: Literal["sync", "async"] | None = None
    batch: bool | None = None
    memory_gb: Positive | None = None
    # limits
    context_window: Size | None = None
    max_input_tokens: Size | None = None
    max_output_tokens: Size | None = None
    rate_limit_rpm: Size | None = None
    rate_limit_tpm: Size | None = None
    # prices, USD per million tokens
    cost_per_1m_input_tokens: Price | None = None
    cost_per_1m_output_tokens: Price | None = None
    cached_cost_per_1m_input_tokens: Price | None = None
    batch_cost_per_1m_input_tokens: Price | None = None
    batch_cost_per_1m_output_tokens: Price | None = None
    long_context_threshold: Size | None = None
    long_context_cost_per_1m_input_tokens: Price | None = None
    long_context_cost_per_1m_output_tokens: Price | None = None
    # speed
    latency_p50: Price | None = None
    latency_p99: Price | None = None
    tokens_per_second: Positive | None = None
    # parameters and the API
    parameter_names: dict[str, str] = Field(default_factory=dict)
    default_parameters: dict[str, Any] = Field(default_factory=dict)
    supported_parameters: tuple[str, ...] | None = None
    unsupported_parameters: tuple[str, ...] = ()
    api_requirements: dict[str, Any] = Field(default_factory=dict)
    converter: str | None = None
    implementation: str | None = None
    litellm_model: str | None = None
    api_base: str | None = None
    api_key: str | None = None
    account: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    api_version: str | None = None
    deployment_name: str | None = None
    region: str | None = None
    project_id: str | None = None
    # lifecycle
    status: Status = "active"
    status_reason: str | None = None
    status_since: date | None = None
    deprecation_date: date | None = None
    sunset_date: date | None = None
    replacement: str | None = None
    maintenance: tuple[MaintenanceWindow, ...] = ()
    # routing
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    priority: int | None = None
    # evidence
    source: str | None = None
    as_of: date | None = None
    evidence: dict[str, Evidence] = Field(default_factory=dict)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise invalid_model(error, data.get("name") or data.get("model_id")) from None

    @model_validator(mode="before")
    @classmethod
    def _read_spellings(cls, data: Any) -> Any:
        return canonical_fields(data) if isinstance(data, Mapping) else data

    @field_validator("name", "aliases", "base", "serves", "family", "display_name", "account", mode="after")
    @classmethod
    def _names_are_one_line(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for text in (value,) if isinstance(value, str) else value or ():
            if found := _NOT_IN_A_NAME.search(text):
                shown = repr(text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "...")
                raise ValueError(f"the character {found.group()!a} in {shown}; expected a name that can be printed")
        return value

    @field_validator("capabilities", mode="after")
    @classmethod
    def _canonical_capabilities(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tree.canonical(each) for each in value))

    @field_validator("api_key", mode="before")
    @classmethod
    def _key_is_a_reference(cls, value: Any) -> Any:
        if value is not None and not (isinstance(value, str) and _ENV.match(value)):
            raise ValueError("expected a reference such as 'env:OPENAI_API_KEY', never the key itself")
        return value

    @field_validator("api_base", mode="after")
    @classmethod
    def _address_without_password(cls, value: str | None) -> str | None:
        if value is not None and _PASSWORD.match(value):
            raise ValueError("expected an address without a password; a key goes into api_key, as a reference")
        return value

    @model_validator(mode="after")
    def _facts_agree(self) -> Self:
        if self.latency_p50 is not None and self.latency_p99 is not None and self.latency_p50 > self.latency_p99:
            raise ValueError(f"latency_p50 {self.latency_p50} is above latency_p99 {self.latency_p99}")
        for name in self.evidence:
            if name not in type(self).model_fields:
                raise ValueError(f"evidence names {name!r}, which is no field of a model")
        if self.deprecation_date and self.sunset_date and self.sunset_date < self.deprecation_date:
            raise ValueError(f"sunset_date {self.sunset_date} is before deprecation_date {self.deprecation_date}")
        window, output = self.context_window, self.max_output_tokens
        if window is not None and output is not None and output > window:
            raise ValueError(f"max_output_tokens {output} is above context_window {window}")
        return self

    def __repr__(self) -> str:
        return f"ModelSpec({self.key!r})"

    def __iter__(self) -> Generator[tuple[str, Any], None, None]:
        """Fields and values, not what was worked out from them."""
        for name in type(self).model_fields:
            yield name, getattr(self, name)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy in which some fields are set, unchecked; what was worked out from the others is worked out anew."""
        copy = super().model_copy(update=update, deep=deep)
        for name in _WORKED_OUT:
            copy.__dict__.pop(name, None)
        return copy

    __str__ = __repr__

    @cached_property
    def key(self) -> str:
        """`provider:name`, which is unique in a registry."""
        return f"{self.provider}:{self.name}"

    @cached_property
    def arm(self) -> str:
        """What is learnt about: `serves` where it is set, else this deployment itself."""
        return self.serves or self.key

    @cached_property
    def credential(self) -> tuple[str, str | None, str | None]:
        """What shares a rate limit and a bill: provider, address, and account or key reference."""
        return (self.provider, self.api_base, self.account or self.api_key)

    @property
    def is_deprecated(self) -> bool:
        """Whether its status says so."""
        return self.status == "deprecated"

    @property
    def mean_quality(self) -> float | None:
        """The mean of the known quality dimensions."""
        return sum(self.quality.values()) / len(self.quality) if self.quality else None

    def quality_for(self, expertise: tuple[str, ...] | list[str] = ()) -> float | None:
        """The best known score among these dimensions, else the mean of all."""
        known = [self.quality[each] for each in expertise if each in self.quality]
        return max(known) if known else self.mean_quality

    def has_capability(self, capability: str) -> bool:
        """Whether the node, or one below it, is declared."""
        return tree.canonical(capability) in tree.expand(self.capabilities)

    def secret(self) -> str | None:
        """Read the key that `api_key` refers to.

        Raises:
            MissingCredentialError: E4402, naming the variable.
        """
        if self.api_key is None:
            return None
        variable = self.api_key.removeprefix("env:")
        value = os.environ.get(variable)
        if not value:
            raise MissingCredentialError(self.key, variable)
        return value


def split_key(text: str, providers: frozenset[str] | set[str] = KNOWN_PROVIDERS) -> tuple[str | None, str]:
    """Split `provider:name`; only a known provider counts, else the whole text is the name.

    >>> split_key("openai:gpt-4o"), split_key("llama3.1:8b")
    (('openai', 'gpt-4o'), (None, 'llama3.1:8b'))
    """
    left, colon, right = text.partition(":")
    return (left, right) if colon and right and left in providers else (None, text)


def invalid_model(error: ValidationError, name: object) -> InvalidModelError:
    """Say what pydantic found in our words: every field, never a value that could be a secret."""
    problems = []
    for each in error.errors(include_url=False, include_input=True)[:_MOST_PROBLEMS]:
        field = ".".join(str(part) for part in each["loc"]) or None
        problems.append(_problem(each, field, name))
    first = problems[0]
    return InvalidModelError(first.message, field=first.field, hint=first.hint, problems=problems)


def _problem(each: Any, field: str | None, name: object) -> InvalidModelError:
    of = f"model {name[:_LONGEST_NAME]!r}: " if isinstance(name, str) and name else "model: "
    match each["type"]:
        case "missing":
            return InvalidModelError(f"{of}{field!r} is missing", field=field, hint=f"add `{field}: ...`")
        case "extra_forbidden":
            near = nearest(str(field), ModelSpec.model_fields)
            return InvalidModelError(f"{of}{field!r} is no field of a model", field=field, hint=near)
        case "value_error":
            reason = str(each["ctx"]["error"])
            return InvalidModelError(f"{of}{field + ': ' if field else ''}{reason}", field=field)
        case _:
            return InvalidModelError(f"{of}{field}: {uncapitalized(each['msg'])}{_found(each, field)}", field=field)


def _found(each: Any, field: str | None) -> str:
    """Repeat a short scalar that was found, unless the field could hold a secret."""
    value = each.get("input")
    if field is None or "key" in field or not isinstance(value, str | int | float | bool):
        return f"; found {type(value).__name__}"
    text = repr(value)
    return f"; found {text}" if len(text) <= 40 else f"; found {type(value).__name__} of {len(text)} characters"


def uncapitalized(message: str) -> str:
    """A message for the middle of a line; a pattern in it stays as it is."""
    return message[:1].lower() + message[1:]


def nearest(name: str, names: Any) -> str | None:
    """A hint that names what looks most like `name`."""
    from difflib import get_close_matches  # noqa: PLC0415  only needed when something went wrong

    if len(name) > _LONGEST_NAME:  # nobody mistypes that much, and comparing takes time and memory
        return None
    close = get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]!r}?" if close else None
