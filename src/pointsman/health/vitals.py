"""What is remembered of one model and of one credential, and the settings of health."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pointsman.health.breaker import Breaker

HealthState = Literal["healthy", "degraded", "unhealthy", "recovering", "unknown"]

_WEIGHT_OF_NEWEST = 0.1
_DEGRADED_BELOW = 0.8


class HealthSettings(BaseModel):
    """The `health:` section: how often models are checked, and when they count as sick or well.

    Attributes:
        interval: seconds between active checks; None checks only when asked.
        timeout: seconds a check may take.
        failure_threshold: failed checks in a row that make a model unhealthy.
        recovery_threshold: passed checks in a row that make it healthy again.
        slow: seconds of mean latency above which a model counts as degraded.
        last_resort: whether models that are behind are still tried when nothing else is left.
        concurrency: checks at the same time.
        probe: what a check asks: for the list of `models`, which is free, or for a `completion` of a few tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    interval: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=5.0, gt=0)
    failure_threshold: int = Field(default=3, ge=1)
    recovery_threshold: int = Field(default=2, ge=1)
    slow: float | None = Field(default=None, gt=0)
    last_resort: bool = True
    concurrency: int = Field(default=8, ge=1)
    probe: Literal["models", "completion"] = "models"


@dataclass(slots=True)
class Vital:
    """What is remembered of one model: whether it is sick (`breaker`) apart from whether it is full (`throttle`)."""

    breaker: Breaker
    throttle: Breaker
    success_rate: float | None = None
    mean_seconds: float | None = None
    last_success: float | None = None
    failed_checks: int = 0
    passed_checks: int = 0
    check_failed: bool = False
    checked_at: float | None = None
    last_fault: str | None = None
    told: HealthState = "unknown"

    @property
    def is_suspect(self) -> bool:
        """Whether there is a reason to look closer."""
        return self.breaker.state != "closed" or self.throttle.state != "closed"

    def is_available(self, now: float) -> bool:
        """Whether calls go there in their normal order, or one may to find out."""
        return self.throttle.available(now) and self.breaker.available(now)

    def state(self, now: float, slow: float | None, failure_threshold: int) -> HealthState:
        """The state people read."""
        self.breaker.available(now)
        if self.breaker.state == "half_open" or (self.breaker.state == "open" and self.passed_checks):
            return "recovering"
        if self.breaker.state == "open":
            by_check_alone = self.check_failed and self.failed_checks < failure_threshold
            return "degraded" if by_check_alone and self.breaker.in_a_row == 0 else "unhealthy"
        if slow is not None and self.mean_seconds is not None and self.mean_seconds > slow:
            return "degraded"
        if self.success_rate is None:
            return "unknown"
        return "degraded" if self.success_rate < _DEGRADED_BELOW else "healthy"

    def issues(self, now: float) -> Iterator[str]:
        """What is wrong, in words."""
        if self.breaker.state != "closed":
            cause = "" if self.last_fault is None else f", last fault {self.last_fault}"
            yield f"breaker {self.breaker.state.replace('_', ' ')}{cause}"
        if self.failed_checks:
            yield f"{self.failed_checks} failed checks in a row"
        if now < self.throttle.open_until and self.throttle.state != "closed":
            yield f"rate limited for {self.throttle.open_until - now:.1f} s"
        if self.success_rate is not None and self.success_rate < _DEGRADED_BELOW:
            yield f"success rate {self.success_rate:.2f}"


@dataclass(slots=True)
class Credential:
    """What is remembered of one credential; its breaker needs no probe, time alone closes it.

    `served_at` is when it was last accepted, after the first refusal.
    """

    breaker: Breaker
    refusals: int = 0
    served_at: float = -math.inf

    @property
    def refused_until(self) -> float:
        """When it may be used again; 0 when it may now."""
        return self.breaker.open_until if self.breaker.state != "closed" else 0.0


def moved(mean: float | None, value: float) -> float:
    """An exponential moving average that gives the newest value a tenth."""
    return value if mean is None else mean + _WEIGHT_OF_NEWEST * (value - mean)
