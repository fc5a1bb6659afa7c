"""What a model says of itself: yes-or-no facts, as names of bitmasks, and a hash of all of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256

from pointsman.catalog import capabilities as tree
from pointsman.catalog.spec import ModelSpec


def facts(spec: ModelSpec) -> Iterator[str]:
    """Every yes-or-no fact of a model, as names of masks; `unknown:x` where nothing is said about x."""
    yield f"provider:{spec.provider}"
    yield f"status:{spec.status}"
    yield credential_fact(spec)
    if spec.family is not None:
        yield f"family:{spec.family}"
    if not tree.answers_text(spec.capabilities):
        yield "other kind"
    yield from (f"cap:{node}" for node in tree.expand(spec.capabilities))
    yield from (f"cap:feature:{name}" for name, on in spec.features.items() if on)
    yield from (f"tag:{tag}" for tag in dict.fromkeys(spec.tags))
    if spec.maintenance:
        yield "maintenance planned"
    if spec.api_requirements:
        yield "api requirements"
    if spec.converter is not None:
        yield "converter"
    if spec.implementation is not None:
        yield "implementation"
    known_for = {*(spec.expertise or ()), *spec.quality}
    yield from _listed("expertise", known_for if spec.expertise is not None or spec.quality else None)
    yield from _listed("in", spec.input_modalities)
    yield from _listed("out", spec.output_modalities)
    yield from _listed("language", spec.languages)
    own_region = None if spec.region is None else (spec.region,)
    yield from _listed("region", spec.regions if spec.regions is not None else own_region)


def _listed(name: str, values: Iterable[str] | None) -> Iterator[str]:
    if values is None:
        yield f"unknown:{name}"
    else:
        yield from (f"{name}:{value}" for value in dict.fromkeys(values))


def credential_fact(spec: ModelSpec) -> str:
    """The fact that all models sharing this one's credential share; made of references, never of keys."""
    return "credential:" + "|".join(part or "" for part in spec.credential)


def fingerprint(spec: ModelSpec) -> int:
    """A 128-bit hash of a model's content."""
    content = spec.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(sha256(canonical.encode()).digest()[:16], "big")
