"""Versions of a registry: what it held, since when and why; in memory, and in a store where there is one.

In a store, a version is a row with the models that changed against its parent, and every hundredth row holds all of
them, so that registering one model writes one model and any version can be put together again. A row is written in one
transaction with the registrations and overlays it goes with: after a crash the store is at the old version or the new.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import InvalidModelError, UnknownVersionError
from pointsman.registry.snapshot import Snapshot
from pointsman.stores.base import Store, Write

VERSIONS, MANUAL = "registry.versions", "registry.manual"
_WHOLE_EVERY = 100
_KEPT_IN_MEMORY = 25
_KEPT_IN_STORE = 500

Changes = Mapping[str, tuple[ModelSpec, str] | None]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the registry.

    Attributes:
        version: hash of the content.
        at: seconds since the epoch.
        reason: what made it: `registered openai:gpt-4o`, `reloaded pointsman.yaml`.
        models: how many models it holds.
    """

    version: str
    at: float
    reason: str
    models: int


class History:
    """The versions of one registry, newest last."""

    def __init__(self) -> None:
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._versions: list[Version] = []
        self._store: Store | None = None
        self._stored: set[str] = set()
        self._newest_row: str | None = None
        self._since_whole = 0

    def attach(self, store: Store) -> None:
        """Keep versions in a store from here on; those it holds already come first."""
        self._store = store
        self._newest_row = None  # this process's chain starts with a whole row
        stored = [_version_of(row) for _, row in store.items(VERSIONS)]
        self._stored = {each.version for each in stored}
        self._versions = [*stored, *self._versions]

    def lacks(self, version: str) -> bool:
        """Whether a version is kept nowhere yet: a store's readers find every version that its decisions name."""
        return not self._versions if self._store is None else version not in self._stored

    @property
    def versions(self) -> list[Version]:
        """What is known of every version that is kept, oldest first."""
        return list(self._versions)

    def record(self, snapshot: Snapshot, at: float, reason: str, changes: Changes, also: Iterable[Write] = ()) -> None:
        """Keep a version, in one transaction with the writes that belong to it.

        Raises:
            StoreError: E4301; nothing was kept then.
        """
        about = Version(snapshot.version, at, reason, len(snapshot.bits))
        if self._store is not None:
            self._write(self._store, snapshot, about, changes, also)
            self._stored.add(about.version)
        self._versions.append(about)
        del self._versions[: -_KEPT_IN_STORE if self._store is not None else -_KEPT_IN_MEMORY]
        remember_newest(self._snapshots, about.version, snapshot)

    def models_of(self, version: str) -> list[tuple[ModelSpec, str]]:
        """The models of a version, each with its origin; the start of its hash is enough.

        Raises:
            UnknownVersionError: E4007.
        """
        for name in reversed(self._snapshots):
            if version and name.startswith(version):
                snapshot = self._snapshots[name]
                return [(spec, snapshot.origins[spec.key]) for _, spec in snapshot.numbered()]
        stored = models_at(self._store, version) if self._store is not None and version else None
        if stored is None:
            raise UnknownVersionError(version, (each.version for each in self._versions))
        return stored

    def _write(self, store: Store, snapshot: Snapshot, about: Version, changes: Changes, also: Iterable[Write]) -> None:
        whole = self._newest_row is None or self._since_whole >= _WHOLE_EVERY
        if whole:
            changes = {spec.key: (spec, snapshot.origins[spec.key]) for _, spec in snapshot.numbered()}
        # Rows of several processes stand side by side; each names its parent, so their chains do not mix.
        key = f"{int(about.at * 1e9):020d}-{os.urandom(4).hex()}"
        row = {
            "version": about.version,
            "at": about.at,
            "reason": about.reason,
            "models": about.models,
            "parent": None if whole else self._newest_row,
            "changes": {name: None if it is None else [dump(it[0]), it[1]] for name, it in changes.items()},
        }
        store.put_all([Write(VERSIONS, key, row), *also])
        self._newest_row = key
        self._since_whole = 0 if whole else self._since_whole + 1
        if whole:
            _trim(store)


