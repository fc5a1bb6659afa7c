"""Which models can serve a request at all, by bitmasks; and for each that cannot, the check it failed and why.

One list of checks serves both: a check's mask decides, the same check's words explain. Fixed needs (everything that
does not depend on the prompt's size) are one cached mask per snapshot; sizes and costs come after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pointsman.catalog import capabilities as tree
from pointsman.catalog.parameters import OnUnsupported, is_supported
from pointsman.catalog.prices import call_cost
from pointsman.catalog.spec import ModelSpec
from pointsman.errors import InvalidRequestError
from pointsman.registry import pool_mask
from pointsman.snapshot import Snapshot, remember, set_bits
from pointsman.tokens import DEFAULT_RESERVE, FOREIGN_FACTOR, PromptSize, media_of
from pointsman.types import Request

OnUnknown = Literal["allow", "exclude"]
AUTO = "auto"

# Providers whose models tiktoken counts exactly.
_COUNTED_EXACTLY = frozenset({"openai", "azure", "azure_openai"})


@dataclass(frozen=True, slots=True)
class Rules:
    """How strictly requests are matched.

    Attributes:
        on_unknown: what an unknown limit, price or latency means for a request that bounds it.
        on_unsupported: what a parameter means that the model does not take; `exclude` makes it ineligible.
        max_cost: USD per request, on top of the request's own.
    """

    on_unknown: OnUnknown = "allow"
    on_unsupported: OnUnsupported = "drop"
    max_cost: float | None = None


class Exclusion(NamedTuple):
    """Why a model was left out: the check it failed and the reason in words."""

    check: str
    reason: str

    def __str__(self) -> str:
        return f"{self.check}: {self.reason}"


class Question(NamedTuple):
    """All that a check may look at."""

    snapshot: Snapshot
    request: Request
    needs: frozenset[str]
    size: PromptSize
    rules: Rules


class Check(NamedTuple):
    """One requirement: which models meet it, and what to say of those that do not."""

    name: str
    applies: Callable[[Question], bool]
    mask: Callable[[Question], int]
    reason: Callable[[ModelSpec, Question], str]


def eligible(question: Question) -> int:
    """The mask of models that can serve the request."""
    mask = _fixed_mask(question)
    for check in SIZED:
        if mask and check.applies(question):
            mask &= check.mask(question) if check is not COST else _affordable(question, mask)
    return mask


def excluded(question: Question) -> dict[str, Exclusion]:
    """For every registered model that cannot serve the request, the first check it fails."""
    snapshot = question.snapshot
    remaining = snapshot.live
    result: dict[str, Exclusion] = {}
    for check in (*FIXED, *SIZED):
        if not remaining or not check.applies(question):
            continue
        passed = check.mask(question) if check is not COST else _affordable(question, remaining)
        for bit in set_bits(remaining & ~passed):
            spec = snapshot.specs[bit]
            if spec is not None:
                result[spec.key] = Exclusion(check.name, check.reason(spec, question))
        remaining &= passed
    return result


def needs_of(request: Request) -> frozenset[str]:
    """The capabilities a request needs, said or implied by its tools, its response format and its media.

    Raises:
        InvalidRequestError: E4103, for a name that is no capability.
    """
    needs = request.needs
    if not needs and not request.tools and request.response_format is None and not request.messages:
        return frozenset()
    implied: set[str] = set()
    if request.tools:
        implied.add("tools")
    if request.response_format is not None:
        implied.add("json")
    if request.messages and not isinstance(request.messages, str):
        implied |= media_of(request.messages)
    if not needs and not implied:
        return frozenset()
    try:
        return frozenset(tree.canonical(need) for need in needs) | implied
    except ValueError as error:
        raise InvalidRequestError(str(error), field="needs") from None


# -- fixed needs


def _fixed_mask(question: Question) -> int:
    snapshot, request = question.snapshot, question.request
    key = (
        request.model,
        question.needs,
        request.exclude,
        request.providers,
        request.exclude_providers,
        request.expertise,
        request.input_modalities,
        request.output_modalities,
        request.language,
        request.region,
        request.min_size,
        request.max_size,
        request.context_length,
        request.max_latency,
        request.min_speed,
        question.rules.on_unknown,
        frozenset(request.parameters) if question.rules.on_unsupported == "exclude" else None,
    )
    mask = snapshot.memo.get(key)
    if mask is None:
        mask = snapshot.live
        for check in FIXED:
            if check.applies(question):
                mask &= check.mask(question)
        remember(snapshot.memo, key, mask)
    return int(mask)


def model_mask(snapshot: Snapshot, name: str) -> int:
    """What a request's `model` may mean: a pool, a key, a bare name or alias of any provider, or everything."""
    if name in snapshot.pools:
        return pool_mask(snapshot, name)
    mask = snapshot.mask_of([name])
    return snapshot.live if not mask and name == AUTO else mask


