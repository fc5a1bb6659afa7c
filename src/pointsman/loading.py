"""`LoadedModels`: clients and local models, built when first used and let go of when others need the room.

Each is built once, however many threads and tasks ask for it at the same time. The least recently used goes first, and
none that is in use.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pointsman.catalog.spec import ModelSpec
from pointsman.errors import ModelLoadError, PointsmanError
from pointsman.forks import hold_while_forking

_log = logging.getLogger("pointsman")

Load = Callable[[], Any]
Release = Callable[[Any], None]


class LoadingSettings(BaseModel):
    """The `loading:` section: how many clients and local models are held at the same time.

    Attributes:
        max_loaded: how many; when all of them are in use, one more is held until one is not.
        max_memory_gb: how much memory, by the models' `memory_gb`; this one is never exceeded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    max_loaded: int | None = Field(default=None, ge=1)
    max_memory_gb: float | None = Field(default=None, gt=0)

    @property
    def limited(self) -> bool:
        """Whether anything ever has to go."""
        return self.max_loaded is not None or self.max_memory_gb is not None


@dataclass(frozen=True, slots=True)
class LoadingStatistics:
    """What was loaded and let go of so far, and what is held now (`memory_gb` as far as models say)."""

    loads: int
    failures: int
    releases: int
    load_seconds: float
    loaded: tuple[str, ...]
    in_use: tuple[str, ...]
    memory_gb: float


@dataclass(slots=True, eq=False)
class _Slot:
    """One thing that is loaded, or being loaded."""

    spec: ModelSpec
    release: Release | None
    future: Future[Any] = field(default_factory=Future)
    users: int = 1
    retired: bool = False

    @property
    def memory(self) -> float:
        return self.spec.memory_gb or 0.0

    @property
    def idle(self) -> bool:
        return self.users == 0 and self.future.done()


