"""Everything that is wrong with standard parameters for a model, found at once and before any call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pointsman.catalog.apis import OUTPUT_LIMIT_NAMES, api_of, is_supported
from pointsman.catalog.translation import UnreadableError, read_choice, read_format, read_tools

if TYPE_CHECKING:
    from pointsman.catalog.spec import ModelSpec

_SHOWN = 40


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


class _Range(NamedTuple):
    """A number from `low` to `high`, without an end where None."""

    low: float | None
    high: float | None
    whole: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.low is None:
            return kind
        return f"{kind} from {self.low:g}" + ("" if self.high is None else f" to {self.high:g}")

    def holds(self, value: Any) -> bool:
        """Whether the value is such a number; NaN is not."""
        kinds = int if self.whole else int | float
        if not isinstance(value, kinds) or isinstance(value, bool):
            return False
        above = self.low is None or self.low <= value
        return above and (self.high is None or value <= self.high)

    def limit_for(self, value: Any) -> float | None:
        """The end that a value is beyond."""
        below = isinstance(value, int | float) and self.low is not None and value < self.low
        return self.low if below else self.high


# OpenAI's ranges, which are the standard's; some APIs take less.
_RANGES: Mapping[str, _Range] = {
    "temperature": _Range(0, 2),
    "top_p": _Range(0, 1),
    "top_k": _Range(0, None, whole=True),
    "presence_penalty": _Range(-2, 2),
    "frequency_penalty": _Range(-2, 2),
    "n": _Range(1, None, whole=True),
    "top_logprobs": _Range(0, 20, whole=True),
    "seed": _Range(None, None, whole=True),
}
_NARROWER: Mapping[str, Mapping[str, _Range]] = {"anthropic": {"temperature": _Range(0, 1)}}
# How many stop words the providers take that count them.
_STOPS: Mapping[str, int] = {"openai": 4, "azure": 4, "azure_openai": 4, "gemini": 5, "vertex": 5, "vertex_ai": 5}
_KINDS: Mapping[str, tuple[type, str]] = {
    "stream": (bool, "true or false"),
    "logprobs": (bool, "true or false"),
    "parallel_tool_calls": (bool, "true or false"),
    "logit_bias": (Mapping, "a mapping from tokens to numbers"),
}
_READ: Mapping[str, Callable[[Any], Any]] = {
    "tools": read_tools,
    "tool_choice": read_choice,
    "response_format": read_format,
}


def check(spec: ModelSpec, parameters: Mapping[str, Any], *, input_tokens: int | None = None) -> list[ParameterIssue]:
    """Report everything wrong with these standard parameters for this model at once; empty when fine.

    A parameter that is None counts as not given, one that is not standard is the provider's business.

    Args:
        spec: the model.
        parameters: under their standard names.
        input_tokens: size of the prompt; when given, the window is checked too.
    """
    issues = []
    for name, value in parameters.items():
        if value is None:
            continue
        if not is_supported(spec, name):
            problem = f"{spec.key} does not support {_label(name)}"
            issues.append(ParameterIssue(name, value, None, problem, "leave it out, or let it be dropped"))
        else:
            issue = _wrong(spec, name, value)
            issues += [] if issue is None else [issue]
    if input_tokens is not None:
        issues += _check_window(spec, parameters, input_tokens)
    return issues


def _wrong(spec: ModelSpec, name: str, value: Any) -> ParameterIssue | None:
    span = _NARROWER.get(api_of(spec), {}).get(name) or _RANGES.get(name)
    if span is not None:
        return None if span.holds(value) else _misfit(name, value, str(span), span.limit_for(value))
    if name in _KINDS:
        kind, expected = _KINDS[name]
        return None if isinstance(value, kind) else _misfit(name, value, expected, None)
    if name in OUTPUT_LIMIT_NAMES:
        return _check_output_limit(spec, name, value)
    if name == "stop":
        return _check_stop(value, _STOPS.get(spec.provider))
    return _check_form(name, value)


def _check_form(name: str, value: Any) -> ParameterIssue | None:
    read = _READ.get(name)
    if read is not None:
        try:
            read(value)
        except UnreadableError as error:
            return ParameterIssue(name, value, None, f"{name} is {_found(value)}", str(error))
    return None


def _check_output_limit(spec: ModelSpec, name: str, value: Any) -> ParameterIssue | None:
    limit = spec.max_output_tokens
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        return _misfit(name, value, "a whole number of tokens above 0", limit)
    if limit is not None and value > limit:
        problem = f"{name} {_found(value)} exceeds the limit {limit} of {spec.key}"
        return ParameterIssue(name, value, limit, problem, f"ask for at most {limit}")
    return None


def _check_stop(value: Any, most: int | None) -> ParameterIssue | None:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not all(isinstance(each, str) and each for each in stops):
        return _misfit("stop", value, "text, or a list of texts that are not empty", most)
    if most is not None and len(stops) > most:
        return ParameterIssue("stop", value, most, f"stop lists {len(stops)} texts", f"at most {most} are taken")
    return None


def _check_window(spec: ModelSpec, parameters: Mapping[str, Any], input_tokens: Any) -> list[ParameterIssue]:
    """What the prompt leaves no room for; an answer whose size is not asked for needs one token at least."""
    if not isinstance(input_tokens, int) or isinstance(input_tokens, bool) or input_tokens < 0:
        return [_misfit("input_tokens", input_tokens, "a whole number of tokens", spec.context_window)]
    issues = []
    most = spec.max_input_tokens
    if most is not None and input_tokens > most:
        problem = f"{_found(input_tokens)} input tokens exceed the {most} that {spec.key} takes"
        issues.append(ParameterIssue("input_tokens", input_tokens, most, problem, "shorten the prompt"))
    asked = [value for name in OUTPUT_LIMIT_NAMES if isinstance(value := parameters.get(name), int)]
    answer = max(1, min(asked, default=1))
    window = spec.context_window
    if window is not None and input_tokens + answer > window:
        together = f"{_found(input_tokens)} input and {_found(answer)} output tokens"
        problem = f"{together} exceed the window {window} of {spec.key}"
        left = window - input_tokens
        hint = f"ask for at most {left} output tokens" if left > 0 else "shorten the prompt"
        issues.append(ParameterIssue("input_tokens", input_tokens, window, problem, hint))
    return issues


def _misfit(name: str, value: Any, expected: str, limit: Any) -> ParameterIssue:
    return ParameterIssue(name, value, limit, f"{name} is {_found(value)}", f"expected {expected}")


def _label(name: object) -> str:
    return name if isinstance(name, str) and len(name) <= _SHOWN else _found(name)


def _found(value: Any) -> str:
    """The value, if it is a short scalar; else only what kind of thing it is."""
    if isinstance(value, int) and not -(10**_SHOWN) < value < 10**_SHOWN:
        return f"a number of {value.bit_length()} bits"
    if not isinstance(value, str | int | float):
        return type(value).__name__
    text = repr(value)
    return text if len(text) <= _SHOWN else f"text of {len(text)} characters"
