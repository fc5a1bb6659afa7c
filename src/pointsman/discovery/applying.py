"""Takes over what a discovery found, as far as somebody approves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from pointsman.assembly import Origin
from pointsman.catalog.spec import ModelSpec
from pointsman.discovery.findings import Discovery
from pointsman.errors import InvalidRequestError
from pointsman.registry import ModelRegistry


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

    A change to what a file declares lasts until the file is read again: what a file says wins over what a server says.

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
            registry.register_model(change.new, replace=True, origin=cast("Origin", registry.snapshot.origins[key]))
            done.append(key)
    for key, spec in gone.items():
        if key in approved and _still(registry, spec):
            registry.unregister_model(key)
            done.append(key)
    return tuple(done)


def _still(registry: ModelRegistry, spec: ModelSpec) -> bool:
    bit = registry.snapshot.bits.get(spec.key)
    return bit is not None and registry.snapshot.specs[bit] == spec