def remember_newest(snapshots: OrderedDict[str, Snapshot], version: str, snapshot: Snapshot) -> None:
    """Keep a snapshot as the newest, and let the oldest go."""
    snapshots[version] = snapshot
    snapshots.move_to_end(version)
    while len(snapshots) > _KEPT_IN_MEMORY:
        snapshots.popitem(last=False)


def models_at(store: Store, version: str = "") -> list[tuple[ModelSpec, str]] | None:
    """The models of a version that a store keeps, each with its origin; None if it keeps none. The newest unless named."""
    rows = dict(store.items(VERSIONS))
    named = [key for key, row in rows.items() if row["version"].startswith(version)]
    if not named:
        return None
    chain = [rows[named[-1]]]
    while (parent := chain[-1]["parent"]) is not None:
        chain.append(rows[parent])
    models: dict[str, Any] = {}
    for row in reversed(chain):
        models.update(row["changes"])
    return [(read(change[0]), change[1]) for change in models.values() if change is not None]


def _trim(store: Store) -> None:
    """Let go of rows that are neither among the newest nor needed to put those together."""
    parents = {key: row["parent"] for key, row in store.items(VERSIONS)}
    if len(parents) <= _KEPT_IN_STORE:
        return
    needed = set(list(parents)[-_KEPT_IN_STORE:])
    for key in list(needed):
        parent = parents[key]
        while parent is not None and parent not in needed:
            needed.add(parent)
            parent = parents.get(parent)
    for key in parents.keys() - needed:
        store.delete(VERSIONS, key)


def dump(spec: ModelSpec) -> dict[str, Any]:
    """A model as JSON values."""
    return spec.model_dump(mode="json", exclude_unset=True)


def read(row: Any) -> ModelSpec:
    """A model from what `dump` wrote.

    Raises:
        InvalidModelError: E4003, if something else wrote it.
    """
    if not isinstance(row, dict):
        raise InvalidModelError("a stored model is no mapping")
    return ModelSpec(**row)


def stored_models(store: Store) -> Iterator[ModelSpec]:
    """Models that were registered by hand and persisted, and not removed since."""
    return (read(row) for _, row in store.items(MANUAL) if row is not None)


def of_origin(snapshot: Snapshot, origin: str) -> list[ModelSpec]:
    """Models that came from one kind of source."""
    return [spec for _, spec in snapshot.numbered() if snapshot.origins[spec.key] == origin]


def manual_writes(before: Snapshot, after: Snapshot) -> list[Write]:
    """What makes the store's registrations by hand those of another snapshot."""
    gone = {spec.key for spec in of_origin(before, "manual")} - after.bits.keys()
    kept = [Write(MANUAL, spec.key, dump(spec)) for spec in of_origin(after, "manual")]
    return [Write(MANUAL, key, None) for key in gone] + kept


def specs_of(snapshot: Snapshot) -> list[ModelSpec]:
    """Every model of a snapshot."""
    return [spec for _, spec in snapshot.numbered()]


def changes_between(
    before: Snapshot, after: Snapshot, only: str | None = None
) -> dict[str, tuple[ModelSpec, str] | None]:
    """Models that are new or other in the second, and None for those that are gone; of one key, if that is known."""
    if only is not None:
        spec = after.get(only)
        return {only: None if spec is None else (spec, after.origins[only])}
    gone: dict[str, tuple[ModelSpec, str] | None] = dict.fromkeys(before.bits.keys() - after.bits.keys())
    return gone | {
        spec.key: (spec, after.origins[spec.key])
        for _, spec in after.numbered()
        if before.get(spec.key) is not spec or before.origins[spec.key] != after.origins[spec.key]
    }


def _version_of(row: Mapping[str, Any]) -> Version:
    return Version(row["version"], row["at"], row["reason"], row["models"])
