"""Limits counted in this process: GCRA for rates, counters for windows, a bounded number of keys."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from pointsman.limits.buckets import Take
from pointsman.limits.periods import end_of, number_of
from pointsman.types import Clock

# Sums of floats miss by a little; a limit is not reached by less than this part of it.
_SLACK = 1e-9
_LOOKED_AT = 16


@dataclass(slots=True)
class _Meter:
    """What is remembered of one key.

    Attributes:
        take: the newest take, for its limit and period.
        mark: of a rate the moment at which it is full again, of a window its number since the epoch.
        used: of a window what was taken in it.
    """

    take: Take
    mark: float
    used: float = 0.0


class MemoryBuckets:
    """Counts in memory; thread-safe.

    A rate is a bucket that holds its limit and refills steadily (GCRA: ITU-T I.371), so at most twice the limit passes
    within any period that begins with a full one, and the limit within every period after.

    Args:
        clock: where time comes from; the wall clock is read once, so that setting it moves no window.
        most_keys: of more keys those that were not used for longest are forgotten, full ones first.
    """

    def __init__(self, clock: Clock, most_keys: int = 10_000) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._since_epoch = clock.time() - clock.monotonic()
        # May be taken again by its holder: a stream that nobody holds any more may be collected, and end, at any moment.
        self._lock = threading.RLock()
        self._meters: OrderedDict[str, _Meter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._meters)

    def take(self, takes: Sequence[Take]) -> float:
        """Take all or nothing; 0 if taken, else the seconds until it could be, infinite if it never could."""
        with self._lock:
            now = self._clock.monotonic()
            wait, changes = self._tried(takes, now)
            if wait <= 0:
                for key, meter in changes.items():
                    self._keep(key, meter, now)
            return wait

    async def atake(self, takes: Sequence[Take]) -> float:
        """Like `take`; memory holds nobody up."""
        return self.take(takes)

    def wait(self, takes: Sequence[Take]) -> float:
        """What `take` would say, without taking."""
        with self._lock:
            return self._tried(takes, self._clock.monotonic())[0]

    def settle(self, takes: Sequence[Take]) -> None:
        """Add what an estimate fell short of, or give back what it exceeded; never more than there was."""
        with self._lock:
            now = self._clock.monotonic()
            for take in takes:
                if not math.isfinite(take.amount) or not take.limit > 0:
                    continue
                meter = self._current(take, now)
                if take.kind == "rate":
                    meter.mark = max(meter.mark + take.amount * take.period / take.limit, now)
                else:
                    meter.used = max(meter.used + take.amount, 0.0)
                self._keep(take.key, meter, now)

    def told(self, key: str, *, limit: float, remaining: float, reset: float, period: float) -> None:
        """A server has said what is left of a rate limit and the seconds until it is full again; the stricter wins."""
        del reset  # says when a window of theirs ends, or when a bucket is full; what is left means the same in both
        if not (limit > 0 and period > 0 and remaining >= 0):
            return
        used = max(limit - remaining, 0.0)
        take = Take(key, 0.0, limit, period)
        with self._lock:
            now = self._clock.monotonic()
            meter = self._current(take, now)
            meter.mark = max(meter.mark, now + used * period / limit)
            self._keep(key, meter, now)

    def headroom(self) -> dict[str, dict[str, float]]:
        """What is left of every limit that is remembered: `{key: {limit, remaining, period}}`."""
        with self._lock:
            now = self._clock.monotonic()
            return {
                key: {"limit": meter.take.limit, "remaining": self._left(meter, now), "period": meter.take.period}
                for key, meter in self._meters.items()
            }

    def _tried(self, takes: Sequence[Take], now: float) -> tuple[float, dict[str, _Meter]]:
        """The longest wait of all, and the meters as they would be; one key may be taken several times."""
        longest = 0.0
        changes: dict[str, _Meter] = {}
        for take in takes:
            if not take.amount > 0:
                continue
            meter = changes.get(take.key) or self._current(take, now)
            changes[take.key] = meter
            if not take.amount <= take.limit * (1 + _SLACK):
                return math.inf, changes
            if take.kind == "rate":
                meter.mark += take.amount * take.period / take.limit
                over = meter.mark - take.period - now
                wait = over if over > _SLACK * take.period else 0.0
            else:
                meter.used += take.amount
                fits = meter.used <= take.limit * (1 + _SLACK)
                end = 0.0 if fits else end_of(take.kind, take.period, meter.mark)
                wait = 0.0 if fits else end - (now + self._since_epoch)
            longest = max(longest, wait)
        return longest, changes

    def _current(self, take: Take, now: float) -> _Meter:
        """A copy of a key's meter as it stands now."""
        known = self._meters.get(take.key)
        known = known if known is not None and known.take.kind == take.kind else None
        if take.kind == "rate":
            return _Meter(take, now if known is None else max(known.mark, now))
        number = number_of(take.kind, take.period, now + self._since_epoch)
        same = known is not None and known.mark == number and known.take.period == take.period
        return _Meter(take, number, known.used if known is not None and same else 0.0)

    def _keep(self, key: str, meter: _Meter, now: float) -> None:
        self._meters[key] = meter
        self._meters.move_to_end(key)
        if len(self._meters) > self._most_keys:
            oldest = [each for each, _ in zip(self._meters, range(_LOOKED_AT), strict=False)]
            full = (each for each in oldest if self._used(self._meters[each], now) <= 0)
            del self._meters[next(full, oldest[0])]

    def _used(self, meter: _Meter, now: float) -> float:
        take = meter.take
        if take.kind == "rate":
            return max(meter.mark - now, 0.0) * take.limit / take.period
        return meter.used if meter.mark == number_of(take.kind, take.period, now + self._since_epoch) else 0.0

    def _left(self, meter: _Meter, now: float) -> float:
        return max(meter.take.limit - self._used(meter, now), 0.0)
