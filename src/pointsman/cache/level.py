"""The protocol of one level of the cache: bytes under a key, bounded, with a secret of its own."""

from __future__ import annotations

from typing import Protocol

from pointsman.cache.entries import Tags


class BrokenLevelError(Exception):
    """What a level kept was damaged as a whole; it has been dropped, and the level starts anew."""


class Level(Protocol):
    """Entries by key. Every method may raise `StoreError` and `BrokenLevelError`, and nothing else of its own.

    Attributes:
        name: as statistics call it.
        quick: whether it answers without waiting for a disk or a network.
    """

    name: str
    quick: bool

    def secret(self) -> bytes:
        """What keys are hashed with; made once, kept where the entries are."""
        ...

    def get(self, key: str, now: float) -> bytes | None:
        """The entry, which counts as used now; None if there is none."""
        ...

    def put(self, key: str, entry: bytes, now: float) -> int:
        """Keep an entry; how many others had to go."""
        ...

    def drop(self, key: str) -> None:
        """Remove an entry, if it is there."""
        ...

    def invalidate(self, wanted: Tags) -> int:
        """Remove every entry that belongs to all that is wanted (everything, if nothing is); how many went."""
        ...

    def epoch(self) -> int:
        """A number that grows with every invalidation, whichever process made it."""
        ...

    def size(self) -> tuple[int, int]:
        """How many entries and how many bytes it holds."""
        ...

    def close(self) -> None:
        """Give back what is held; may be called twice."""
        ...
