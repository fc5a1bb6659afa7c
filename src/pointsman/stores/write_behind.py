"""Writes that a call does not wait for: kept here, the newest value of a key only, until somebody flushes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from pointsman.forks import renew_after_fork
from pointsman.stores.base import Json, Store, Write
from pointsman.stores.memory import dump

_BATCH = 200


class RemoteStore(Store, Protocol):
    """A store behind a network, which takes values that are spelled already."""

    def put_texts(self, writes: Sequence[tuple[str, str, str]]) -> None:
        """Write all of (space, key, JSON) or none."""
        ...

    def changed(self, space: str, after: float) -> Iterator[tuple[float, str, Json]]:
        """What was written after a mark, as (mark, key, value), oldest change first."""
        ...


class WriteBehind:
    """A remote store whose `put` and `trim` cost no round trip; whatever else is asked writes what waits first.

    Args:
        store: where it all goes in the end.
        most: how many values may wait; of more the oldest are dropped.

    Attributes:
        dropped: how many were.
        when_many: called when many values wait.
    """

    shared = True
    remote = True

    def __init__(self, store: RemoteStore, most: int = 10_000) -> None:
        self.store = store
        self._most = most
        self._flushing = threading.Lock()
        self._lock = threading.RLock()
        self._waiting: dict[tuple[str, str], str] = {}
        self._trims: dict[str, int] = {}
        self.dropped = 0
        self.when_many: Callable[[], None] | None = None
        renew_after_fork(self)

    def __repr__(self) -> str:
        return f"WriteBehind({self.store!r})"

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, space: str, key: str) -> Json | None:
        """The value, or None."""
        text = self._waiting.get((space, key))
        return self.store.get(space, key) if text is None else json.loads(text)

    def put(self, space: str, key: str, value: Json) -> None:
        """Write a value soon."""
        self.put_all([Write(space, key, value)])

    def put_all(self, writes: Sequence[Write]) -> None:
        """Write all of them soon."""
        texts = [((write.space, write.key), dump(write.value)) for write in writes]
        with self._lock:
            for place, text in texts:
                self._waiting[place] = text
            surplus = len(self._waiting) - self._most
            if surplus > 0:
                for place in list(self._waiting)[:surplus]:
                    del self._waiting[place]
                self.dropped += surplus
        if self.when_many is not None and len(self._waiting) > self._most // 4:
            self.when_many()

    def flush(self) -> None:
        """Write what waits.

        Raises:
            StoreError: E4301; then it waits on.
        """
        with self._flushing:
            while batch := list(self._waiting.items())[:_BATCH]:
                self.store.put_texts([(space, key, text) for (space, key), text in batch])
                with self._lock:
                    for place, text in batch:
                        if self._waiting.get(place) is text:
                            del self._waiting[place]
            while self._trims:
                space, keep = self._trims.popitem()
                self.store.trim(space, keep)

    def add(self, space: str, key: str, value: Json) -> bool:
        """Write the value unless the key exists; False if it did."""
        self.flush()
        return self.store.add(space, key, value)

    def delete(self, space: str, key: str) -> bool:
        """Remove a value; False if there was none."""
        self.flush()
        return self.store.delete(space, key)

    def items(self, space: str) -> Iterator[tuple[str, Json]]:
        """All values of a space, oldest key first."""
        self.flush()
        return self.store.items(space)

    def changed(self, space: str, after: float) -> Iterator[tuple[float, str, Json]]:
        """What was written after a mark, as (mark, key, value), oldest change first."""
        self.flush()
        return self.store.changed(space, after)

    def count(self, space: str) -> int:
        """How many values a space holds."""
        self.flush()
        return self.store.count(space)

    def trim(self, space: str, keep: int) -> int:
        """Remove the oldest values beyond `keep`, soon; so nobody knows yet how many."""
        self._trims[space] = keep
        return 0

    def clear(self, space: str) -> None:
        """Remove every value of a space."""
        self.flush()
        self.store.clear(space)

    def close(self) -> None:
        """Give the connections back; what was not flushed is lost."""
        self.store.close()

    def forked(self) -> None:
        """What waits is the parent's to write."""
        self._flushing, self._lock = threading.Lock(), threading.RLock()
        self._waiting, self._trims, self.dropped = {}, {}, 0