def _any_of(snapshot: Snapshot, prefix: str, values: Iterable[str]) -> int:
    mask = 0
    for value in values:
        mask |= snapshot.mask(f"{prefix}:{value}")
    return mask


def _all_of(snapshot: Snapshot, prefix: str, values: Iterable[str]) -> int:
    mask = snapshot.live
    for value in values:
        mask &= snapshot.mask(f"{prefix}:{value}")
    return mask


def _or_unknown(question: Question, mask: int, unknown: int) -> int:
    return mask | unknown if question.rules.on_unknown == "allow" else mask


def _at_least(question: Question, bound: str, value: float) -> int:
    known = question.snapshot.bound(bound)
    return _or_unknown(question, known.at_least(value), question.snapshot.live & ~known.known)


def _at_most(question: Question, bound: str, value: float) -> int:
    known = question.snapshot.bound(bound)
    return _or_unknown(question, known.at_most(value), question.snapshot.live & ~known.known)


def _size_mask(question: Question) -> int:
    # Unlike other bounds, an unknown size never satisfies a wish for a size.
    request, sizes = question.request, question.snapshot.bound("size_billions")
    mask = sizes.known
    if request.min_size is not None:
        mask &= sizes.at_least(request.min_size)
    if request.max_size is not None:
        mask &= sizes.at_most(request.max_size)
    return mask


def _status_reason(spec: ModelSpec, _: Question) -> str:
    return f"its status is {spec.status}" + (f": {spec.status_reason}" if spec.status_reason else "")


def _needs_reason(spec: ModelSpec, question: Question) -> str:
    have = tree.expand(spec.capabilities) | {f"feature:{name}" for name, on in spec.features.items() if on}
    return f"does not declare {', '.join(sorted(question.needs - have))}"


def _parameters_mask(question: Question) -> int:
    names = question.request.parameters
    return _mask_where(question.snapshot, lambda spec: all(is_supported(spec, name) for name in names))


def _mask_where(snapshot: Snapshot, test: Callable[[ModelSpec], bool]) -> int:
    mask = 0
    for bit, spec in snapshot.numbered():
        if test(spec):
            mask |= 1 << bit
    return mask


