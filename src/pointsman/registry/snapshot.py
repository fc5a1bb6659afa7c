"""What is registered at one moment, immutable: a bit per model, a bitmask per fact, sorted bounds per number.

Readers take one reference and never wait; a change builds the next snapshot from this one, sharing what did not change.
A removed model leaves an empty slot, so bits keep their meaning while snapshots succeed each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pointsman.catalog import capabilities as tree
from pointsman.catalog.pools import Pool
from pointsman.catalog.spec import ModelSpec
from pointsman.registry.arms import Arms
from pointsman.registry.bounds import BOUNDS, Bound
from pointsman.registry.facts import facts, fingerprint

_MEMO_LIMIT = 512

# Rewrites a call's parameters for a model whose API is like no other; code, so it is attached by name, never loaded.
Converter = Callable[[dict[str, Any], ModelSpec], dict[str, Any]]


class Snapshot:
    """An immutable, indexed view of the registry."""

    __slots__ = (
        "_arms",
        "_bounds",
        "bits",
        "converters",
        "fingerprint",
        "implementations",
        "live",
        "masks",
        "memo",
        "names",
        "origins",
        "pools",
        "revision",
        "specs",
        "spellings",
    )

    def __init__(
        self,
        specs: tuple[ModelSpec | None, ...] = (),
        bits: Mapping[str, int] | None = None,
        names: Mapping[str, tuple[int, ...]] | None = None,
        masks: Mapping[str, int] | None = None,
        origins: Mapping[str, str] | None = None,
        pools: Mapping[str, Pool] | None = None,
        converters: Mapping[str, Converter] | None = None,
        spellings: Mapping[str, str] | None = None,
        implementations: Mapping[str, Any] | None = None,
        *,
        live: int = 0,
        revision: int = 0,
        fingerprint: int = 0,
    ) -> None:
        self.specs = specs
        self.bits: Mapping[str, int] = bits or {}
        self.names: Mapping[str, tuple[int, ...]] = names or {}
        self.masks: Mapping[str, int] = masks or {}
        self.origins: Mapping[str, str] = origins or {}
        self.pools: Mapping[str, Pool] = pools or {}
        self.live = live
        self.revision = revision
        self.fingerprint = fingerprint
        self._bounds: dict[str, Bound] = {}
        self._arms: dict[int, Arms] = {}
        self.memo: dict[Any, Any] = {}
        self.converters: Mapping[str, Converter] = converters or {}
        self.spellings: Mapping[str, str] = spellings or {}
        self.implementations: Mapping[str, Any] = implementations or {}

    @property
    def version(self) -> str:
        """A hash of everything registered, the same for the same content in any order."""
        return f"{self.fingerprint:032x}"[:16]

    def get(self, key: str) -> ModelSpec | None:
        """The model of a key."""
        bit = self.bits.get(key)
        return None if bit is None else self.specs[bit]

    def mask(self, fact: str) -> int:
        """Models of which the fact (`"cap:vision"`, `"provider:openai"`) holds."""
        return self.masks.get(fact, 0)

    def bound(self, name: str) -> Bound:
        """The sorted values of one number in `BOUNDS`; built when first asked for."""
        found = self._bounds.get(name)
        if found is None:
            read = BOUNDS[name]
            pairs = [(value, bit) for bit, spec in self.numbered() if (value := read(spec)) is not None]
            found = self._bounds[name] = Bound(pairs)
        return found

    def arms(self, mask: int) -> Arms:
        """The models of a mask, as the sequence that policies see."""
        found = self._arms.get(mask)
        if found is None:
            specs = (spec for bit in set_bits(mask) if (spec := self.specs[bit]) is not None)
            found = Arms(specs, mask)
            remember(self._arms, mask, found)
        return found

    def numbered(self) -> Iterator[tuple[int, ModelSpec]]:
        """Every registered model with its bit."""
        return ((bit, spec) for bit, spec in enumerate(self.specs) if spec is not None)

    def capability(self, name: str) -> str:
        """A capability as the tree spells it, in this registry's own words or anybody's.

        Raises:
            ValueError: if it is no dotted path.
        """
        return tree.canonical(self.spellings.get(name, name))

    def mask_of(self, keys: Iterable[str]) -> int:
        """The mask of these keys, bare names or aliases; what is not registered is left out."""
        mask = 0
        for key in keys:
            bit = self.bits.get(key)
            if bit is not None:
                mask |= 1 << bit
            else:
                for each in self.names.get(key, ()):
                    mask |= 1 << each
        return mask

    def with_model(self, spec: ModelSpec, origin: str) -> Snapshot:
        """The next snapshot, with the model added or replaced."""
        old_bit = self.bits.get(spec.key)
        base = self._draft() if old_bit is None else self._draft(without=old_bit)
        bit = old_bit if old_bit is not None else base.free_slot()
        base.place(bit, spec, origin)
        return base.finish()

    def without_model(self, key: str) -> Snapshot:
        """The next snapshot, with the model's slot empty."""
        return self._draft(without=self.bits[key]).finish()

    def with_models(self, entries: Iterable[tuple[ModelSpec, str]], *, without: Iterable[str] = ()) -> Snapshot:
        """The next snapshot with many models added or replaced, and others removed, at once."""
        draft = self._draft()
        for key in without:
            draft.clear(draft.bits[key])
        for spec, origin in entries:
            bit = draft.bits.get(spec.key)
            if bit is not None:
                draft.clear(bit)
            draft.place(draft.free_slot() if bit is None else bit, spec, origin)
        return draft.finish()

    def with_words(self, pools: Mapping[str, Pool], spellings: Mapping[str, str]) -> Snapshot:
        """The next snapshot with these pools, and these words for capabilities, added or replaced."""
        draft = self._draft()
        draft.pools = {**self.pools, **pools}
        draft.spellings = {**self.spellings, **spellings}
        return draft.finish()

    def with_implementation(self, name: str, implementation: Any) -> Snapshot:
        """The next snapshot, with a model's own code attached by its name."""
        draft = self._draft()
        draft.implementations = {**self.implementations, name: implementation}
        return draft.finish()

    def emptied(self) -> Snapshot:
        """A snapshot without models that keeps the code that was attached."""
        return Snapshot(converters=self.converters, implementations=self.implementations)

    def with_converter(self, name: str, converter: Converter) -> Snapshot:
        """The next snapshot, with a converter attached by its name."""
        draft = self._draft()
        draft.converters = {**self.converters, name: converter}
        return draft.finish()

    def _draft(self, without: int | None = None) -> _Draft:
        draft = _Draft(self)
        if without is not None:
            draft.clear(without)
        return draft


