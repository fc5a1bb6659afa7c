"""What people are told of a model: its state, what is wrong in words, and when it may be called again."""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.health.breaker import BreakerState
from pointsman.health.vitals import Credential, HealthSettings, HealthState, Vital


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A model's health at one moment; `issues` says in words what is wrong."""

    model: str
    state: HealthState
    success_rate: float | None
    mean_seconds: float | None
    issues: tuple[str, ...] = ()
    available_in: float = 0.0
    breaker: BreakerState = "closed"

    @property
    def healthy(self) -> bool:
        """Whether calls go there in their normal order; unknown counts as healthy."""
        return self.state in ("healthy", "unknown", "degraded") and self.available_in <= 0

    def __str__(self) -> str:
        issues = f": {'; '.join(self.issues)}" if self.issues else ""
        return f"{self.model} {self.state}{issues}"


def report(
    model: str, vital: Vital | None, credential: Credential | None, now: float, settings: HealthSettings
) -> HealthReport:
    """Put into words what is remembered of a model, which may be nothing, and of its credential."""
    wait = seconds_to_wait(vital, credential, now)
    if vital is None:
        refused = ("its credential was refused",) if wait > 0 else ()
        return HealthReport(model, "unknown", None, None, refused, wait)
    issues = list(vital.issues(now))
    if credential is not None and now < credential.refused_until:
        issues.append(f"credential refused for {credential.refused_until - now:.1f} s")
    return HealthReport(
        model=model,
        state=vital.state(now, settings.slow, settings.failure_threshold),
        success_rate=vital.success_rate,
        mean_seconds=vital.mean_seconds,
        issues=tuple(issues),
        available_in=wait,
        breaker=vital.breaker.state,
    )


def seconds_to_wait(vital: Vital | None, credential: Credential | None, now: float) -> float:
    """Seconds until the model may be called in its normal order; 0 when it may now."""
    waits = [0.0]
    if vital is not None:
        waits += [
            max(breaker.open_until, breaker.probe_until) - now
            for breaker in (vital.throttle, vital.breaker)
            if not breaker.available(now)
        ]
    if credential is not None:
        waits.append(credential.refused_until - now)
    return max(waits)
