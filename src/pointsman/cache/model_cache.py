"""`ModelCache`: JSON values under hashed keys, over levels that go from near to far."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from pointsman.arguments import expect
from pointsman.cache.entries import CorruptEntryError, Entry, Tags, pack, unpack
from pointsman.cache.flights import Flights
from pointsman.cache.level import BrokenLevelError, Level
from pointsman.cache.settings import CacheSettings
from pointsman.cache.statistics import CacheStatistics, Tally
from pointsman.cache.urls import open_levels
from pointsman.catalog.spec import uncapitalized
from pointsman.errors import ConfigError, StoreError
from pointsman.types import Clock, SystemClock

_log = logging.getLogger("pointsman")

# Seconds for which a level that failed is not asked, so that being down costs one call's patience and not every call's.
_REST = 1.0
# Seconds between two looks whether another process has invalidated something.
_EPOCH_EVERY = 1.0
_KEY_BYTES = 20

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode

T = TypeVar("T")


class ModelCache:
    """A cache of JSON values that is bounded, measured, and safe to share between tenants, threads and processes.

    Keys are hashes under a secret that is made once and kept beside the entries: what was asked cannot be read from
    the cache, nor an entry be guessed. A level that is down is a miss. Values are kept as they are, compressed.

    Args:
        backend: a level or several, nearest first: `memory`, `sqlite:///FILE`, `redis://HOST:PORT/N`.
        ttl: seconds an entry is good for; None keeps it until it is evicted.
        max_size: entries a level holds.
        compression: whether large entries are compressed.
        settings: all of this, and more, as the `cache:` section has it; goes before the others.
        clock: where time comes from.

    Attributes:
        settings: what it was told.
        flights: what is under way, so that identical requests wait for one.
        tally: what counts.
    """

    def __init__(
        self,
        backend: str | Sequence[str] = "memory",
        *,
        ttl: float | None = 3600.0,
        max_size: int = 10_000,
        compression: bool = True,
        settings: CacheSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        levels = (backend,) if isinstance(backend, str) else tuple(backend)
        self.settings = settings or CacheSettings(levels=levels, ttl=ttl, max_entries=max_size, compression=compression)
        self.tally = Tally()
        self.flights = Flights(self.tally)
        self._above = self.settings.compress_above if self.settings.compression else None
        self._clock = clock or SystemClock()
        self._levels: list[Level] = open_levels(self.settings)
        self._resting: dict[int, float] = {}
        self._secret = os.urandom(32)  # until a level has one
        self._secret_is_settled = False
        self._epochs: list[int | None] = [None] * len(self._levels)
        self._next_epoch = -math.inf
        self._settle_secret()

    @classmethod
    def opened(cls, given: ModelCache | CacheSettings | str | Sequence[str] | bool | None, clock: Clock) -> Self | None:
        """A cache from what a router is given: a cache, settings, names of levels, or whether to have one.

        Raises:
            ConfigError: E4006, for settings or levels that are none.
        """
        if given is None or given is False:
            return None
        if isinstance(given, cls):
            return given
        if isinstance(given, CacheSettings):
            return cls(settings=given, clock=clock)
        expect(given, (str, Sequence, Mapping, bool), "cache", "a ModelCache, its settings, names of levels, or True")
        try:
            if isinstance(given, Mapping):
                return cls(settings=CacheSettings(**given), clock=clock)
            return cls("memory" if given is True else given, clock=clock)  # type: ignore[arg-type]
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(str(part) for part in problem["loc"])
            raise ConfigError(f"cache: {field}: {uncapitalized(problem['msg'])}") from None

    def __repr__(self) -> str:
        return f"ModelCache({' -> '.join(level.name for level in self._levels)})"

    # -- keys

    def key(self, *parts: Any) -> str | None:
        """Hash what is asked (JSON values) under the cache's secret; None for what is no JSON."""
        try:
            text = _encode(parts)
        except (TypeError, ValueError, RecursionError):
            return None
        if not self._secret_is_settled:
            self._settle_secret()
        return blake2b(text.encode(), digest_size=_KEY_BYTES, key=self._secret, person=b"pointsman key").hexdigest()

    def _settle_secret(self) -> None:
        """Take the farthest level's secret, which all processes share; a nearer one's while that is down."""
        for number in reversed(range(len(self._levels))):
            secret = self._ask(number, self._levels[number].secret)
            if secret is not None:
                self._secret, self._secret_is_settled = secret, number == len(self._levels) - 1
                return

    def _tag(self, kind: str, name: str | None) -> bytes:
        if name is None:
            return bytes(8)
        return blake2b(f"{kind}:{name}".encode(), digest_size=8, key=self._secret, person=b"pointsman tag").digest()

    def tags(self, model: str | None, tenant: str | None, version: str | None) -> Tags:
        """What an entry belongs to."""
        return Tags(self._tag("model", model), self._tag("tenant", tenant), self._tag("version", version))

    # -- values

    def get(self, key: str, *, again: bool = False) -> Any:
        """The value, which is a new object each time; None for a miss, which counts unless this looks `again`."""
        return self._find(key, 0, len(self._levels), again=again)

    async def aget(self, key: str, *, again: bool = False) -> Any:
        """Like `get`; waits for disks and networks in a thread."""
        quick = 1 if self._levels[0].quick else 0
        if quick == len(self._levels):
            return self._find(key, 0, quick, again=again)
        if quick:
            value = self._find(key, 0, quick, again=again)
            if value is not None:
                return value
        return await asyncio.to_thread(self._find, key, quick, len(self._levels), again=again)

    def put(
        self,
        key: str,
        value: Any,
        *,
        model: str | None = None,
        tenant: str | None = None,
        version: str | None = None,
        ttl: float | None = None,
    ) -> bool:
        """Keep a JSON value on every level; False if it is none, or None, which means a miss.

        Args:
            key: from `key`.
            value: what is kept.
            model: who made it, for `invalidate`; likewise `tenant` and `version`.
            tenant: whose it is.
            version: of what it is an answer.
            ttl: seconds it is good for, instead of the settings'.
        """
        now = self._clock.time()
        lasts = self.settings.ttl if ttl is None else ttl
        expires = math.inf if lasts is None else now + lasts
        tags = self.tags(model, tenant, version)
        if value is None:
            self.tally.add("not_kept")
            return False
        try:
            entry = pack(self._secret, key, value, tags, created=now, expires=expires, above=self._above)
        except StoreError:
            self.tally.add("not_kept")
            return False
        self.tally.add("writes")
        self._spread(key, entry, range(len(self._levels)), now)
        return True

    async def aput(self, key: str, value: Any, **belongings: Any) -> bool:
        """Like `put`; waits for disks and networks in a thread."""
        if all(level.quick for level in self._levels):
            return self.put(key, value, **belongings)
        return await asyncio.to_thread(self.put, key, value, **belongings)

    def _find(self, key: str, start: int, stop: int, *, again: bool) -> Any:
        """Look into levels `start` to `stop`; a miss is counted when the farthest was asked."""
        now = self._clock.time()
        if not self._levels[stop - 1].quick and self._clock.monotonic() >= self._next_epoch:
            self._look_around()
        for number in range(start, stop):
            found = self._read(number, key, now)
            if found is not None:
                entry, raw = found
                self.tally.hit(self._levels[number].name)
                if number:
                    self._spread(key, raw, range(number), now)
                return entry.value
        if stop == len(self._levels) and not again:
            self.tally.add("misses")
        return None

    def _read(self, number: int, key: str, now: float) -> tuple[Entry, bytes] | None:
        level = self._levels[number]
        raw = self._ask(number, lambda: level.get(key, now))
        if raw is None:
            return None
        try:
            entry = unpack(self._secret, key, raw)
        except CorruptEntryError:
            self.tally.add("corrupt")
        else:
            if now < entry.expires:
                return entry, raw
            self.tally.add("expired")
        self._ask(number, lambda: level.drop(key))
        return None

    def _spread(self, key: str, entry: bytes, numbers: range, now: float) -> None:
        for number in numbers:
            level = self._levels[number]
            self.tally.add("evictions", self._ask(number, lambda level=level: level.put(key, entry, now)) or 0)  # type: ignore[misc]

    # -- getting rid of values

    def invalidate(self, *, model: str | None = None, tenant: str | None = None, version: str | None = None) -> int:
        """Remove what belongs to all that is named, from every level; how many entries went from the farthest.

        The other processes' nearer levels follow within a second.
        """
        wanted = self.tags(model, tenant, version)
        gone = 0
        for number, level in enumerate(self._levels):
            gone = self._ask(number, lambda level=level: level.invalidate(wanted)) or 0  # type: ignore[misc]
        return gone

    def clear(self) -> int:
        """Remove everything, from every level."""
        return self.invalidate()

    def _look_around(self) -> None:
        """Follow the other processes: empty what lies in front of a level in which somebody invalidated something.

        A server that was flushed has a new secret, which is everybody's from then on.
        """
        self._settle_secret()
        self._next_epoch = self._clock.monotonic() + _EPOCH_EVERY
        for number in range(1, len(self._levels)):
            epoch = self._ask(number, self._levels[number].epoch)
            known = self._epochs[number]
            if epoch is None or epoch == known:
                continue
            self._epochs[number] = epoch
            if known is not None:
                for nearer in range(number):
                    self._ask(nearer, lambda nearer=nearer: self._levels[nearer].invalidate(Tags()))  # type: ignore[misc]

    # -- the whole

    def get_statistics(self) -> CacheStatistics:
        """What has happened so far, and what the levels hold now."""
        return self.tally.read({level.name: self._ask(number, level.size) for number, level in enumerate(self._levels)})

    def close(self) -> None:
        """Give back files and connections."""
        for number, level in enumerate(self._levels):
            self._ask(number, level.close)

    def _ask(self, number: int, question: Callable[[], T]) -> T | None:
        """Ask a level; None if it is down, which is said once and then left alone for a while."""
        until = self._resting.get(number)
        now = self._clock.monotonic()
        if until is not None and now < until:
            return None
        try:
            answer = question()
        except BrokenLevelError:
            self.tally.add("corrupt")
            self._secret_is_settled = False  # the new file has a new one
            return None
        except StoreError as error:
            self.tally.add("failures")
            self._resting[number] = now + _REST
            if until is None:
                _log.warning("%s: the cache's level %s is down: %s", error.code, self._levels[number].name, error)
            return None
        if until is not None:
            self._resting.pop(number, None)
        return answer
