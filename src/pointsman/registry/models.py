"""`ModelRegistry`: what exists now; register, look up, change. Readers take a snapshot and never wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pointsman.arguments import expect, expect_callable, expect_mapping, expect_methods, expect_text
from pointsman.catalog.difference import CatalogDiff, compare
from pointsman.catalog.export import catalogue_text, write_file
from pointsman.catalog.files import Catalogue, builtin_names, read_builtin, read_catalogue
from pointsman.catalog.spec import ModelSpec, Status
from pointsman.custom import Implementation
from pointsman.errors import CatalogError, DuplicateModelError
from pointsman.events import Listeners, RegistryEvent
from pointsman.loading import LoadedModels
from pointsman.other_names import RegistryNames
from pointsman.registry import history as versions
from pointsman.registry import lookup, overview
from pointsman.registry.assembly import Origin, resolved, with_catalogue, with_file
from pointsman.registry.history import MANUAL, History, Version
from pointsman.registry.inquiries import Inquiries
from pointsman.registry.listings import Listings
from pointsman.registry.overlays import OVERLAYS, Overlays
from pointsman.registry.snapshot import Converter, Snapshot
from pointsman.stores.base import STORE_METHODS, Store, Write
from pointsman.types import Clock, SystemClock

# The catalogue of facts as of 2024, for systems that were built on them; never part of "everything".
_DATED = "legacy"


class ModelRegistry(Inquiries, Listings, RegistryNames):
    """All models that are known now, with their pools.

    Safe to share between threads and tasks: a change swaps in a new snapshot, whoever reads keeps the one it has.
    Precedence is: registered by hand, then the file, then discovered and built in. With a store attached,
    registrations by hand and changes of status persist at once, and every version can be rolled back to.
    """

    def __init__(self, models: Iterable[ModelSpec] = (), *, clock: Clock | None = None) -> None:
        if isinstance(models, str | bytes | Mapping) or not isinstance(models, Iterable):
            expect(models, list, "models", "models (files: ModelRegistry.load(path))")
        if clock is not None:
            expect_methods(clock, ("time",), "clock", "a clock")
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._snapshot = Snapshot()
        self._listeners = Listeners()
        self._history = History()
        self._store: Store | None = None
        self._overlays = Overlays()
        self.loaded = LoadedModels()
        self.sections: Mapping[str, Any] = {}
        self.path: str | None = None
        for spec in models:
            self.register_model(spec)

    # -- where models come from

    @classmethod
    def load(cls, path: str | Path, store: Store | None = None) -> ModelRegistry:
        """Read a YAML or JSON file: its models, its pools, and the built-in catalogues it includes.

        Raises:
            CatalogError: E4005, E4003 or E4006, with file, line and column; `.problems` lists everything wrong.
        """
        registry = cls.from_catalogue(read_catalogue(path))
        if store is not None:
            registry.attach(store)
        return registry

    @classmethod
    def from_catalogue(cls, catalogue: Catalogue) -> ModelRegistry:
        """Register what a catalogue that was read already declares and includes; see `load`."""
        registry = cls()
        registry._take(catalogue, with_file(registry._snapshot, catalogue))
        return registry

    @classmethod
    def builtin(cls, *names: str) -> ModelRegistry:
        """Start from catalogues that ship with the package; without a name, from all that state current facts."""
        registry = cls()
        for name in names or [each for each in builtin_names() if each != _DATED]:
            registry._snapshot = with_catalogue(registry._snapshot, read_builtin(name), "builtin")
        return registry

    def load_default_models(self) -> None:
        """Add the models for local development (Ollama's)."""
        with self._lock:
            after = with_catalogue(self._snapshot, read_builtin("ollama"), "builtin")
            self._change(after, "default models", RegistryEvent("reloaded"))

    def _take(self, catalogue: Catalogue, snapshot: Snapshot) -> None:
        self.sections = catalogue.sections
        self.path = catalogue.path
        overlaid, overtaken = self._overlays.apply(snapshot)
        self._change(overlaid, f"reloaded {Path(catalogue.path or '').name}", RegistryEvent("reloaded"), overtaken)

    def reload(self) -> CatalogDiff:
        """Read the file again and swap in what it says now; what was registered by hand stays.

        Raises:
            CatalogError: the file is broken; the last good version stays, and a `reload_failed` event says so.
        """
        with self._lock:
            before = self._snapshot
            if self.path is not None:
                try:
                    catalogue = read_catalogue(self.path)
                    kept = [(spec, "manual") for spec in versions.of_origin(self._snapshot, "manual")]
                    fresh = with_file(before.emptied().with_models(kept), catalogue)
                except CatalogError as error:
                    self._listeners.tell(RegistryEvent("reload_failed", error=error))
                    raise
                self._take(catalogue, fresh)
            return compare(versions.specs_of(before), self)

    def export(self, path: str | Path) -> None:
        """Write every model as a catalogue that `load` reads back to the same version (pools are the file's own).

        Raises:
            CatalogError: E4005, if it cannot be written.
        """
        write_file(path, catalogue_text(self, note=f"exported from version {self.version}"))

    # -- changes

    def register_model(
        self,
        spec: ModelSpec | Mapping[str, Any],
        *,
        replace: bool = False,
        origin: Origin = "manual",
        implementation: Any = None,
    ) -> ModelSpec:
        """Add a model and return it as stored (with what it inherits from its base).

        Args:
            spec: the model.
            replace: whether one of this key may be there already.
            origin: where it comes from.
            implementation: its own code: a callable, an object or a class with `generate`; see `pointsman.custom`.

        Raises:
            DuplicateModelError: E4004, unless `replace`.
            InvalidModelError: E4003.
            StoreError: E4301, if it could not be persisted; it is not registered then.
        """
        expect(spec, (ModelSpec, Mapping), "a model", "a ModelSpec or a mapping of its fields")
        given = spec if isinstance(spec, ModelSpec) else ModelSpec(**spec)
        if implementation is not None and given.implementation is None:
            given = given.model_copy(update={"implementation": given.key})
        with self._lock:
            if given.key in self._snapshot.bits and not replace:
                raise DuplicateModelError(given.key)
            stored = resolved(given, self._snapshot)
            also = [Write(MANUAL, stored.key, versions.dump(given))] if origin == "manual" else []
            after = self._snapshot.with_model(stored, origin)
            if implementation is not None:
                own = Implementation(implementation, self.loaded)
                after = after.with_implementation(stored.implementation or stored.key, own)
            self._change(after, f"registered {stored.key}", RegistryEvent("registered", stored.key), also)
        return stored

    def unregister_model(self, name: str, provider: str | None = None) -> ModelSpec:
        """Remove a model and return what it was. One that a file declares comes back with the next reload.

        Raises:
            ModelNotFoundError: E4001.
        """
        with self._lock:
            spec = self.get_model(name, provider)
            also = [Write(MANUAL, spec.key, None)] if self._snapshot.origins[spec.key] == "manual" else []
            after = self._snapshot.without_model(spec.key)
            self._change(after, f"removed {spec.key}", RegistryEvent("removed", spec.key), also)
        return spec

    def replace_models(self, models: Iterable[ModelSpec], *, remove: Iterable[str] = ()) -> None:
        """Take in many models that a host serves, and drop others by key, in one step; kept in memory alone."""
        with self._lock:
            expect(models, Iterable, "models", "ModelSpecs")
            given = list(models)
            for each in given:
                expect(each, ModelSpec, "what is to be registered", "a ModelSpec")
            gone = [key for key in remove if key in self._snapshot.bits]
            after = self._snapshot.with_models(((spec, "discovery") for spec in given), without=gone)
            self._change(after, "took in what a host serves", RegistryEvent("changed"))

    def update_model_status(self, name: str, status: Status, *, reason: str | None = None) -> ModelSpec:
        """Set a model's status, with a reason and today as since when; it outlives a reload of the file.

        The file wins again as soon as it changes that model's status itself; an `overlay_dropped` event says so.
        """
        with self._lock:
            since = datetime.fromtimestamp(self._clock.time(), UTC).date()
            fields = {"status": status, "status_reason": reason, "status_since": since.isoformat()}
            return self._lay_over(self.get_model(name), fields, f"{name} is {status}")

    def amend_model(self, name: str, facts: Mapping[str, Any]) -> ModelSpec:
        """Lay facts over what a file or catalogue says of a model; like a status, they last until the file changes them.

        Raises:
            InvalidModelError: E4003.
        """
        expect_mapping(facts, "facts")
        with self._lock:
            return self._lay_over(self.get_model(name), facts, f"amended {name}: {', '.join(facts)}")

    def _lay_over(self, spec: ModelSpec, fields: Mapping[str, Any], reason: str) -> ModelSpec:
        changed, write = self._overlays.set(spec, fields)
        after = self._snapshot.with_model(changed, self._snapshot.origins[spec.key])
        self._change(after, reason, RegistryEvent("changed", spec.key), [write])
        return changed

    def rollback(self, version: str) -> CatalogDiff:
        """Go back to the models of a version that was kept; the start of its hash is enough.

        Raises:
            UnknownVersionError: E4007.
        """
        expect_text(version, "version")
        with self._lock:
            before = self._snapshot
            target = (
                before.emptied()
                .with_models(self._history.models_of(version))
                .with_words(before.pools, before.spellings)
            )
            event = RegistryEvent("rolled_back")
            self._change(target, f"rolled back to {version}", event, versions.manual_writes(before, target))
            return compare(versions.specs_of(before), self)

    def subscribe(self, callback: Callable[[RegistryEvent], None]) -> Callable[[], None]:
        """Call back after every change; returns what ends the subscription."""
        expect_callable(callback, "callback")
        return self._listeners.subscribe(callback)

    def attach_converter(self, name: str, convert: Converter) -> None:
        """Attach the code that a model's `converter:` names; without it such models are not eligible.

        Args:
            name: as models refer to it.
            convert: takes the translated parameters and the model, returns what its API is to be sent.
        """
        expect_text(name, "name")
        expect_callable(convert, "convert")
        with self._lock:
            self._change(self._snapshot.with_converter(name, convert), f"converter {name}", RegistryEvent("changed"))

    def attach_implementation(self, name: str, implementation: Any) -> None:
        """Attach the code that a model's `implementation:` names; without it such models are not eligible.

        Raises:
            InvalidModelError: E4003, for what can generate nothing.
        """
        own = Implementation(implementation, self.loaded)
        with self._lock:
            after = self._snapshot.with_implementation(name, own)
            self._change(after, f"implementation {name}", RegistryEvent("changed"))

    # -- versions and the store

    def attach(self, store: Store) -> None:
        """Persist in a store from here on, and take over what was registered by hand and changed there before.

        Raises:
            StoreError: E4301.
        """
        expect_methods(store, STORE_METHODS, "store", "a store; URLs: pointsman.stores.urls.open_store")
        with self._lock:
            self._store = store
            self._history.attach(store)
            self._overlays.load(store)
            after = self._snapshot.with_models((spec, "manual") for spec in versions.stored_models(store))
            own = [spec for spec in versions.of_origin(self._snapshot, "manual") if store.get(MANUAL, spec.key) is None]
            writes = [Write(MANUAL, spec.key, versions.dump(spec)) for spec in own]
            overlaid, overtaken = self._overlays.apply(after)
            self._change(overlaid, "attached a store", RegistryEvent("reloaded"), [*writes, *overtaken])

    @property
    def attached(self) -> bool:
        """Whether a store keeps what is registered by hand."""
        return self._store is not None

    @property
    def version(self) -> str:
        """A hash of everything registered."""
        return self._snapshot.version

    def history(self) -> list[Version]:
        """The versions that are kept, oldest first."""
        return self._history.versions

    def diff(self, other: ModelRegistry | str) -> CatalogDiff:
        """What would change from here to another registry, or to a version that was kept."""
        if isinstance(other, str):
            return compare(self, [spec for spec, _ in self._history.models_of(other)])
        expect(other, ModelRegistry, "other", "a ModelRegistry or a version")
        return compare(self, other)

    def _change(self, after: Snapshot, reason: str, event: RegistryEvent, also: Iterable[Write] = ()) -> None:
        """The one way a snapshot is swapped: kept first, then visible, then told."""
        before, also = self._snapshot, list(also)
        if after.version != before.version or self._history.lacks(after.version):
            changes = {} if self._store is None else versions.changes_between(before, after, event.key)
            self._history.record(after, self._clock.time(), reason, changes, also if self._store is not None else ())
        elif self._store is not None and also:
            self._store.put_all(also)
        self._snapshot = after
        self._listeners.tell(event)
        for write in also:
            if write.space == OVERLAYS and event.kind == "reloaded":
                self._listeners.tell(RegistryEvent("overlay_dropped", write.key))

    # -- look-up

    @property
    def snapshot(self) -> Snapshot:
        """What is registered at this moment; never changes once taken."""
        return self._snapshot

    def __len__(self) -> int:
        return len(self._snapshot.bits)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._snapshot.mask_of([name]))

    def __iter__(self) -> Iterator[ModelSpec]:
        return (spec for _, spec in self._snapshot.numbered())

    def __repr__(self) -> str:
        return f"ModelRegistry({len(self)} models, version {self.version})"

    def _repr_html_(self) -> str:
        """The models as a table, for notebooks; the first fifty of many."""
        return overview.html(self._snapshot)

    def get_model(self, name: str, provider: str | None = None) -> ModelSpec:
        """Look up a key, a bare name or an alias.

        Raises:
            ModelNotFoundError: E4001, naming what looks alike.
            AmbiguousModelError: E4002, if several providers have it and none was registered by hand.
        """
        return lookup.get(self._snapshot, name, provider)

    def find_model(self, name: str, provider: str | None = None) -> ModelSpec | None:
        """Look up a key, a bare name or an alias; None if it is not registered."""
        return lookup.find(self._snapshot, name, provider)
