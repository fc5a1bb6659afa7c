"""From catalogues to a snapshot: includes, bases, precedence of sources, and pools that name real models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pointsman.catalog.bounds import short
from pointsman.catalog.files import Catalogue, read_builtin
from pointsman.catalog.inheritance import with_base
from pointsman.catalog.loader import locate
from pointsman.catalog.spec import ModelSpec, nearest
from pointsman.errors import ConfigError, InvalidModelError
from pointsman.registry.lookup import PRECEDENCE, find
from pointsman.registry.snapshot import Snapshot

Origin = Literal["manual", "file", "discovery", "builtin"]


def with_file(snapshot: Snapshot, catalogue: Catalogue) -> Snapshot:
    """Add what a file declares, after the built-in catalogues that it includes.

    Raises:
        CatalogError: E4003 or E4006, located.
    """
    for name in catalogue.include:
        snapshot = with_catalogue(snapshot, read_builtin(name), "builtin")
    return with_catalogue(snapshot, catalogue, "file")


def with_catalogue(snapshot: Snapshot, catalogue: Catalogue, origin: Origin) -> Snapshot:
    """Add a catalogue's models and pools; what a stronger source has registered stays as it is."""
    declared = {spec.name: spec for spec in catalogue.models} | {spec.key: spec for spec in catalogue.models}
    entries = []
    for number, spec in enumerate(catalogue.models):
        if PRECEDENCE[snapshot.origins.get(spec.key, origin)] < PRECEDENCE[origin]:
            continue
        try:
            entries.append((resolved(spec, snapshot, declared), origin))
        except InvalidModelError as error:
            error.path = catalogue.path
            error.line, error.column = locate(catalogue.sections, ("models", number, error.field or "name"))
            raise
    result = snapshot.with_models(entries)
    _check_pools(catalogue, result)
    return result.with_words(catalogue.pools, catalogue.spellings)


def resolved(spec: ModelSpec, snapshot: Snapshot, declared: Mapping[str, ModelSpec] | None = None) -> ModelSpec:
    """Fill a model from its base: one declared beside it, else a registered one.

    Raises:
        InvalidModelError: E4003, if there is no such base, or bases go in a circle.
    """
    if spec.base is None:
        return spec
    beside = declared or {}

    def find_base(name: str) -> ModelSpec | None:
        other = beside.get(name)
        return find(snapshot, name) if other is None or other is spec else other

    return with_base(spec, find_base, lambda: [*beside, *snapshot.names, *snapshot.bits])


def _check_pools(catalogue: Catalogue, snapshot: Snapshot) -> None:
    for name, pool in catalogue.pools.items():
        for number, model in enumerate(pool.models or ()):
            if not snapshot.mask_of([model]):
                line, column = locate(catalogue.sections, ("pools", name, "models", number))
                near = nearest(model, [*snapshot.names, *snapshot.bits])
                raise ConfigError(
                    f"pool {name!r} lists {short(model)}, which is not registered",
                    hint=near or "declare it under `models:` or `include:` it",
                    path=catalogue.path,
                    line=line,
                    column=column,
                )
