"""Sizes and costs: the checks that look at the prompt. Bytes settle what fits, only a count excludes."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.catalog.prices import call_cost
from pointsman.catalog.spec import ModelSpec
from pointsman.eligibility.calibration import factor_for
from pointsman.eligibility.question import NOTHING_LEARNT, Check, Question, at_least, in_words
from pointsman.eligibility.requirements import fixed_mask
from pointsman.eligibility.tokens import DEFAULT_RESERVE, PromptSize
from pointsman.registry.snapshot import set_bits
from pointsman.types import Request

# Providers whose models tiktoken counts exactly.
_COUNTED_EXACTLY = frozenset({"openai", "azure", "azure_openai"})


def reserve_for(spec: ModelSpec, request: Request) -> int:
    """Tokens kept free for the answer."""
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    limit = spec.max_output_tokens
    return DEFAULT_RESERVE if limit is None else min(limit, DEFAULT_RESERVE)


def counted_for(spec: ModelSpec, size: PromptSize, factors: Mapping[str, float] = NOTHING_LEARNT) -> int:
    """The prompt's tokens as this model would count them: exact where the tokenizer is known, else by its factor."""
    if size.known or is_counted_exactly(spec):
        return size.count()
    return min(int(size.count() * factor_for(spec, factors)) + 1, size.upper)


def is_counted_exactly(spec: ModelSpec) -> bool:
    """Whether our tokenizer is the model's own."""
    return spec.provider in _COUNTED_EXACTLY


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
    doubtful = snapshot.live & ~by_bytes
    if doubtful:
        doubtful &= fixed_mask(question)
    mask = by_bytes
    for bit in set_bits(doubtful):
        spec = snapshot.specs[bit]
        if spec is not None and _fits(spec, request, counted_for(spec, size, question.factors)):
            mask |= 1 << bit
    if question.rules.on_unknown == "exclude":
        mask &= windows.known
    return mask


def _window_reason(spec: ModelSpec, question: Question) -> str:
    if spec.context_window is None:
        return "its window is not known"
    tokens = counted_for(spec, question.size, question.factors)
    if spec.max_input_tokens is not None and tokens > spec.max_input_tokens:
        return f"{tokens:,} input tokens are more than the {spec.max_input_tokens:,} it takes"
    reserve = reserve_for(spec, question.request)
    return f"{tokens:,} input and {reserve:,} output tokens are more than its window of {spec.context_window:,}"


def cost_bound(spec: ModelSpec, request: Request, input_tokens: int) -> float | None:
    """The most a call can cost in USD, as far as prices are known."""
    return call_cost(spec, input_tokens, reserve_for(spec, request)).total


def cost_limit(question: Question) -> float | None:
    """USD this request may cost."""
    limits = [each for each in (question.request.max_cost, question.rules.max_cost) if each is not None]
    return min(limits) if limits else None


def affordable(question: Question, among: int) -> int:
    """Those models of a mask whose upper bound of cost is within the request's limit."""
    limit = cost_limit(question)
    mask = 0
    for bit in set_bits(among):
        spec = question.snapshot.specs[bit]
        if spec is None or limit is None:
            continue
        cost = cost_bound(spec, question.request, question.size.upper)
        if cost is not None and cost > limit and not question.size.known:
            cost = cost_bound(spec, question.request, counted_for(spec, question.size, question.factors))
        if cost <= limit if cost is not None else question.rules.on_unknown == "allow":
            mask |= 1 << bit
    return mask


def _cost_reason(spec: ModelSpec, question: Question) -> str:
    cost = cost_bound(spec, question.request, counted_for(spec, question.size, question.factors))
    limit = cost_limit(question)
    return "its price is not known" if cost is None else f"could cost ${cost:.6f}, more than ${limit:.6f}"


COST = Check(
    "cost",
    lambda q: q.request.max_cost is not None or q.rules.max_cost is not None,
    lambda q: affordable(q, q.snapshot.live),
    _cost_reason,
)

SIZED: tuple[Check, ...] = (
    Check(
        "output tokens",
        lambda q: q.request.max_output_tokens is not None,
        lambda q: at_least(q, "max_output_tokens", q.request.max_output_tokens or 0),
        lambda spec, q: (
            f"can produce {in_words(spec.max_output_tokens)} tokens, fewer than {q.request.max_output_tokens:,}"
        ),
    ),
    Check("context window", lambda q: q.size.upper > 0, _window_mask, _window_reason),
    COST,
)