class LoadedModels:
    """What is held now, by key. Safe to share between threads and tasks.

    Args:
        settings: how much may be held; everything, unless given.
    """

    def __init__(self, settings: LoadingSettings | None = None) -> None:
        self.settings = settings or LoadingSettings()
        self._lock = threading.Lock()
        hold_while_forking(self._lock)
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        # Replaced while in use: they go when their last user does.
        self._leaving: list[_Slot] = []
        self._loads = self._failures = self._releases = 0
        self._seconds = 0.0

    def limit(self, settings: LoadingSettings) -> None:
        """Hold this much from here on; what is too much and idle goes now."""
        with self._lock:
            self.settings = settings
            gone = self._make_room(0.0, 0)
        self._let_go(gone)

    @contextmanager
    def lease(self, key: Hashable, spec: ModelSpec, load: Load, release: Release | None = None) -> Iterator[Any]:
        """Use what `load` makes; while the block lasts it is not let go of.

        Args:
            key: what it is; the same key and spec mean the same thing.
            spec: of which model; when it has changed, it is loaded anew.
            load: makes it.
            release: is told that it is let go of.

        Raises:
            ModelLoadError: E4403, with the cause; also where memory has no room for it now.
            PointsmanError: what `load` raised, if it is one of ours.
        """
        slot, loads = self._enter(key, spec, release)
        try:
            if loads:
                self._load(key, slot, load)
            yield slot.future.result()
        finally:
            self._leave(slot)

    @asynccontextmanager
    async def alease(
        self, key: Hashable, spec: ModelSpec, load: Load, release: Release | None = None
    ) -> AsyncIterator[Any]:
        """Like `lease`; loading happens in a thread, which goes on even if this task is cancelled."""
        slot, loads = self._enter(key, spec, release)
        try:
            if loads:
                threading.Thread(target=self._load, args=(key, slot, load), daemon=True, name="pointsman-load").start()
            if not slot.future.done():
                waiting = asyncio.wrap_future(slot.future)
                try:
                    await asyncio.wait({waiting})
                finally:
                    if not waiting.done():
                        waiting.cancel()
                    elif not waiting.cancelled():
                        waiting.exception()  # it is read from the slot below
            yield slot.future.result()
        finally:
            self._leave(slot)

    def forget(self, key: Hashable) -> None:
        """Let go of one thing, as soon as nobody uses it."""
        with self._lock:
            slot = self._slots.pop(key, None)
            gone = [] if slot is None else self._retire(slot)
        self._let_go(gone)

    def clear(self) -> None:
        """Let go of everything, as soon as nobody uses it."""
        with self._lock:
            slots, self._slots = list(self._slots.values()), OrderedDict()
            gone = [each for slot in slots for each in self._retire(slot)]
        self._let_go(gone)

    def held(self, key: Hashable) -> Any:
        """What is held under a key, None if nothing is."""
        with self._lock:
            slot = self._slots.get(key)
        ready = slot is not None and slot.future.done() and slot.future.exception() is None
        return slot.future.result() if ready and slot is not None else None

    def statistics(self) -> LoadingStatistics:
        """What happened so far, and what is held now."""
        with self._lock:
            slots = [*self._slots.values(), *self._leaving]
            return LoadingStatistics(
                loads=self._loads,
                failures=self._failures,
                releases=self._releases,
                load_seconds=self._seconds,
                loaded=tuple(slot.spec.key for slot in slots if slot.future.done()),
                in_use=tuple(slot.spec.key for slot in slots if slot.users),
                memory_gb=sum(slot.memory for slot in slots),
            )

    # -- inside

    def _enter(self, key: Hashable, spec: ModelSpec, release: Release | None) -> tuple[_Slot, bool]:
        """The slot of a key, which counts one more user, and whether it is this user's to load."""
        gone: list[_Slot] = []
        try:
            with self._lock:
                slot = self._slots.get(key)
                if slot is not None and (slot.spec is spec or slot.spec == spec):
                    slot.users += 1
                    self._slots.move_to_end(key)
                    return slot, False
                if slot is not None:
                    gone += self._retire(self._slots.pop(key))
                gone += self._make_room(spec.memory_gb or 0.0, 1)
                self._check_memory(spec)
                slot = self._slots[key] = _Slot(spec, release)
                slot.future.set_running_or_notify_cancel()  # so that nobody who waits can cancel it
                return slot, True
        finally:
            self._let_go(gone)

    def _leave(self, slot: _Slot) -> None:
        with self._lock:
            slot.users -= 1
            gone = self._retire(slot) if slot.retired and slot in self._leaving else []
            gone += self._make_room(0.0, 0)
        self._let_go(gone)

    def _load(self, key: Hashable, slot: _Slot, load: Load) -> None:
        started = time.perf_counter()
        try:
            value = load()
        except BaseException as error:  # noqa: BLE001  whoever waits has to be told, whatever it was
            with self._lock:
                self._failures += 1
                if self._slots.get(key) is slot:
                    del self._slots[key]  # the next user tries again
            slot.future.set_exception(_load_error(slot.spec, error))
        else:
            with self._lock:
                self._loads += 1
                self._seconds += time.perf_counter() - started
            slot.future.set_result(value)

    def _make_room(self, memory: float, count: int) -> list[_Slot]:
        """Retire what is idle, least recently used first, until so much more fits or nothing idle is left."""
        gone: list[_Slot] = []
        for key in [each for each, slot in self._slots.items() if slot.idle]:
            if self._fits(memory, count):
                break
            gone += self._retire(self._slots.pop(key))
        return gone

    def _fits(self, memory: float, count: int) -> bool:
        settings = self.settings
        if settings.max_loaded is not None and len(self._slots) + count > settings.max_loaded:
            return False
        return settings.max_memory_gb is None or self._memory() + memory <= settings.max_memory_gb

    def _memory(self) -> float:
        return sum(slot.memory for slot in (*self._slots.values(), *self._leaving))

    def _check_memory(self, spec: ModelSpec) -> None:
        limit, needed = self.settings.max_memory_gb, spec.memory_gb
        if limit is None or needed is None or self._memory() + needed <= limit:
            return
        if needed > limit:
            raise ModelLoadError(
                spec.key, f"it needs {needed:g} GB, and {limit:g} GB are all there is", retryable=False
            )
        raise ModelLoadError(spec.key, f"it needs {needed:g} GB, and {self._memory():g} of {limit:g} GB are in use")

    def _retire(self, slot: _Slot) -> list[_Slot]:
        """Take a slot out; it is let go of now if it is idle, else by its last user."""
        slot.retired = True
        if not slot.idle:
            if slot not in self._leaving:
                self._leaving.append(slot)
            return []
        if slot in self._leaving:
            self._leaving.remove(slot)
        self._releases += 1
        return [slot]

    def _let_go(self, gone: list[_Slot]) -> None:
        """Tell what was retired, outside of the lock: it may take its time."""
        for slot in gone:
            if slot.release is None or slot.future.exception() is not None:
                continue
            try:
                slot.release(slot.future.result())
            except Exception as error:  # noqa: BLE001  what it raises concerns nobody who asked for another model
                _log.warning("%s could not be let go of cleanly: %s", slot.spec.key, type(error).__name__)


def _load_error(spec: ModelSpec, error: BaseException) -> BaseException:
    if isinstance(error, PointsmanError) or not isinstance(error, Exception):
        return error
    wrapped = ModelLoadError(spec.key, f"loading it failed: {type(error).__name__}")
    wrapped.__cause__ = error
    return wrapped
