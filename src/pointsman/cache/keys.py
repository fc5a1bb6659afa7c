"""What makes two requests the same: everything that could change the answer, and the models that could give it."""

from __future__ import annotations

from dataclasses import fields
from hashlib import sha256
from typing import Any

from pointsman.cache.settings import When
from pointsman.eligibility.requirements import model_mask
from pointsman.registry.facts import fingerprint
from pointsman.registry.snapshot import Snapshot, remember
from pointsman.types import Request

# What an answer does not depend on, and the tenant, which is a part of the key of its own.
_LEFT_OUT = frozenset({"cache", "features", "session", "tenant"})
_FIELDS = tuple(each.name for each in fields(Request) if each.name not in _LEFT_OUT)
_EVERYTHING = ""


def is_kept(request: Request, when: When) -> bool:
    """Whether a request is answered from the cache: as it says itself, else as the settings say.

    A temperature above 0 is a wish for variety. One that is not named is none, though the provider's may be above 0.
    """
    if not request.messages:
        return False
    if request.cache is not None:
        return request.cache
    if when == "not_random":
        temperature = request.parameters.get("temperature")
        return temperature is None or temperature == 0
    return when == "always"


def content_of(request: Request) -> dict[str, Any]:
    """All that is asked, as plain values; what is not set is left out."""
    asked = {}
    for name in _FIELDS:
        value = getattr(request, name)
        if value is None or (not value and type(value) not in (int, float) and name != "soft"):
            continue
        asked[name] = sorted(value) if type(value) is frozenset else value
    return asked


def version_of(snapshot: Snapshot, model: str | None) -> str:
    """A hash of the models that a request for `model` may mean, and of the pool if it is one."""
    known = snapshot.memo.get(("cache", model))
    if known is None:
        known = _version(snapshot, model)
        remember(snapshot.memo, ("cache", model), known)
    return str(known)


def _version(snapshot: Snapshot, model: str | None) -> str:
    mask = snapshot.live if model is None else model_mask(snapshot, model)
    if mask == snapshot.live:
        models = snapshot.version
    else:
        models = f"{sum(fingerprint(spec) for spec in snapshot.arms(mask)) % (1 << 128):032x}"
    pool = snapshot.pools.get(model or _EVERYTHING)
    return models if pool is None else sha256(f"{models} {pool!r}".encode()).hexdigest()[:16]
