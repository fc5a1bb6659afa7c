"""Who is well: a breaker per model, throttles and credentials apart from sickness, and the states people read.

Health *orders*, it never excludes: what is behind is tried last, so nothing is lost to our own caution.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pointsman.breaker import Breaker, BreakerLimits
from pointsman.catalog.spec import ModelSpec
from pointsman.faults import Fault, FaultKind
from pointsman.snapshot import Snapshot, credential_fact
from pointsman.types import Clock

HealthState = Literal["healthy", "degraded", "unhealthy", "recovering", "unknown"]

_WEIGHT_OF_NEWEST = 0.1
_DEGRADED_BELOW = 0.8
_REFUSALS_BEFORE_OUT = 2
_LONGEST_CREDENTIAL_PAUSE = 900.0
_LONGEST_THROTTLE = 120.0


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    interval: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=5.0, gt=0)
    failure_threshold: int = Field(default=3, ge=1)
    recovery_threshold: int = Field(default=2, ge=1)
    slow: float | None = Field(default=None, gt=0)
    last_resort: bool = True
    concurrency: int = Field(default=8, ge=1)


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A model's health at one moment; `issues` says in words what is wrong."""

    model: str
    state: HealthState
    success_rate: float | None
    mean_seconds: float | None
    issues: tuple[str, ...] = ()
    available_in: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether calls go there in their normal order; unknown counts as healthy."""
        return self.state in ("healthy", "unknown", "degraded") and self.available_in <= 0

    def __str__(self) -> str:
        issues = f": {'; '.join(self.issues)}" if self.issues else ""
        return f"{self.model} {self.state}{issues}"


@dataclass(slots=True)
class _Vital:
    """What is remembered of one model."""

    breaker: Breaker
    throttled_until: float = 0.0
    success_rate: float | None = None
    mean_seconds: float | None = None
    last_success: float | None = None
    failed_checks: int = 0
    passed_checks: int = 0
    check_failed: bool = False
    checked_at: float | None = None
    last_fault: str | None = None
    told: HealthState = "unknown"


@dataclass(slots=True)
class _Credential:
    """What is remembered of one credential."""

    refused_until: float = 0.0
    refusals: int = 0
    members: set[str] = field(default_factory=set)


class Health:
    """The health of all models. Thread-safe; asking costs nothing while everybody is well."""

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        settings: HealthSettings | None = None,
        limits: BreakerLimits | None = None,
    ) -> None:
        self.settings = settings or HealthSettings()
        self._clock = clock
        self._rng = rng
        self._limits = limits or BreakerLimits()
        self._lock = threading.Lock()
        self._vitals: dict[str, _Vital] = {}
        self._credentials: dict[str, _Credential] = {}
        self._suspects: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._listeners: list[Callable[[str, HealthState, HealthState], None]] = []

    # -- asking

    def behind(self, snapshot: Snapshot) -> int:
        """The mask of models that are to be tried last now."""
        if not self._suspects and not self._refused:
            return 0
        now = self._clock.monotonic()
        mask = 0
        for key in self._suspects:
            bit = snapshot.bits.get(key)
            if bit is not None and not self._is_available(self._vitals[key], now):
                mask |= 1 << bit
        for fact in self._refused:
            if now < self._credentials[fact].refused_until:
                mask |= snapshot.mask(fact)
        return mask

    def admit(self, spec: ModelSpec) -> bool:
        """Ask to start a call; False when the model is behind and this is not its one probe."""
        if spec.key not in self._suspects:
            return True
        with self._lock:
            vital = self._vitals[spec.key]
            now = self._clock.monotonic()
            return now >= vital.throttled_until and vital.breaker.admit(now)

    def available_in(self, spec: ModelSpec) -> float:
        """Seconds until the model may be called in its normal order."""
        now = self._clock.monotonic()
        vital = self._vitals.get(spec.key)
        credential = self._credentials.get(credential_fact(spec))
        waits = [0.0]
        if vital is not None:
            waits += [vital.throttled_until - now]
            if not vital.breaker.available(now):
                waits += [max(vital.breaker.open_until, vital.breaker.probe_until) - now]
        if credential is not None:
            waits += [credential.refused_until - now]
        return max(waits)

    def served_recently(self, key: str, within: float = 60.0) -> bool:
        """Whether the model answered another request within so many seconds."""
        vital = self._vitals.get(key)
        return (
            vital is not None
            and vital.last_success is not None
            and self._clock.monotonic() - vital.last_success <= within
        )

    def failed_last(self, key: str, quiet: float = 10.0) -> bool:
        """Whether the last call failed and none has succeeded for so many seconds."""
        vital = self._vitals.get(key)
        return vital is not None and vital.breaker.in_a_row > 0 and not self.served_recently(key, quiet)

    def checked_within(self, spec: ModelSpec, seconds: float) -> bool:
        """Whether an active check came back within so many seconds."""
        vital = self._vitals.get(spec.key)
        at = None if vital is None else vital.checked_at
        return at is not None and self._clock.monotonic() - at <= seconds

    def report(self, spec: ModelSpec) -> HealthReport:
        """The state people read."""
        vital = self._vitals.get(spec.key)
        wait = self.available_in(spec)
        if vital is None:
            refused = ("its credential was refused",) if wait > 0 else ()
            return HealthReport(spec.key, "unknown", None, None, refused, max(wait, 0.0))
        now = self._clock.monotonic()
        issues = tuple(self._issues(vital, spec, now))
        state = self._state(vital, now)
        return HealthReport(spec.key, state, vital.success_rate, vital.mean_seconds, issues, max(wait, 0.0))

    # -- learning

    def succeeded(self, spec: ModelSpec, seconds: float | None = None) -> None:
        """A call was answered."""
        with self._lock:
            vital = self._vital(spec)
            now = self._clock.monotonic()
            vital.breaker.succeed(now)
            vital.last_success = now
            vital.check_failed = False
            vital.success_rate = _moved(vital.success_rate, 1.0)
            if seconds is not None:
                vital.mean_seconds = _moved(vital.mean_seconds, seconds)
            credential = self._credentials.get(credential_fact(spec))
            if credential is not None:
                credential.refusals = 0
                credential.refused_until = 0.0
            self._refresh(spec.key, vital, now)
        if vital.told != "healthy" or self.settings.slow is not None:
            self._tell(spec.key, vital)

    def failed(self, spec: ModelSpec, fault: Fault) -> None:
        """A call failed; the fault's row says on whose account it goes."""
        rule = fault.rule
        with self._lock:
            vital = self._vital(spec)
            now = self._clock.monotonic()
            vital.last_fault = fault.kind.value
            if rule.charges == "model":
                vital.success_rate = _moved(vital.success_rate, 1.0 - rule.weight)
                if rule.cooldown:
                    vital.breaker.trip(now, self._rng, rule.cooldown)
                else:
                    vital.breaker.fail(now, self._rng, rule.weight)
            elif rule.charges == "throttle":
                wait = fault.retry_after if fault.retry_after is not None else rule.cooldown
                vital.throttled_until = max(vital.throttled_until, now + min(wait, _LONGEST_THROTTLE))
                vital.breaker.release()
            elif rule.charges == "credential":
                self._refuse(spec, fault, now)
                vital.breaker.release()
            else:
                vital.breaker.release()
            self._refresh(spec.key, vital, now)
        self._tell(spec.key, vital)

    def released(self, spec: ModelSpec) -> None:
        """A call was cancelled: it gives back its probe and teaches nothing."""
        if spec.key in self._suspects:
            with self._lock:
                self._vitals[spec.key].breaker.release()

    def checked(self, spec: ModelSpec, error: BaseException | None, seconds: float | None = None) -> None:
        """An active check came back. One failure puts the model behind; the thresholds decide what it is called."""
        with self._lock:
            vital = self._vital(spec)
            now = vital.checked_at = self._clock.monotonic()
            if error is None:
                vital.failed_checks = 0
                vital.passed_checks += 1
                if seconds is not None and vital.mean_seconds is None:
                    vital.mean_seconds = seconds
                if vital.breaker.state == "closed" or vital.passed_checks >= self.settings.recovery_threshold:
                    vital.breaker.succeed(now)
                    vital.check_failed = False
                    vital.success_rate = 1.0 if vital.success_rate is None else vital.success_rate
            else:
                vital.passed_checks = 0
                vital.failed_checks += 1
                vital.check_failed = True
                vital.last_fault = type(error).__name__
                vital.breaker.trip(now, self._rng)
            self._refresh(spec.key, vital, now)
        self._tell(spec.key, vital)

    def subscribe(self, callback: Callable[[str, HealthState, HealthState], None]) -> Callable[[], None]:
        """Call back with (model, old state, new state); returns what ends the subscription."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    # -- inside

    def _vital(self, spec: ModelSpec) -> _Vital:
        vital = self._vitals.get(spec.key)
        if vital is None:
            vital = self._vitals[spec.key] = _Vital(Breaker(self._limits))
        return vital

    def _refuse(self, spec: ModelSpec, fault: Fault, now: float) -> None:
        fact = credential_fact(spec)
        credential = self._credentials.setdefault(fact, _Credential())
        credential.members.add(spec.key)
        credential.refusals += 1
        if fault.kind is FaultKind.AUTHENTICATION and credential.refusals < _REFUSALS_BEFORE_OUT:
            return
        doubled = fault.rule.cooldown * 2.0 ** min(max(credential.refusals - _REFUSALS_BEFORE_OUT, 0), 8)
        credential.refused_until = max(credential.refused_until, now + min(doubled, _LONGEST_CREDENTIAL_PAUSE))
        self._refused |= {fact}

    def _refresh(self, key: str, vital: _Vital, now: float) -> None:
        suspect = vital.breaker.state != "closed" or now < vital.throttled_until
        if suspect != (key in self._suspects):
            self._suspects = self._suspects | {key} if suspect else self._suspects - {key}
        if self._refused:
            self._refused = frozenset(f for f in self._refused if now < self._credentials[f].refused_until)

    @staticmethod
    def _is_available(vital: _Vital, now: float) -> bool:
        return now >= vital.throttled_until and vital.breaker.available(now)

    def _state(self, vital: _Vital, now: float) -> HealthState:
        vital.breaker.available(now)
        if vital.breaker.state == "half_open" or (vital.breaker.state == "open" and vital.passed_checks):
            return "recovering"
        if vital.breaker.state == "open":
            by_check_alone = vital.check_failed and vital.failed_checks < self.settings.failure_threshold
            return "degraded" if by_check_alone and vital.breaker.in_a_row == 0 else "unhealthy"
        slow = self.settings.slow
        if slow is not None and vital.mean_seconds is not None and vital.mean_seconds > slow:
            return "degraded"
        if vital.success_rate is None:
            return "unknown"
        return "degraded" if vital.success_rate < _DEGRADED_BELOW else "healthy"

    def _issues(self, vital: _Vital, spec: ModelSpec, now: float) -> list[str]:
        issues = []
        if vital.breaker.state != "closed":
            issues.append(f"breaker {vital.breaker.state.replace('_', ' ')}, last fault {vital.last_fault}")
        if vital.failed_checks:
            issues.append(f"{vital.failed_checks} failed checks in a row")
        if now < vital.throttled_until:
            issues.append(f"rate limited for {vital.throttled_until - now:.1f} s")
        credential = self._credentials.get(credential_fact(spec))
        if credential is not None and now < credential.refused_until:
            issues.append(f"credential refused for {credential.refused_until - now:.1f} s")
        if vital.success_rate is not None and vital.success_rate < _DEGRADED_BELOW:
            issues.append(f"success rate {vital.success_rate:.2f}")
        return issues

    def _tell(self, key: str, vital: _Vital) -> None:
        state = self._state(vital, self._clock.monotonic())
        if state != vital.told:
            old, vital.told = vital.told, state
            for listener in tuple(self._listeners):
                listener(key, old, state)


def _moved(mean: float | None, value: float) -> float:
    """An exponential moving average that gives the newest value a tenth."""
    return value if mean is None else mean + _WEIGHT_OF_NEWEST * (value - mean)
