"""Who is well: a breaker per model, throttles and credentials apart from sickness, and the states people read.

Health *orders*, it never excludes: what is behind is tried last, so nothing is lost to our own caution.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from pointsman.catalog.spec import ModelSpec
from pointsman.faults import Fault, FaultKind
from pointsman.health.breaker import Breaker, BreakerLimits, Window
from pointsman.health.vitals import Credential, HealthReport, HealthSettings, HealthState, Vital, moved
from pointsman.registry.facts import credential_fact
from pointsman.registry.snapshot import Snapshot
from pointsman.replicas import Alone, Replicas
from pointsman.types import Clock

__all__ = ["Health", "HealthReport", "HealthSettings", "HealthState"]

_REFUSALS_BEFORE_OUT = 2
_LONGEST_CREDENTIAL_PAUSE = 900.0
_LONGEST_THROTTLE = 120.0
# Seconds within which a server says that it is full; a stream that runs longer keeps nobody from trying.
_LONGEST_REFUSAL = 10.0
# Seconds after which a probe that another process has is asked for again.
_ASK_AGAIN = 1.0


class Health:
    """The health of all models. Thread-safe; asking costs nothing while everybody is well.

    Attributes:
        replicas: the other processes that share it.
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
        self._limits = limits or BreakerLimits()
        self._lock = threading.Lock()
        self.replicas: Replicas = Alone()
        self._vitals: dict[str, Vital] = {}
        self._credentials: dict[str, Credential] = {}
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
            if bit is not None and not self._vitals[key].is_available(now):
                mask |= 1 << bit
        for fact in self._refused:
            if now < self._credentials[fact].refused_until:
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
            vital = self._vitals[key]
            now = self._clock.monotonic()
            if not vital.is_available(now):
                return False
            vital.throttle.admit(now)
            vital.breaker.admit(now)
            probed = [(subject, each) for subject, each in _subjects(key, vital) if each.state == "half_open"]
        for subject, breaker in probed:
            if not self.replicas.take_probe(subject, breaker.limits.lease):
                return self._leave_probe(key, vital)
        return True

    def _leave_probe(self, key: str, vital: Vital) -> bool:
        """Another process has the probe, or has found meanwhile that all is well."""
        for subject, _ in _subjects(key, vital):
            self.replicas.give_back(subject)
        with self._lock:
            now = self._clock.monotonic()
            for _, breaker in _subjects(key, vital):
                breaker.postpone(now + _ASK_AGAIN)
            return not vital.is_suspect

    def throttled_for(self, spec: ModelSpec) -> float | None:
        """Seconds of a rate limit that are left, 0 while a call finds out whether it is over; None without one."""
        vital = self._vitals.get(spec.key)
        if vital is None or vital.throttle.state == "closed":
            return None
        now = self._clock.monotonic()
        if vital.throttle.available(now):
            return None
        return max(vital.throttle.open_until - now, 0.0)

    def available_in(self, spec: ModelSpec) -> float:
        """Seconds until the model may be called in its normal order."""
        now = self._clock.monotonic()
        vital = self._vitals.get(spec.key)
        credential = self._credential_of(spec)
        waits = [0.0]
        if vital is not None:
            waits += [
                max(breaker.open_until, breaker.probe_until) - now
                for breaker in (vital.throttle, vital.breaker)
                if not breaker.available(now)
            ]
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
        """Whether it is out, or the last call failed and none has succeeded for so many seconds."""
        vital = self._vitals.get(key)
        if vital is None or vital.breaker.in_a_row <= 0:
            return False
        return vital.breaker.state == "open" or not self.served_recently(key, quiet)

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
        state = vital.state(now, self.settings.slow, self.settings.failure_threshold)
        return HealthReport(
            model=spec.key,
            state=state,
            success_rate=vital.success_rate,
            mean_seconds=vital.mean_seconds,
            issues=issues,
            available_in=max(wait, 0.0),
            breaker=vital.breaker.state,
        )

    # -- learning

    def succeeded(self, spec: ModelSpec, seconds: float | None = None) -> None:
        """A call was answered."""
        with self._lock:
            vital = self._vital(spec.key)
            now = self._clock.monotonic()
            vital.breaker.succeed(now)
            vital.last_success = now
            vital.check_failed = False
            vital.success_rate = moved(vital.success_rate, 1.0)
            if seconds is not None:
                vital.mean_seconds = moved(vital.mean_seconds, seconds)
            if vital.throttle.state != "closed":
                _unthrottle(vital.throttle, now, seconds or 0.0)
            credential = self._credential_of(spec)
            if credential is not None:
                credential.refusals = 0
                if credential.breaker.state != "closed":
                    credential.breaker.close(now)
            self._refresh(spec.key, vital, now)
            news = self._news(spec, vital)
        if vital.told != "healthy" or self.settings.slow is not None:
            self._tell(spec.key, vital)
        self._pass_on(news)

    def failed(self, spec: ModelSpec, fault: Fault) -> None:
        """A call failed; the fault's row says on whose account it goes."""
        rule = fault.rule
        with self._lock:
            vital = self._vital(spec.key)
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
            elif rule.charges == "credential":
                self._refuse(spec, fault, now)
            vital.breaker.release()
            vital.throttle.release()
            self._refresh(spec.key, vital, now)
            news = self._news(spec, vital)
        self._give_back(spec, news)
        self._tell(spec.key, vital)
        self._pass_on(news)

    def released(self, spec: ModelSpec) -> None:
        """A call was cancelled: it gives back its probe and teaches nothing."""
        if spec.key in self._suspects:
            with self._lock:
                self._vitals[spec.key].breaker.release()
                self._vitals[spec.key].throttle.release()
            self._give_back(spec)

    def checked(self, spec: ModelSpec, error: BaseException | None, seconds: float | None = None) -> None:
        """An active check came back. One failure puts the model behind; the thresholds decide what it is called."""
        with self._lock:
            vital = self._vital(spec.key)
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
            news = self._news(spec, vital)
        self._tell(spec.key, vital)
        self._pass_on(news)

    def subscribe(self, callback: Callable[[str, HealthState, HealthState], None]) -> Callable[[], None]:
        """Call back with (model, old state, new state); returns what ends the subscription."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    # -- other processes

    def windows(self) -> dict[str, Window]:
        """What is not well here, by subject; see `Replicas`."""
        with self._lock:
            found = {f"credential|{fact}": each.breaker for fact, each in self._credentials.items()}
            for key in self._suspects:
                found.update(_subjects(key, self._vitals[key]))
            return {subject: breaker.window for subject, breaker in found.items() if breaker.state != "closed"}

    def window(self, subject: str) -> Window:
        """What is known here of a subject."""
        with self._lock:
            return self._breaker(subject).window

    def adopt(self, subject: str, window: Window) -> None:
        """Take over what another process has found."""
        kind, _, name = subject.partition("|")
        with self._lock:
            now = self._clock.monotonic()
            self._breaker(subject).adopt(window, now)
            if kind == "credential":
                refused = now < self._credentials[name].refused_until
                self._refused = self._refused | {name} if refused else self._refused - {name}
                return
            vital = self._vitals[name]
            self._refresh(name, vital, now)
        self._tell(name, vital)

    # -- inside

    def _vital(self, key: str) -> Vital:
        vital = self._vitals.get(key)
        if vital is None:
            throttle = Breaker(replace(self._limits, lease=_LONGEST_REFUSAL))
            vital = self._vitals[key] = Vital(Breaker(self._limits), throttle)
        return vital

    def _credential_of(self, spec: ModelSpec) -> Credential | None:
        # While no credential was refused, which is nearly always, its name need not be put together.
        return self._credentials.get(credential_fact(spec)) if self._credentials else None

    def _credential(self, fact: str) -> Credential:
        credential = self._credentials.get(fact)
        if credential is None:
            credential = self._credentials[fact] = Credential(Breaker(self._limits))
        return credential

    def _breaker(self, subject: str) -> Breaker:
        kind, _, name = subject.partition("|")
        if kind == "credential":
            return self._credential(name).breaker
        vital = self._vital(name)
        return vital.throttle if kind == "throttle" else vital.breaker

    def _news(self, spec: ModelSpec, vital: Vital) -> list[str]:
        """The subjects that other processes should hear of now."""
        if not (self._credentials or vital.breaker.is_news or vital.throttle.is_news):
            return []
        news = [(subject, breaker) for subject, breaker in _subjects(spec.key, vital) if breaker.is_news]
        fact = credential_fact(spec)
        credential = self._credentials.get(fact)
        if credential is not None and credential.breaker.is_news:
            news.append((f"credential|{fact}", credential.breaker))
        for _, breaker in news:
            breaker.is_news = False
        return [subject for subject, _ in news]

    def _pass_on(self, news: list[str]) -> None:
        for subject in news:
            self.replicas.changed(subject)

    def _give_back(self, spec: ModelSpec, news: Sequence[str] = ()) -> None:
        """Let others probe; of what is news they hear first, and with it that the probe is over."""
        if spec.key in self._suspects:
            for subject, _ in _subjects(spec.key, self._vitals[spec.key]):
                if subject not in news:
                    self.replicas.give_back(subject)

    def _refuse(self, spec: ModelSpec, fault: Fault, now: float) -> None:
        fact = credential_fact(spec)
        credential = self._credential(fact)
        credential.members.add(spec.key)
        credential.refusals += 1
        if fault.kind is FaultKind.AUTHENTICATION and credential.refusals < _REFUSALS_BEFORE_OUT:
            return
        doubled = fault.rule.cooldown * 2.0 ** min(max(credential.refusals - _REFUSALS_BEFORE_OUT, 0), 8)
        credential.breaker.trip(now, self._rng, min(doubled, _LONGEST_CREDENTIAL_PAUSE))
        self._refused |= {fact}

    def _refresh(self, key: str, vital: Vital, now: float) -> None:
        suspect = vital.is_suspect
        if suspect != (key in self._suspects):
            self._suspects = self._suspects | {key} if suspect else self._suspects - {key}
        if self._refused:
            self._refused = frozenset(f for f in self._refused if now < self._credentials[f].refused_until)

    def _issues(self, vital: Vital, spec: ModelSpec, now: float) -> list[str]:
        issues = list(vital.issues(now))
        credential = self._credential_of(spec)
        if credential is not None and now < credential.refused_until:
            issues.append(f"credential refused for {credential.refused_until - now:.1f} s")
        return issues

    def _tell(self, key: str, vital: Vital) -> None:
        state = vital.state(self._clock.monotonic(), self.settings.slow, self.settings.failure_threshold)
        if state != vital.told:
            old, vital.told = vital.told, state
            for listener in tuple(self._listeners):
                listener(key, old, state)


def _subjects(key: str, vital: Vital) -> tuple[tuple[str, Breaker], tuple[str, Breaker]]:
    return (f"throttle|{key}", vital.throttle), (f"breaker|{key}", vital.breaker)


def _unthrottle(throttle: Breaker, now: float, seconds: float) -> None:
    """End a rate limit: it is proven over by a call that began after its end, not by one that was under way before."""
    until = throttle.open_until
    throttle.available(now)
    if throttle.state == "half_open" and now - seconds >= until - 1e-6:
        throttle.close(now)
