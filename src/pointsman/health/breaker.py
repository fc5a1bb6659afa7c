"""A circuit breaker for one model: the transition table, and the record it works on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

BreakerState = Literal["closed", "open", "half_open"]
BreakerEvent = Literal["success", "failure", "tripped", "cooled"]

# Everything a breaker can do. A pair that is not here changes nothing.
TRANSITIONS: Mapping[tuple[BreakerState, BreakerEvent], BreakerState] = {
    ("closed", "tripped"): "open",
    ("open", "cooled"): "half_open",
    ("open", "success"): "closed",
    ("half_open", "success"): "closed",
    ("half_open", "failure"): "open",
    ("half_open", "tripped"): "open",
}


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens and for how long.

    Attributes:
        consecutive: failures in a row that open it.
        window: seconds over which a share of failures is taken.
        least: calls in the window before the share counts.
        share: of failures in the window that opens it.
        shortest: seconds of the first opening; each further one doubles it.
        longest: seconds of any opening.
        lease: seconds after which a probe that never reported back is forgotten.
    """

    consecutive: float = 5
    window: float = 30.0
    least: int = 10
    share: float = 0.5
    shortest: float = 5.0
    longest: float = 300.0
    lease: float = 60.0


class Window(NamedTuple):
    """A breaker's opening as other processes hear of it; moments of this process's monotonic clock."""

    opened: float
    until: float
    closed: float
    openings: int


@dataclass(slots=True)
class Breaker:
    """The record of one model: its state, its recent failures, and who probes it.

    `opened_at` and `closed_at` say when, `is_news` whether other processes have yet to hear of it.
    """

    limits: BreakerLimits
    state: BreakerState = "closed"
    in_a_row: float = 0.0
    openings: int = 0
    open_until: float = 0.0
    probe_until: float = 0.0
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=200))
    opened_at: float = -math.inf
    closed_at: float = -math.inf
    is_news: bool = False

    def succeed(self, now: float) -> None:
        """Count a success; closes the breaker."""
        self.in_a_row = 0.0
        self.recent.append((now, 0.0))
        if self.state != "closed":
            self.close(now)

    def close(self, now: float) -> None:
        """Let calls through again; whoever probed has found it well."""
        self._go("success")
        self.in_a_row = 0.0
        self.openings = 0
        self.open_until = self.probe_until = 0.0
        self.closed_at = now
        self.is_news = True
        self.recent.clear()

    def fail(self, now: float, rng: Random, weight: float = 1.0) -> None:
        """Count a failure; opens the breaker when it was one too many."""
        self.in_a_row += weight
        self.recent.append((now, weight))
        if self.state == "half_open" or (self.state == "closed" and self._one_too_many(now)):
            self.trip(now, rng)

    def trip(self, now: float, rng: Random, seconds: float | None = None) -> None:
        """Open it, for `seconds` or for an equal-jitter back-off that doubles with each opening."""
        span = min(self.limits.shortest * 2.0**self.openings, self.limits.longest)
        cool_down = seconds if seconds is not None else span / 2 + rng.random() * span / 2
        self.openings = min(self.openings + 1, 16)
        self.open_until = max(self.open_until, now + cool_down)
        self.probe_until = 0.0
        self.opened_at = now
        self.is_news = True
        if self.state == "open":
            return
        self._go("tripped")

    def available(self, now: float) -> bool:
        """Whether calls may go there in their normal order; turns an opening that is over into a half-open one."""
        if self.state == "open" and now >= self.open_until:
            self._go("cooled")
        if self.state == "half_open":
            return now >= self.probe_until
        return self.state == "closed"

    def admit(self, now: float) -> bool:
        """Ask to start a call: always when closed; half open, one caller at a time gets the probe."""
        if not self.available(now):
            return False
        if self.state == "half_open":
            self.probe_until = now + self.limits.lease
        return True

    def release(self) -> None:
        """Give back a probe that will not report: its call was cancelled."""
        self.probe_until = 0.0

    def postpone(self, until: float) -> None:
        """Leave the probe to somebody else, and ask again then."""
        if self.state == "half_open":
            self.probe_until = until

    @property
    def window(self) -> Window:
        """What other processes should hear."""
        return Window(self.opened_at, self.open_until, self.closed_at, self.openings)

    def adopt(self, window: Window, now: float) -> None:
        """Take over what another process found; the newest finding counts, and of one opening the longest end."""
        if self.state != "closed" and window.closed >= self.opened_at:
            self.close(window.closed)
        if window.opened > max(window.closed, self.closed_at):
            if self.state == "closed" or (self.state == "half_open" and window.until > max(now, self.open_until)):
                self._go("tripped")
                self.probe_until = 0.0
            self.opened_at = max(self.opened_at, window.opened)
            self.open_until = max(self.open_until, window.until)
            self.openings = max(self.openings, window.openings)
        self.is_news = False

    def _one_too_many(self, now: float) -> bool:
        if self.in_a_row >= self.limits.consecutive:
            return True
        since = now - self.limits.window
        weights = [weight for at, weight in self.recent if at >= since]
        return len(weights) >= self.limits.least and sum(weights) >= self.limits.share * len(weights)

    def _go(self, event: BreakerEvent) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)
