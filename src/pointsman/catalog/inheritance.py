"""What a model takes over from its `base`: everything it does not say itself, except who and where it is."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.catalog.bounds import short
from pointsman.catalog.spec import ModelSpec, nearest
from pointsman.errors import InvalidModelError

# Identity, address, status and evidence are a model's own.
_NOT_INHERITED = frozenset(
    [
        "name",
        "provider",
        "display_name",
        "base",
        "serves",
        "aliases",
        "tags",
        "litellm_model",
        "api_base",
        "api_key",
        "account",
        "api_version",
        "deployment_name",
        "region",
        "project_id",
        "status",
        "status_reason",
        "status_since",
        "deprecation_date",
        "sunset_date",
        "replacement",
        "maintenance",
        "evidence",
        "weight",
        "priority",
        "source",
        "as_of",
        "rate_limit_rpm",
        "rate_limit_tpm",
    ]
)
_MOST_STEPS = 8


def with_base(
    spec: ModelSpec, find: Callable[[str], ModelSpec | None], names: Callable[[], list[str]], step: int = 0
) -> ModelSpec:
    """Fill what the model leaves unset from its base, and from that one's base.

    Args:
        spec: the model; returned as it is when it has no base.
        find: looks a base up by name.
        names: all that could have been meant, asked for only when the base is not found.
        step: how many bases were followed already.

    Raises:
        InvalidModelError: E4003, if the base does not exist or the chain is a circle.
    """
    if spec.base is None:
        return spec
    if step > _MOST_STEPS:
        raise InvalidModelError(f"model {spec.name!r}: `base` goes in a circle", field="base")
    base = find(spec.base)
    if base is None:
        hint = nearest(spec.base, names()) or "include the catalogue that has it"
        text = f"model {spec.name!r}: its base {short(spec.base)} is not registered"
        raise InvalidModelError(text, field="base", hint=hint)
    base = with_base(base, find, names, step + 1)
    inherited = {
        name: getattr(base, name)
        for name in base.model_fields_set
        if name not in _NOT_INHERITED and name not in spec.model_fields_set
    }
    return ModelSpec(**{**inherited, **spec.model_dump(exclude_unset=True)})