FIXED: tuple[Check, ...] = (
    Check(
        "model",
        lambda q: q.request.model is not None,
        lambda q: model_mask(q.snapshot, q.request.model or AUTO),
        lambda _, q: f"is not {q.request.model!r} nor in that pool",
    ),
    Check(
        "status",
        lambda _: True,
        lambda q: q.snapshot.mask("status:active") | q.snapshot.mask("status:deprecated"),
        _status_reason,
    ),
    Check(
        "excluded",
        lambda q: bool(q.request.exclude or q.request.exclude_providers),
        lambda q: (
            ~(q.snapshot.mask_of(q.request.exclude) | _any_of(q.snapshot, "provider", q.request.exclude_providers))
        ),
        lambda _, __: "the request excludes it",
    ),
    Check(
        "provider",
        lambda q: bool(q.request.providers),
        lambda q: _any_of(q.snapshot, "provider", q.request.providers),
        lambda spec, _: f"its provider is {spec.provider}",
    ),
    Check(
        "needs",
        lambda q: bool(q.needs),
        lambda q: _all_of(q.snapshot, "cap", q.needs),
        _needs_reason,
    ),
    Check(
        "kind",
        lambda q: not tree.names_a_kind(q.needs),
        lambda q: ~q.snapshot.mask("other kind"),
        lambda spec, _: f"is for {', '.join(spec.capabilities[:3])}, not for text",
    ),
    Check(
        "input modality",
        lambda q: bool(q.request.input_modalities),
        lambda q: _or_unknown(q, _all_of(q.snapshot, "in", q.request.input_modalities), q.snapshot.mask("unknown:in")),
        lambda spec, _: f"takes {', '.join(spec.input_modalities or ['what is not known'])}",
    ),
    Check(
        "output modality",
        lambda q: bool(q.request.output_modalities),
        lambda q: _or_unknown(
            q, _all_of(q.snapshot, "out", q.request.output_modalities), q.snapshot.mask("unknown:out")
        ),
        lambda spec, _: f"produces {', '.join(spec.output_modalities or ['what is not known'])}",
    ),
    Check(
        "expertise",
        lambda q: bool(q.request.expertise),
        lambda q: _or_unknown(
            q, _any_of(q.snapshot, "expertise", q.request.expertise), q.snapshot.mask("unknown:expertise")
        ),
        lambda _, q: f"is not known for {' or '.join(q.request.expertise)}",
    ),
    Check(
        "language",
        lambda q: q.request.language is not None,
        lambda q: _or_unknown(
            q, q.snapshot.mask(f"language:{q.request.language}"), q.snapshot.mask("unknown:language")
        ),
        lambda _, q: f"does not list {q.request.language}",
    ),
    Check(
        "region",
        lambda q: q.request.region is not None,
        lambda q: _or_unknown(q, q.snapshot.mask(f"region:{q.request.region}"), q.snapshot.mask("unknown:region")),
        lambda _, q: f"is not offered in {q.request.region}",
    ),
    Check(
        "size",
        lambda q: q.request.min_size is not None or q.request.max_size is not None,
        _size_mask,
        lambda spec, _: (
            f"has {spec.size_billions if spec.size_billions is not None else 'an unknown number of'} billion parameters"
        ),
    ),
    Check(
        "context length",
        lambda q: q.request.context_length is not None,
        lambda q: _at_least(q, "context_window", q.request.context_length or 0),
        lambda spec, q: f"its window of {_tokens(spec.context_window)} is below {q.request.context_length:,}",
    ),
    Check(
        "latency",
        lambda q: q.request.max_latency is not None,
        lambda q: _at_most(q, "latency_p50", q.request.max_latency or 0.0),
        lambda spec, q: f"its median latency of {spec.latency_p50} s is above {q.request.max_latency} s",
    ),
    Check(
        "speed",
        lambda q: q.request.min_speed is not None,
        lambda q: _at_least(q, "tokens_per_second", q.request.min_speed or 0.0),
        lambda spec, q: f"its {spec.tokens_per_second} tokens per second are below {q.request.min_speed}",
    ),
    Check(
        "parameters",
        lambda q: q.rules.on_unsupported == "exclude" and bool(q.request.parameters),
        _parameters_mask,
        lambda spec, q: (
            "does not support " + ", ".join(name for name in q.request.parameters if not is_supported(spec, name))
        ),
    ),
)

# -- sizes and costs


def reserve_for(spec: ModelSpec, request: Request) -> int:
    """Tokens kept free for the answer."""
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    limit = spec.max_output_tokens
    return DEFAULT_RESERVE if limit is None else min(limit, DEFAULT_RESERVE)


def counted_for(spec: ModelSpec, size: PromptSize) -> int:
    """The prompt's tokens as this model would count them: exact where the tokenizer is known, else with a margin."""
    if size.known or spec.provider in _COUNTED_EXACTLY:
        return size.count()
    return min(int(size.count() * FOREIGN_FACTOR) + 1, size.upper)


