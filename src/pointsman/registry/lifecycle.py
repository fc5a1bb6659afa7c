"""Models come and go: who is deprecated, gone or under maintenance at a moment, and who replaces whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import InvalidModelError
from pointsman.registry.snapshot import Snapshot, set_bits

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


def day_of(now: float) -> date:
    """The day of a moment, in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def routable(snapshot: Snapshot, now: float) -> int:
    """Models that may serve at all: active, or deprecated and not yet gone, and not under maintenance now."""
    mask = snapshot.mask("status:active") | snapshot.mask("status:deprecated")
    mask &= ~snapshot.bound("sunset_day").at_most(day_of(now).toordinal())
    moment = datetime.fromtimestamp(now, UTC)
    for bit in set_bits(snapshot.mask("maintenance planned")):
        spec = snapshot.specs[bit]
        if spec is not None and any(window.start <= moment < window.end for window in spec.maintenance):
            mask &= ~(1 << bit)
    return mask


def fading(snapshot: Snapshot, now: float) -> int:
    """Models that are deprecated by their status or, by now, by their date."""
    return snapshot.mask("status:deprecated") | snapshot.bound("deprecation_day").at_most(day_of(now).toordinal())


def why_not_routable(spec: ModelSpec, now: float) -> str:
    """The reason for which `routable` leaves a model out."""
    if spec.status not in ("active", "deprecated"):
        return f"its status is {spec.status}" + (f": {spec.status_reason}" if spec.status_reason else "")
    if spec.sunset_date is not None and spec.sunset_date <= day_of(now):
        return f"it is gone since {spec.sunset_date}" + (
            f", replaced by {spec.replacement}" if spec.replacement else ""
        )
    moment = datetime.fromtimestamp(now, UTC)
    window = next(window for window in spec.maintenance if window.start <= moment < window.end)
    return f"under maintenance until {window.end:%Y-%m-%d %H:%M} UTC" + (f": {window.reason}" if window.reason else "")


def deprecation_note(spec: ModelSpec, day: date) -> str | None:
    """What to tell somebody who uses the model, if it is deprecated or will be gone within a known time."""
    if not is_due(spec, day) and spec.sunset_date is None:
        return None
    if not is_due(spec, day):
        return f"{spec.key} will be gone on {spec.sunset_date}" + _instead(spec)
    since = f" since {spec.deprecation_date}" if spec.deprecation_date is not None else ""
    gone = f", gone on {spec.sunset_date}" if spec.sunset_date is not None else ""
    return f"{spec.key} is deprecated{since}{gone}" + _instead(spec)


def _instead(spec: ModelSpec) -> str:
    return f"; use {spec.replacement} instead" if spec.replacement else ""
