"""Takes over what a discovery found, as far as somebody approves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pointsman.catalog.spec import ModelSpec
from pointsman.discovery.findings import Discovery, ModelChange
from pointsman.errors import InvalidRequestError
from pointsman.registry.models import ModelRegistry


def apply(
    registry: ModelRegistry,
    discovery: Discovery,
    *,
    additions: bool = True,
    approve: Iterable[str] = (),
    origin: Literal["discovery", "manual"] = "discovery",
) -> tuple[str, ...]:
    """Register additions, and do whatever else is approved by key; returns the keys of what was done.

    A model that was registered, changed or removed since the servers were asked is left as it is.

    An approved change to what a file declares is laid over it, and lasts until the file changes that fact itself.

    Args:
        registry: what to change.
        discovery: what was found.
        additions: register all additions.
        approve: keys of additions, removals, changes and quarantined changes to carry out.
        origin: `manual` persists additions where the registry has a store; `discovery` keeps them in memory.

    Raises:
        InvalidRequestError: E4103, for a key that the discovery does not hold; nothing is done then.
    """
    approved = frozenset(approve)
    new = {spec.key: spec for spec in discovery.additions}
    gone = {spec.key: spec for spec in discovery.removals}
    changed = {change.key: change for change in (*discovery.changes, *discovery.quarantined)}
    unknown = approved - new.keys() - gone.keys() - changed.keys()
    if unknown:
        raise InvalidRequestError(f"this discovery holds no {', '.join(sorted(unknown))}", field="approve")
    done = []
    for key, spec in new.items():
        if (additions or key in approved) and key not in registry.snapshot.bits:
            registry.register_model(spec, origin=origin)
            done.append(key)
    for key, change in changed.items():
        if key in approved and _still(registry, change.old):
            _carry_out(registry, change)
            done.append(key)
    for key, spec in gone.items():
        if key in approved and _still(registry, spec):
            registry.unregister_model(key)
            done.append(key)
    return tuple(done)


def _carry_out(registry: ModelRegistry, change: ModelChange) -> None:
    """A model registered by hand is replaced; over what a file says the new facts are laid."""
    if registry.snapshot.origins[change.key] == "manual":
        registry.register_model(change.new, replace=True)
        return
    new = change.new.model_dump(mode="json")
    fields = type(change.new).model_fields
    registry.amend_model(
        change.key, {name: new[name] for name in fields if getattr(change.old, name) != getattr(change.new, name)}
    )


def _still(registry: ModelRegistry, spec: ModelSpec) -> bool:
    bit = registry.snapshot.bits.get(spec.key)
    return bit is not None and registry.snapshot.specs[bit] == spec
