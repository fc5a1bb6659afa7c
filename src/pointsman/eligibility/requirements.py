"""Fixed needs: the checks that do not depend on the prompt's size, as one cached mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pointsman.catalog import capabilities as tree
from pointsman.catalog.parameters import is_supported
from pointsman.catalog.spec import ModelSpec
from pointsman.eligibility.api_requirements import missing
from pointsman.eligibility.mentions import tell_unknown
from pointsman.eligibility.question import AUTO, Check, Question, at_least, at_most, in_words, or_unknown
from pointsman.registry.lifecycle import fading, routable, why_not_routable
from pointsman.registry.membership import pool_mask
from pointsman.registry.snapshot import Snapshot, remember, set_bits
from pointsman.types import Request


def fixed_mask(question: Question) -> int:
    """The models that meet every fixed need; worked out once per snapshot and kind of request."""
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
        # Lifecycle moves by the day, planned maintenance by the minute.
        int(question.now // (60 if snapshot.mask("maintenance planned") else 86_400)),
        frozenset(request.parameters) if question.rules.on_unsupported == "exclude" else None,
    )
    mask = snapshot.memo.get(key)
    if mask is None:
        mask = snapshot.live
        for check in FIXED:
            if check.applies(question):
                mask &= check.mask(question)
        remember(snapshot.memo, key, mask)
        # Where nobody is left, the error names the provider that was meant.
        tell_unknown(request, snapshot, "exclude", "exclude_providers", *(("providers",) if mask else ()))
    return int(mask)


def preferred_mask(request: Request, snapshot: Snapshot) -> int:
    """The models that a request prefers; worked out once per snapshot and wish."""
    key = ("preferred", request.prefer, request.prefer_providers)
    mask = snapshot.memo.get(key)
    if mask is None:
        mask = snapshot.mask_of(request.prefer) | _any_of(snapshot, "provider", request.prefer_providers)
        remember(snapshot.memo, key, mask)
        tell_unknown(request, snapshot, "prefer", "prefer_providers")
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


def _size_mask(question: Question) -> int:
    # Unlike other bounds, an unknown size never satisfies a wish for a size.
    request, sizes = question.request, question.snapshot.bound("size_billions")
    mask = sizes.known
    if request.min_size is not None:
        mask &= sizes.at_least(float(request.min_size))
    if request.max_size is not None:
        mask &= sizes.at_most(float(request.max_size))
    return mask


def _lifecycle_mask(question: Question) -> int:
    mask = routable(question.snapshot, question.now)
    return mask & ~fading(question.snapshot, question.now) if question.rules.on_deprecated == "refuse" else mask


def _lifecycle_reason(spec: ModelSpec, question: Question) -> str:
    if routable(question.snapshot, question.now) & (1 << question.snapshot.bits[spec.key]):
        return "it is deprecated, and deprecated models are refused"
    return why_not_routable(spec, question.now)


def _needs_reason(spec: ModelSpec, question: Question) -> str:
    have = tree.expand(spec.capabilities) | {f"feature:{name}" for name, on in spec.features.items() if on}
    return f"does not declare {', '.join(sorted(question.needs - have))}"


def _parameters_mask(question: Question) -> int:
    names = question.request.parameters
    snapshot = question.snapshot
    return _mask_where(snapshot, snapshot.live, lambda spec: all(is_supported(spec, name) for name in names))


def _mask_where(snapshot: Snapshot, among: int, test: Callable[[ModelSpec], bool]) -> int:
    mask = 0
    for bit in set_bits(among):
        spec = snapshot.specs[bit]
        if spec is not None and test(spec):
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
        _lifecycle_mask,
        _lifecycle_reason,
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
        lambda q: or_unknown(q, _all_of(q.snapshot, "in", q.request.input_modalities), q.snapshot.mask("unknown:in")),
        lambda spec, _: f"takes {', '.join(spec.input_modalities or ['what is not known'])}",
    ),
    Check(
        "output modality",
        lambda q: bool(q.request.output_modalities),
        lambda q: or_unknown(
            q, _all_of(q.snapshot, "out", q.request.output_modalities), q.snapshot.mask("unknown:out")
        ),
        lambda spec, _: f"produces {', '.join(spec.output_modalities or ['what is not known'])}",
    ),
    Check(
        "expertise",
        lambda q: bool(q.request.expertise),
        lambda q: or_unknown(
            q, _any_of(q.snapshot, "expertise", q.request.expertise), q.snapshot.mask("unknown:expertise")
        ),
        lambda _, q: f"is not known for {' or '.join(q.request.expertise)}",
    ),
    Check(
        "language",
        lambda q: q.request.language is not None,
        lambda q: or_unknown(q, q.snapshot.mask(f"language:{q.request.language}"), q.snapshot.mask("unknown:language")),
        lambda _, q: f"does not list {q.request.language}",
    ),
    Check(
        "region",
        lambda q: q.request.region is not None,
        lambda q: or_unknown(q, q.snapshot.mask(f"region:{q.request.region}"), q.snapshot.mask("unknown:region")),
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
        lambda q: at_least(q, "context_window", q.request.context_length or 0),
        lambda spec, q: f"its window of {in_words(spec.context_window)} is below {q.request.context_length:,}",
    ),
    Check(
        "latency",
        lambda q: q.request.max_latency is not None,
        lambda q: at_most(q, "latency_p50", q.request.max_latency or 0.0),
        lambda spec, q: f"its median latency of {spec.latency_p50} s is above {q.request.max_latency} s",
    ),
    Check(
        "speed",
        lambda q: q.request.min_speed is not None,
        lambda q: at_least(q, "tokens_per_second", q.request.min_speed or 0.0),
        lambda spec, q: f"its {spec.tokens_per_second} tokens per second are below {q.request.min_speed}",
    ),
    Check(
        "api requirements",
        lambda q: bool(q.snapshot.mask("api requirements")),
        lambda q: ~_mask_where(q.snapshot, q.snapshot.mask("api requirements"), lambda spec: bool(missing(spec, q))),
        lambda spec, q: "; ".join(missing(spec, q)),
    ),
    Check(
        "converter",
        lambda q: bool(q.snapshot.mask("converter")),
        lambda q: (
            ~_mask_where(
                q.snapshot, q.snapshot.mask("converter"), lambda spec: spec.converter not in q.snapshot.converters
            )
        ),
        lambda spec, _: f"its converter {spec.converter!r} is not attached",
    ),
    Check(
        "implementation",
        lambda q: bool(q.snapshot.mask("implementation")),
        lambda q: (
            ~_mask_where(
                q.snapshot,
                q.snapshot.mask("implementation"),
                lambda spec: spec.implementation not in q.snapshot.implementations,
            )
        ),
        lambda spec, _: f"its implementation {spec.implementation!r} is not attached",
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
