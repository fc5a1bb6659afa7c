"""Finding a model by what people write: a key, a bare name, an alias."""

from __future__ import annotations

from difflib import get_close_matches

from pointsman.arguments import expect_text
from pointsman.catalog.spec import KNOWN_PROVIDERS, ModelSpec, split_key
from pointsman.errors import AmbiguousModelError, ModelNotFoundError
from pointsman.registry.snapshot import Snapshot

# Whose word counts when several sources have a model of that name; lower wins.
PRECEDENCE: dict[str, int] = {"manual": 0, "file": 1, "discovery": 2, "builtin": 2}


def find(snapshot: Snapshot, name: str, provider: str | None = None) -> ModelSpec | None:
    """The model, or None.

    Raises:
        AmbiguousModelError: E4002, if several providers have it and no source goes before the others.
    """
    if not isinstance(name, str):
        expect_text(name, "a model's name")
    bit = snapshot.bits.get(name if provider is None else f"{provider}:{name}")
    if bit is not None:
        return snapshot.specs[bit]
    if provider is None:
        provider, name = split_key(name, KNOWN_PROVIDERS)
    found = [spec for bit in snapshot.names.get(name, ()) if (spec := snapshot.specs[bit]) is not None]
    if provider is not None:
        found = [spec for spec in found if spec.provider == provider]
    if len(found) > 1:
        best = min(PRECEDENCE[snapshot.origins[spec.key]] for spec in found)
        found = [spec for spec in found if PRECEDENCE[snapshot.origins[spec.key]] == best]
        if len(found) > 1:
            raise AmbiguousModelError(name, sorted(spec.key for spec in found))
    return found[0] if found else None


def get(snapshot: Snapshot, name: str, provider: str | None = None) -> ModelSpec:
    """The model.

    Raises:
        ModelNotFoundError: E4001, naming what looks alike.
        AmbiguousModelError: E4002.
    """
    spec = find(snapshot, name, provider)
    if spec is None:
        known = [*snapshot.bits, *snapshot.names]
        raise ModelNotFoundError(name, nearest=get_close_matches(name, known, n=3, cutoff=0.5))
    return spec
