"""Who is well: a breaker per model, throttles and credentials apart from sickness, and the states people read.

Health *orders*, it never excludes: what is behind is tried last, so nothing is lost to our own caution.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from random import Random

from pointsman.catalog.spec import ModelSpec
from pointsman.faults import Fault, FaultKind
from pointsman.health.breaker import Breaker, BreakerLimits, Window
from pointsman.health.records import Records
from pointsman.health.reports import HealthReport, report, seconds_to_wait
from pointsman.health.sharing import Sharing, probes_of
from pointsman.health.vitals import Credential, HealthSettings, HealthState, Vital, moved
from pointsman.registry.facts import credential_fact
from pointsman.registry.snapshot import Snapshot
from pointsman.types import Clock

__all__ = ["Health", "HealthReport", "HealthSettings", "HealthState"]

_REFUSALS_BEFORE_OUT = 2
_LONGEST_CREDENTIAL_PAUSE = 900.0
_LONGEST_THROTTLE = 120.0
# Seconds after which a probe that another process has is asked for again.
_ASK_AGAIN = 1.0


class Health:
    """The health of all models. Thread-safe; asking costs nothing while everybody is well.

    Attributes:
        sharing: the part that other processes have in it.
    """

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
        # May be taken again by its holder: a stream that nobody holds any more may be collected, and end, at any moment.
        self._lock = threading.RLock()
        self._records = Records(limits or BreakerLimits())
        self.sharing = Sharing(self._records, self._lock)
        self._suspects: frozenset[str] = frozenset()
        self._refused: frozenset[str] = frozenset()
        self._listeners: list[Callable[[str, HealthState, HealthState], None]] = []

    # -- asking

    def behind(self, snapshot: Snapshot) -> int:
        """The mask of models that are to be tried last now."""
        if not self._suspects and not self._refused:
            return 0
        now = self._clock.monotonic()
        vitals, credentials = self._records.vitals, self._records.credentials
        mask = 0
        for key in self._suspects:
            bit = snapshot.bits.get(key)
            if bit is not None and not vitals[key].is_available(now):
                mask |= 1 << bit
        for fact in self._refused:
            if now < credentials[fact].refused_until:
                mask |= snapshot.mask(fact)
        return mask

    def admit(self, spec: ModelSpec) -> bool:
        """Ask to start a call; False when the model is behind and this is not its one probe.

        After an outage and after a rate limit one call of all processes finds out; the others go elsewhere meanwhile.
        """
        key = spec.key
        if key not in self._suspects:
            return True
        with self._lock:
            vital = self._records.vitals[key]
            now = self._clock.monotonic()
            if not vital.is_available(now):
                return False
            vital.throttle.admit(now)
            vital.breaker.admit(now)
            probes = probes_of(key, vital)
        if self.sharing.take(key, vital, probes):
            return True
        # Another process has the probe, or has found meanwhile that all is well.
        with self._lock:
            later = self._clock.monotonic() + _ASK_AGAIN
            vital.throttle.postpone(later)
            vital.breaker.postpone(later)
            return not vital.is_suspect

    def throttled_for(self, spec: ModelSpec) -> float | None:
        """Seconds of a rate limit that are left, 0 while a call finds out whether it is over; None without one."""
        vital = self._records.vitals.get(spec.key)
        if vital is None or vital.throttle.state == "closed":
            return None
        now = self._clock.monotonic()
        if vital.throttle.available(now):
            return None
        return max(vital.throttle.open_until - now, 0.0)

    def available_in(self, spec: ModelSpec) -> float:
        """Seconds until the model may be called in its normal order."""
        vital, credential = self._records.vitals.get(spec.key), self._records.credential_of(spec)
        return seconds_to_wait(vital, credential, self._clock.monotonic())

    def served_recently(self, key: str, within: float = 60.0) -> bool:
        """Whether the model answered another request within so many seconds."""
        vital = self._records.vitals.get(key)
        return (
            vital is not None
            and vital.last_success is not None
            and self._clock.monotonic() - vital.last_success <= within
        )

    def failed_last(self, key: str, quiet: float = 10.0) -> bool:
        """Whether it is out, or the last call failed and none has succeeded for so many seconds."""
        vital = self._records.vitals.get(key)
        if vital is None or vital.breaker.in_a_row <= 0:
            return False
        return vital.breaker.state == "open" or not self.served_recently(key, quiet)

    def checked_within(self, spec: ModelSpec, seconds: float) -> bool:
        """Whether an active check came back within so many seconds."""
        vital = self._records.vitals.get(spec.key)
        at = None if vital is None else vital.checked_at
        return at is not None and self._clock.monotonic() - at <= seconds

    def report(self, spec: ModelSpec) -> HealthReport:
        """The state people read."""
        vital, credential = self._records.vitals.get(spec.key), self._records.credential_of(spec)
        return report(spec.key, vital, credential, self._clock.monotonic(), self.settings)

    # -- learning

    def succeeded(self, spec: ModelSpec, seconds: float | None = None) -> None:
        """A call was answered."""
        with self._lock:
            vital = self._records.vital(spec.key)
            now = self._clock.monotonic()
            vital.breaker.succeed(now)
            vital.last_success = now
            vital.check_failed = False
            vital.success_rate = moved(vital.success_rate, 1.0)
            if seconds is not None:
                vital.mean_seconds = moved(vital.mean_seconds, seconds)
            if vital.throttle.state != "closed":
                _unthrottle(vital.throttle, now, seconds or 0.0)
            credential = self._records.credential_of(spec)
            if credential is not None:
                credential.refusals = 0
                credential.served_at = now
                if credential.breaker.state != "closed":
                    credential.breaker.close(now)
            self._refresh(spec.key, vital, now)
            news = self.sharing.news(spec, vital)
        if vital.told != "healthy" or self.settings.slow is not None:
            self._tell(spec.key, vital)
        if news:
            self.sharing.pass_on(news)

    def failed(self, spec: ModelSpec, fault: Fault) -> None:
        """A call failed; the fault's row says on whose account it goes."""
        rule = fault.rule
        with self._lock:
            vital = self._records.vital(spec.key)
            now = self._clock.monotonic()
            vital.last_fault = fault.kind.value
            if rule.charges == "model":
                vital.success_rate = moved(vital.success_rate, 1.0 - rule.weight)
                cooldown = rule.cooldown if fault.cooldown is None else fault.cooldown
                if cooldown:
                    vital.breaker.trip(now, self._rng, cooldown)
                else:
                    vital.breaker.fail(now, self._rng, rule.weight)
            elif rule.charges == "throttle":
                wait = fault.retry_after if fault.retry_after is not None else rule.cooldown
                vital.throttle.trip(now, self._rng, min(wait, _LONGEST_THROTTLE))
            elif rule.charges == "credential" and self._refuse(spec, fault, now).served_at > (
                vital.last_success or -math.inf
            ):
                vital.breaker.fail(now, self._rng)  # others are served with it: it is this model that is refused
            vital.breaker.release()
            vital.throttle.release()
            self._refresh(spec.key, vital, now)
            news = self.sharing.news(spec, vital)
        if spec.key in self._suspects:
            self.sharing.give_back(spec.key, vital, news)
        self._tell(spec.key, vital)
        if news:
            self.sharing.pass_on(news)

    def released(self, spec: ModelSpec) -> None:
        """A call was cancelled: it gives back its probe and teaches nothing."""
        if spec.key in self._suspects:
            with self._lock:
                vital = self._records.vitals[spec.key]
                vital.breaker.release()
                vital.throttle.release()
            self.sharing.give_back(spec.key, vital)

    def checked(self, spec: ModelSpec, error: BaseException | None, seconds: float | None = None) -> None:
        """An active check came back. One failure puts the model behind; the thresholds decide what it is called."""
        with self._lock:
            vital = self._records.vital(spec.key)
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
            news = self.sharing.news(spec, vital)
        self._tell(spec.key, vital)
        if news:
            self.sharing.pass_on(news)

    def adopt(self, subject: str, window: Window) -> None:
        """Take over what another process has found."""
        kind, _, name = subject.partition("|")
        with self._lock:
            now = self._clock.monotonic()
            self._records.breaker(subject).adopt(window, now)
            if kind == "credential":
                refused = now < self._records.credentials[name].refused_until
                self._refused = self._refused | {name} if refused else self._refused - {name}
                return
            vital = self._records.vitals[name]
            self._refresh(name, vital, now)
        self._tell(name, vital)

    def subscribe(self, callback: Callable[[str, HealthState, HealthState], None]) -> Callable[[], None]:
        """Call back with (model, old state, new state); returns what ends the subscription."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    # -- inside

    def _refuse(self, spec: ModelSpec, fault: Fault, now: float) -> Credential:
        fact = credential_fact(spec)
        credential = self._records.credential(fact)
        credential.refusals += 1
        if fault.kind is FaultKind.AUTHENTICATION and credential.refusals < _REFUSALS_BEFORE_OUT:
            return credential
        doubled = fault.rule.cooldown * 2.0 ** min(max(credential.refusals - _REFUSALS_BEFORE_OUT, 0), 8)
        credential.breaker.trip(now, self._rng, min(doubled, _LONGEST_CREDENTIAL_PAUSE))
        self._refused |= {fact}
        return credential

    def _refresh(self, key: str, vital: Vital, now: float) -> None:
        suspect = vital.is_suspect
        if suspect != (key in self._suspects):
            self._suspects = self._suspects | {key} if suspect else self._suspects - {key}
        if self._refused:
            self._refused = frozenset(f for f in self._refused if now < self._records.credentials[f].refused_until)

    def _tell(self, key: str, vital: Vital) -> None:
        state = vital.state(self._clock.monotonic(), self.settings.slow, self.settings.failure_threshold)
        if state != vital.told:
            old, vital.told = vital.told, state
            for listener in tuple(self._listeners):
                listener(key, old, state)


def _unthrottle(throttle: Breaker, now: float, seconds: float) -> None:
    """End a rate limit: it is proven over by a call that began after its end, not by one that was under way before."""
    until = throttle.open_until
    throttle.available(now)
    if throttle.state == "half_open" and now - seconds >= until - 1e-6:
        throttle.close(now)