def _fits(spec: ModelSpec, request: Request, tokens: int) -> bool:
    if spec.max_input_tokens is not None and tokens > spec.max_input_tokens:
        return False
    return spec.context_window is None or tokens + reserve_for(spec, request) <= spec.context_window


def _window_mask(question: Question) -> int:
    """Models whose window holds prompt and answer: settled by bytes where they fit, by a count where they do not."""
    snapshot, request, size = question.snapshot, question.request, question.size
    reserve = DEFAULT_RESERVE if request.max_output_tokens is None else request.max_output_tokens
    windows, inputs = snapshot.bound("context_window"), snapshot.bound("max_input_tokens")
    by_bytes = (windows.at_least(size.upper + reserve) | (snapshot.live & ~windows.known)) & (
        inputs.at_least(size.upper) | (snapshot.live & ~inputs.known)
    )
    doubtful = snapshot.live & ~by_bytes & _fixed_mask(question)
    mask = by_bytes
    for bit in set_bits(doubtful):
        spec = snapshot.specs[bit]
        if spec is not None and _fits(spec, request, counted_for(spec, size)):
            mask |= 1 << bit
    if question.rules.on_unknown == "exclude":
        mask &= windows.known
    return mask


def _window_reason(spec: ModelSpec, question: Question) -> str:
    if spec.context_window is None:
        return "its window is not known"
    tokens = counted_for(spec, question.size)
    if spec.max_input_tokens is not None and tokens > spec.max_input_tokens:
        return f"{tokens:,} input tokens are more than the {spec.max_input_tokens:,} it takes"
    reserve = reserve_for(spec, question.request)
    return f"{tokens:,} input and {reserve:,} output tokens are more than its window of {spec.context_window:,}"


def _tokens(value: int | None) -> str:
    return "unknown size" if value is None else f"{value:,}"


def cost_bound(spec: ModelSpec, request: Request, input_tokens: int) -> float | None:
    """The most a call can cost in USD, as far as prices are known."""
    return call_cost(spec, input_tokens, reserve_for(spec, request)).total


def cost_limit(question: Question) -> float | None:
    """USD this request may cost."""
    limits = [each for each in (question.request.max_cost, question.rules.max_cost) if each is not None]
    return min(limits) if limits else None


def _affordable(question: Question, among: int) -> int:
    limit = cost_limit(question)
    mask = 0
    for bit in set_bits(among):
        spec = question.snapshot.specs[bit]
        if spec is None or limit is None:
            continue
        cost = cost_bound(spec, question.request, question.size.upper)
        if cost is not None and cost > limit and not question.size.known:
            cost = cost_bound(spec, question.request, counted_for(spec, question.size))
        if cost <= limit if cost is not None else question.rules.on_unknown == "allow":
            mask |= 1 << bit
    return mask


def _cost_reason(spec: ModelSpec, question: Question) -> str:
    cost = cost_bound(spec, question.request, counted_for(spec, question.size))
    limit = cost_limit(question)
    return "its price is not known" if cost is None else f"could cost ${cost:.6f}, more than ${limit:.6f}"


COST = Check(
    "cost",
    lambda q: q.request.max_cost is not None or q.rules.max_cost is not None,
    lambda q: _affordable(q, q.snapshot.live),
    _cost_reason,
)

SIZED: tuple[Check, ...] = (
    Check(
        "output tokens",
        lambda q: q.request.max_output_tokens is not None,
        lambda q: _at_least(q, "max_output_tokens", q.request.max_output_tokens or 0),
        lambda spec, q: (
            f"can produce {_tokens(spec.max_output_tokens)} tokens, fewer than {q.request.max_output_tokens:,}"
        ),
    ),
    Check("context window", lambda q: q.size.upper > 0, _window_mask, _window_reason),
    COST,
)


def by_check(exclusions: Mapping[str, Exclusion]) -> dict[str, int]:
    """How many models each check left out."""
    counts: dict[str, int] = {}
    for exclusion in exclusions.values():
        counts[exclusion.check] = counts.get(exclusion.check, 0) + 1
    return counts
