"""The words every layer shares: what a call needs (`Request`), how it went (`Outcome`), and what time is (`Clock`)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any, Protocol

from pointsman.arguments import expect
from pointsman.errors import InvalidFeedbackError, InvalidRequestError
from pointsman.wishes import read_size, read_soft, read_weights

Messages = Sequence[Mapping[str, Any]]

_SETS = (
    "needs",
    "input_modalities",
    "output_modalities",
    "providers",
    "prefer",
    "exclude",
    "prefer_providers",
    "exclude_providers",
)
_COUNTS = ("input_tokens", "max_output_tokens", "context_length")
_AMOUNTS = ("max_cost", "max_latency", "min_speed", "min_size", "max_size")
_LISTS = frozenset({tuple, list})
_TEXTS = ("language", "region", "tenant", "session")
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class Clock(Protocol):
    """Where time comes from; `pointsman.testing.FakeClock` is the one for tests."""

    def monotonic(self) -> float:
        """Seconds that only grow; for durations, deadlines and cool-downs."""
        ...

    def time(self) -> float:
        """Seconds since the epoch; for records that people read."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait in this thread."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Wait in this task."""
        ...


class SystemClock:
    """The machine's own time."""

    def __init__(self) -> None:
        self.monotonic = time.monotonic
        self.time = time.time
        self.sleep = time.sleep

    async def asleep(self, seconds: float) -> None:
        """Wait in this task."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Request:
    """What one call needs. Everything is optional; unset means "no wish".

    Attributes:
        messages: OpenAI-style messages, or a string as one user message.
        model: a name, a key `provider:name`, an alias or a pool; unset means every model.
        needs: capabilities, all required (`"tools"`, `"generation.text"`, `"feature:x"`).
        input_tokens: the prompt's size where it is known already; else it is bounded and counted.
        max_output_tokens: room the answer may take; also read from `parameters`.
        context_length: window the model must at least have.
        parameters: standard (OpenAI's) names; they are checked and renamed per model.
        tools: tool definitions that will be sent; they count as tokens and need `tools`.
        response_format: as in OpenAI's API; needs `json`.
        expertise: any of these; also picks the quality dimension that priors use.
        min_size: billions of parameters, as `max_size`; texts such as `"7B"`, `"8x7B"` and `"500M"` are read.
        max_cost: USD for this call, upper bound.
        max_latency: seconds, against the model's median.
        min_speed: tokens per second.
        providers: only these.
        prefer: models to put first among the eligible ones, as `prefer_providers`.
        exclude: models never to use, as `exclude_providers`.
        tenant: whose budget and cache this is.
        session: calls of one session stay on one model while it can serve.
        soft: requirements that may be relaxed when nobody can serve the request, first to go first (`"max_latency"`,
            `"region"`; see `pointsman.wishes.SOFT`). Unset means what the router's `relax:` says, `()` nothing.
        weights: what `adaptive` weighs `quality`, `cost` and `latency` at for this request, such as
            `{"quality": 1, "cost": 2}`; what is not named stays as the policy is set.
        features: an embedding of the prompt for contextual policies, instead of ours.
        cache: whether this may be answered from the router's cache and kept there; None leaves it to `cache: {when:}`.
    """

    messages: Messages | str | None = None
    model: str | None = None
    needs: frozenset[str] | Iterable[str] = frozenset()
    input_tokens: int | None = None
    max_output_tokens: int | None = None
    context_length: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Any] = ()
    response_format: Any = None
    expertise: Sequence[str] | str = ()
    min_size: float | str | None = None
    max_size: float | str | None = None
    max_cost: float | None = None
    max_latency: float | None = None
    min_speed: float | None = None
    input_modalities: frozenset[str] | Iterable[str] = frozenset()
    output_modalities: frozenset[str] | Iterable[str] = frozenset()
    language: str | None = None
    region: str | None = None
    providers: frozenset[str] | Iterable[str] = frozenset()
    prefer: frozenset[str] | Iterable[str] = frozenset()
    exclude: frozenset[str] | Iterable[str] = frozenset()
    prefer_providers: frozenset[str] | Iterable[str] = frozenset()
    exclude_providers: frozenset[str] | Iterable[str] = frozenset()
    tenant: str | None = None
    session: str | None = None
    soft: Iterable[str] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    features: Sequence[float] | None = None
    cache: bool | None = None

    def __post_init__(self) -> None:
        """Normalise collections and refuse values that could never be meant."""
        for name in _SETS:
            value = getattr(self, name)
            if type(value) is not frozenset:
                object.__setattr__(self, name, _names(name, value))
        if type(self.expertise) is not tuple:
            object.__setattr__(self, "expertise", _listed("expertise", self.expertise))
        if type(self.messages) is not list:
            self._read_messages(self.messages)
        self._check_kinds()
        if self.max_output_tokens is None and self.parameters:
            limits = (self.parameters.get(name) for name in _OUTPUT_LIMITS)
            object.__setattr__(self, "max_output_tokens", next((it for it in limits if isinstance(it, int)), None))
        if self.min_size is not None or self.max_size is not None:
            object.__setattr__(self, "min_size", read_size("min_size", self.min_size))
            object.__setattr__(self, "max_size", read_size("max_size", self.max_size))
        if self.soft is not None:
            object.__setattr__(self, "soft", read_soft(self.soft))
        if self.weights:
            object.__setattr__(self, "weights", read_weights(self.weights))
        self._check_values()

    def _read_messages(self, value: object) -> None:
        if isinstance(value, str):
            object.__setattr__(self, "messages", [{"role": "user", "content": value}])
        elif value is not None and (isinstance(value, bytes | bytearray) or not isinstance(value, Sequence)):
            wrong = f"messages is of type {type(value).__name__}"  # never what it holds: that may be a prompt
            raise InvalidRequestError(f"{wrong}; expected text or a list of messages", field="messages")

    def _check_kinds(self) -> None:
        if type(self.parameters) is not dict and not isinstance(self.parameters, Mapping):
            raise _refused("parameters", self.parameters, "a mapping of names to values")
        if self.tools is None:
            object.__setattr__(self, "tools", ())
        elif type(self.tools) not in _LISTS:
            _check_list("tools", self.tools, "a list of tool definitions")
        if self.features is not None:
            _check_list("features", self.features, "a list of numbers")
        if self.language is not None or self.region is not None or self.tenant is not None or self.session is not None:
            for name in _TEXTS:
                value = getattr(self, name)
                if value is not None and not isinstance(value, str):
                    raise _refused(name, value, "a text")
        if self.cache is not None and type(self.cache) is not bool:
            raise InvalidRequestError(f"cache is {self.cache!r}; expected True, False or None", field="cache")

    def _check_values(self) -> None:
        if self.model is not None and not isinstance(self.model, str):
            found = type(self.model).__name__
            raise InvalidRequestError(f"model is of type {found}; expected a model's or a pool's name", field="model")
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
                raise InvalidRequestError(f"{name} is {value!r}; expected a whole number of tokens", field=name)
        for name in _AMOUNTS:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | float) or not math.isfinite(value) or value < 0):
                raise InvalidRequestError(f"{name} is {value!r}; expected a number that is not negative", field=name)

    def __repr__(self) -> str:
        """Name what was asked for, never the prompt."""
        shown = []
        for name in REQUEST_FIELDS:
            value = getattr(self, name)
            if name in {"messages", "tools"} and value:
                shown.append(f"{name}=<{len(value)}>")
            elif name in {"parameters", "response_format", "features"} and value:
                shown.append(f"{name}=<set>")
            elif value not in (None, frozenset(), (), {}) and name != "parameters":
                shown.append(f"{name}={sorted(value) if isinstance(value, frozenset) else value!r}")
        return f"Request({', '.join(shown)})"

    def replace(self, **changes: Any) -> Request:
        """Copy the request with some fields changed."""
        return replace(self, **changes)


REQUEST_FIELDS = tuple(each.name for each in fields(Request))


def _names(name: str, value: Any) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset((value,))
    try:
        names = frozenset(value)
    except TypeError:
        raise InvalidRequestError(f"{name} is {value!r}; expected names", field=name) from None
    if not all(isinstance(each, str) for each in names):
        raise InvalidRequestError(f"{name} holds something that is not a name", field=name, hint="use strings")
    return names


def _listed(name: str, value: Any) -> tuple[str, ...]:
    """Names in the order they were given."""
    names = _names(name, value)
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(each for each in value if each in names))


def _check_list(name: str, value: Any, wanted: str) -> None:
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__") or not hasattr(value, "__len__"):
        raise _refused(name, value, wanted)


def _refused(name: str, value: object, wanted: str) -> InvalidRequestError:
    """The error for a value of another type; what it holds is not repeated."""
    return InvalidRequestError(f"{name} is of type {type(value).__name__}; expected {wanted}", field=name)


def is_score(value: object) -> bool:
    """Whether this is a quality in 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one attempt went. Unset means unknown, never zero.

    Attributes:
        input_tokens: as the provider counted them, likewise `output_tokens`.
        seconds: from sending to the last byte.
        ttft: seconds to the first meaningful chunk.
        cost: USD; computed from tokens and prices when unset.
        error: the exception, if it failed.
        score: quality in 0 to 1, if it is known already.
        finish_reason: as the provider said.
        cached: answered from a cache; teaches nothing.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    ttft: float | None = None
    cost: float | None = None
    error: BaseException | None = None
    score: float | None = None
    finish_reason: str | None = None
    cached: bool = False

    def __post_init__(self) -> None:
        """Refuse what would teach nonsense; what providers count is taken as it comes, `observe` checks it."""
        if self.score is not None and not is_score(self.score):
            raise InvalidFeedbackError(f"the score is {self.score!r}; expected a number from 0 to 1")

    def __repr__(self) -> str:
        given = ((each.name, getattr(self, each.name)) for each in fields(self))
        # An error by its type alone: what a provider's error says may quote the prompt, or a key.
        shown = (f"{n}={type(v).__name__ if n == 'error' else repr(v)}" for n, v in given if v is not None)
        return f"Outcome({', '.join(shown)})"

    @property
    def ok(self) -> bool:
        """Whether the attempt delivered an answer."""
        return self.error is None


_PLAIN = frozenset({int, float})


def check_outcome(outcome: Outcome) -> None:
    """Refuse an outcome that could not have been measured, before anybody learns from it.

    Raises:
        TypeError: it is no outcome.
        InvalidFeedbackError: E4303, naming the field.
    """
    expect(outcome, Outcome, "outcome", "a pointsman.Outcome")
    for number in (outcome.input_tokens, outcome.output_tokens, outcome.seconds, outcome.ttft, outcome.cost):
        if number is not None and (type(number) not in _PLAIN or not 0 <= number < math.inf):
            _check_numbers(outcome)
    error: Any = outcome.error
    if error is not None and not isinstance(error, BaseException):
        raise InvalidFeedbackError(
            f"error of the outcome is of type {type(error).__name__}; expected the exception that was raised",
            hint="RuntimeError(...) will do where there was none",
        )


def _check_numbers(outcome: Outcome) -> None:
    for name in ("input_tokens", "output_tokens", "seconds", "ttft", "cost"):
        value: Any = getattr(outcome, name)
        wrong = isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < math.inf
        if value is not None and wrong:
            raise InvalidFeedbackError(
                f"{name} of the outcome is {_shown(value)}; expected a number that is not negative",
                hint="leave out what was not measured",
            )


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, Real) else f"of type {type(value).__name__}"
