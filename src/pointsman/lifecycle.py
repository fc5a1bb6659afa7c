"""Models come and go: who replaces whom, as of a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import InvalidModelError

Find = Callable[[str, str | None], ModelSpec | None]


def last_replacement(spec: ModelSpec, find: Find, day: date) -> ModelSpec:
    """Follow the chain of replacements from a model to the last one that is not due yet.

    A replacement that is not registered ends the chain before it.

    Raises:
        InvalidModelError: E4003, if the chain is a circle.
    """
    seen: list[str] = []
    while spec.replacement is not None and is_due(spec, day):
        if spec.key in seen:
            raise InvalidModelError(f"replacements go in a circle: {' -> '.join(seen)}", field="replacement")
        seen.append(spec.key)
        successor = find(spec.replacement, spec.provider) or find(spec.replacement, None)
        if successor is None:
            return spec
        spec = successor
    return spec


def is_due(spec: ModelSpec, day: date) -> bool:
    """Whether the model is deprecated as of a day: by its date, else by its status."""
    if spec.deprecation_date is not None:
        return spec.deprecation_date <= day
    return spec.status in ("deprecated", "disabled")
