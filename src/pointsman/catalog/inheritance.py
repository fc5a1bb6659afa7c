"""What a model takes over from its `base`: everything it does not say itself, except who and where it is."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from pointsman.catalog.spec import ModelSpec
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
        near = get_close_matches(spec.base, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "include the catalogue that has it"
        raise InvalidModelError(
            f"model {spec.name!r}: its base {spec.base!r} is not registered", field="base", hint=hint
        )
    base = with_base(base, find, names, step + 1)
    inherited = {
        name: getattr(base, name)
        for name in base.model_fields_set
        if name not in _NOT_INHERITED and name not in spec.model_fields_set
    }
    return ModelSpec(**{**inherited, **spec.model_dump(exclude_unset=True)})
