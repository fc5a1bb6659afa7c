"""What a cache has done so far, counted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pointsman.forks import hold_while_forking


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Counts since the cache was opened, by this process.

    Attributes:
        hits: look-ups that were answered; `levels` says from where.
        misses: look-ups that were not.
        writes: entries that were kept.
        evictions: entries that made room for others.
        expired: entries found past their time.
        corrupt: entries and files found damaged, and dropped.
        failures: times a level was down; each counts as a miss there.
        not_kept: answers of types that are not kept, or that say nothing.
        passed_by: requests that were not to be looked up.
        joined: requests that waited for the same one under way, and took its answer.
        entries: how many each level holds now; None for one that is down.
        bytes: how much each holds.
    """

    hits: int = 0
    misses: int = 0
    writes: int = 0
    evictions: int = 0
    expired: int = 0
    corrupt: int = 0
    failures: int = 0
    not_kept: int = 0
    passed_by: int = 0
    joined: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    entries: Mapping[str, int | None] = field(default_factory=dict)
    bytes: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def hit_rate(self) -> float:
        """Hits among look-ups; 0 before the first."""
        looked = self.hits + self.misses
        return self.hits / looked if looked else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `router.statistics()`."""
        return {**asdict(self), "hit_rate": self.hit_rate}


class Tally:
    """Counters that threads share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        hold_while_forking(self._lock)
        self._counts: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        if count:
            with self._lock:
                self._counts[name] += count

    def hit(self, level: str) -> None:
        """Count a hit of a level."""
        with self._lock:
            self._counts["hits"] += 1
            self._levels[level] += 1

    def read(self, sizes: Mapping[str, tuple[int, int] | None]) -> CacheStatistics:
        """The counts so far, and what the levels hold."""
        with self._lock:
            return CacheStatistics(
                **self._counts,
                levels=dict(self._levels),
                entries={name: None if size is None else size[0] for name, size in sizes.items()},
                bytes={name: None if size is None else size[1] for name, size in sizes.items()},
            )