class _Draft:
    """A snapshot in the making: shallow copies that are changed and then frozen."""

    def __init__(self, base: Snapshot) -> None:
        self.specs = list(base.specs)
        self.bits = dict(base.bits)
        self.names = dict(base.names)
        self.masks = dict(base.masks)
        self.origins = dict(base.origins)
        self.pools = dict(base.pools)
        self.converters = dict(base.converters)
        self.spellings = dict(base.spellings)
        self.implementations = dict(base.implementations)
        self.live = base.live
        self.revision = base.revision
        self.fingerprint = base.fingerprint

    def free_slot(self) -> int:
        size = len(self.specs)
        empty = ~self.live & ((1 << size) - 1)
        if empty:
            return (empty & -empty).bit_length() - 1
        self.specs.append(None)
        return size

    def place(self, bit: int, spec: ModelSpec, origin: str) -> None:
        flag = 1 << bit
        self.specs[bit] = spec
        self.bits[spec.key] = bit
        self.origins[spec.key] = origin
        self.live |= flag
        for name in {spec.name, *spec.aliases}:
            self.names[name] = (*self.names.get(name, ()), bit)
        for fact in facts(spec):
            self.masks[fact] = self.masks.get(fact, 0) | flag
        self.fingerprint = (self.fingerprint + fingerprint(spec)) % (1 << 128)

    def clear(self, bit: int) -> None:
        spec = self.specs[bit]
        if spec is None:
            return
        flag = 1 << bit
        self.specs[bit] = None
        del self.bits[spec.key]
        del self.origins[spec.key]
        self.live &= ~flag
        for name in {spec.name, *spec.aliases}:
            rest = tuple(each for each in self.names[name] if each != bit)
            if rest:
                self.names[name] = rest
            else:
                del self.names[name]
        for fact in facts(spec):
            left = self.masks[fact] & ~flag
            if left:
                self.masks[fact] = left
            else:
                del self.masks[fact]
        self.fingerprint = (self.fingerprint - fingerprint(spec)) % (1 << 128)

    def finish(self) -> Snapshot:
        return Snapshot(
            tuple(self.specs),
            self.bits,
            self.names,
            self.masks,
            self.origins,
            self.pools,
            self.converters,
            self.spellings,
            self.implementations,
            live=self.live,
            revision=self.revision + 1,
            fingerprint=self.fingerprint,
        )


def set_bits(mask: int) -> Iterator[int]:
    """Positions of the ones, lowest first."""
    digits = bin(mask)[:1:-1]
    position = digits.find("1")
    while position >= 0:
        yield position
        position = digits.find("1", position + 1)


def remember(memo: dict[Any, Any], key: Any, value: Any, limit: int = _MEMO_LIMIT) -> None:
    """Keep a value in a bounded memo; the oldest entry makes room."""
    if len(memo) >= limit:
        memo.pop(next(iter(memo)), None)
    memo[key] = value
