"""The nearest level: entries in this process's memory, the least recently used go first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from pointsman.cache.entries import Tags, tags_match, tags_of
from pointsman.forks import hold_while_forking


class MemoryLevel:
    """Entries in an ordered dictionary.

    Args:
        max_entries: how many it holds.
        max_bytes: how much it holds.
    """

    name = "memory"
    quick = True

    def __init__(self, max_entries: int = 10_000, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._secret = os.urandom(32)
        self._lock = threading.Lock()
        hold_while_forking(self._lock)
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._epoch = 0

    def secret(self) -> bytes:
        """What keys are hashed with."""
        return self._secret

    def get(self, key: str, now: float) -> bytes | None:  # noqa: ARG002  the order is enough to know what was used
        """The entry, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: str, entry: bytes, now: float) -> int:  # noqa: ARG002  likewise
        """Keep an entry; how many others had to go."""
        if len(entry) > self._max_bytes:
            return 0
        evicted = 0
        with self._lock:
            self._bytes += len(entry) - len(self._entries.pop(key, b""))
            self._entries[key] = entry
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
                _, gone = self._entries.popitem(last=False)
                self._bytes -= len(gone)
                evicted += 1
        return evicted

    def drop(self, key: str) -> None:
        """Remove an entry."""
        with self._lock:
            self._bytes -= len(self._entries.pop(key, b""))

    def invalidate(self, wanted: Tags) -> int:
        """Remove what belongs to all that is wanted."""
        with self._lock:
            gone = [key for key, entry in self._entries.items() if tags_match(tags_of(entry), wanted)]
            for key in gone:
                self._bytes -= len(self._entries.pop(key))
            self._epoch += 1
            return len(gone)

    def epoch(self) -> int:
        """How often something was invalidated."""
        return self._epoch

    def size(self) -> tuple[int, int]:
        """Entries and bytes."""
        return len(self._entries), self._bytes

    def close(self) -> None:
        """Nothing to give back."""
