"""`PrometheusListener`: counts what a router does, under labels of which there are only so many."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry

from pointsman.decision import RoutingDecision
from pointsman.errors import AllModelsFailedError, NoEligibleModelsError, PointsmanError, StreamInterruptedError
from pointsman.events import RegistryEvent
from pointsman.failover.steps import AttemptRecord, CallRecord
from pointsman.listeners import Listener
from pointsman.telemetry.gauges import Gauges
from pointsman.telemetry.labels import Names, hashed
from pointsman.telemetry.metrics import metrics_of
from pointsman.telemetry.observed import Observed
from pointsman.types import Request

# Decisions are counted in batches, so that a decision costs an append; of a full batch this many are timed.
_BATCH = 128
_TIMED = 8
_POLICY = itemgetter(0)
# Seconds after which what waits is counted with the next attempt, whether somebody scrapes this process or not.
_COUNT_EVERY = 1.0
_FEW = 50


class PrometheusListener(Listener):
    """Metrics of one router; several may report to one registry, their counters add up.

    Args:
        router: who is listened to, from here on until `close`.
        registry: where the metrics are; the process's default registry unless given.
        most_models: labels for models, first come first served; the others are counted as `other`.
        most_tenants: labels for tenants, hashed; 0 keeps no metric per tenant.
    """

    def __init__(
        self,
        router: Observed,
        registry: CollectorRegistry | None = None,
        *,
        most_models: int = 200,
        most_tenants: int = 0,
    ) -> None:
        self._metrics = metrics_of(REGISTRY if registry is None else registry)
        self._models = Names(most_models)
        self._policies = Names(_FEW)
        self._tenants = Names(most_tenants) if most_tenants else None
        self._decisions: deque[tuple[str, float, float, Sequence[float], str | None]] = deque()
        self._clock = router.clock
        self._next_count = 0.0
        self._lock = threading.Lock()
        self._known_highest: tuple[Sequence[float], float] = ((), 0.0)
        self._gauges = Gauges(router, self._metrics, self._models, self._tenants)
        self._leave = (router.listen(self), self._metrics.before_scrape(self.refresh))

    def close(self) -> None:
        """Stop listening; what was counted stays."""
        for leave in self._leave:
            leave()
        self._count_decisions()

    def refresh(self) -> None:
        """Count what waits and bring the gauges up to date; done at every scrape."""
        self._count_decisions()
        self._gauges.refresh()

    # -- what a router tells

    def decided(self, decision: RoutingDecision, seconds: float) -> None:
        """Note the decision, without its request."""
        tenant = decision.question.request.tenant if self._tenants is not None else None
        self._decisions.append((decision.policy, seconds, decision.probability, decision.probabilities, tenant))
        if len(self._decisions) >= _BATCH:
            self._count_decisions()

    def refused(self, request: Request, error: PointsmanError) -> None:
        """Count it by what refused it."""
        del request
        stage = error.stage if isinstance(error, NoEligibleModelsError) else "request"
        self._metrics.refused.labels(stage).inc()

    def call_ended(self, record: CallRecord, error: BaseException | None, seconds: float) -> None:
        """Count the call and its time."""
        del record
        self._metrics.calls.labels(_outcome_of(error)).inc()
        self._metrics.call_seconds.observe(seconds)

    def attempt_ended(self, record: AttemptRecord, cost: float | None) -> None:
        """Count the attempt: its outcome, times, tokens and cost."""
        metrics, (attempt, outcome, fault) = self._metrics, record
        model = self._models.label(attempt.spec.key)
        if fault is not None:
            metrics.attempts.labels(model, "failed").inc()
            metrics.failures.labels(model, fault.kind.value).inc()
        else:
            metrics.attempts.labels(model, "cached" if outcome.cached else "answered").inc()
            if outcome.seconds is not None and not outcome.cached:
                metrics.attempt_seconds.labels(model).observe(outcome.seconds)
            if outcome.ttft is not None:
                metrics.first_token.labels(model).observe(outcome.ttft)
        for direction, tokens in (("input", outcome.input_tokens), ("output", outcome.output_tokens)):
            if tokens:
                metrics.tokens.labels(model, direction).inc(tokens)
        if cost and not outcome.cached:
            metrics.cost.labels(model).inc(cost)
            tenant = attempt.request.tenant
            if self._tenants is not None and tenant is not None:
                metrics.tenant_cost.labels(self._tenants.label(hashed(tenant))).inc(cost)
        now = self._clock.monotonic()
        if now >= self._next_count:
            self._next_count = now + _COUNT_EVERY
            self._count_decisions()
        self._gauges.refresh_sometimes(now)

    def attempt_abandoned(self, attempt: Any) -> None:
        """Count it."""
        self._metrics.attempts.labels(self._models.label(attempt.spec.key), "abandoned").inc()

    def feedback(self, decision_id: str, score: float, model: str) -> None:
        """Count the score."""
        del decision_id
        self._metrics.score.labels(self._models.label(model)).observe(score)

    def health_changed(self, model: str, old: str, new: str) -> None:
        """A model that changes its health gets its gauges."""
        del old, new
        self._models.label(model)
        self._gauges.outdated = True

    def registry_changed(self, event: RegistryEvent) -> None:
        """Count reloads that failed."""
        if event.kind == "reload_failed":
            self._metrics.reload_failures.inc()
        self._gauges.outdated = True

    # -- counting

    def _count_decisions(self) -> None:
        waiting = self._decisions
        with self._lock:  # one thread takes from the queue; those that add to it need none
            batch = [waiting.popleft() for _ in range(len(waiting))]
        for each in batch[:: max(len(batch) // _TIMED, 1)]:
            self._metrics.decision_seconds.observe(each[1])
        self._add(self._metrics.requests, Counter(map(_POLICY, batch)), self._policies.label)
        # Above a half nothing is likelier.
        unsure = [each for each in batch if each[2] < 0.5]
        explored = Counter(policy for policy, _, drawn, shares, _ in unsure if drawn < self._highest(shares))
        self._add(self._metrics.explored, explored, self._policies.label)
        if self._tenants is not None:
            known = self._tenants
            tenants = Counter(tenant for *_, tenant in batch if tenant is not None)
            self._add(self._metrics.tenant_requests, tenants, lambda tenant: known.label(hashed(tenant)))

    def _highest(self, shares: Sequence[float]) -> float:
        """The largest of a distribution; those that policies prepare once per set of models come again and again."""
        known = self._known_highest
        if known[0] is not shares:
            known = self._known_highest = (shares, max(shares))
        return known[1]

    @staticmethod
    def _add(metric: Any, counts: Mapping[str, int], label: Callable[[str], str]) -> None:
        for name, count in counts.items():
            metric.labels(label(name)).inc(count)


def _outcome_of(error: BaseException | None) -> str:
    if error is None:
        return "answered"
    if not isinstance(error, Exception):
        return "abandoned"
    if isinstance(error, StreamInterruptedError):
        return "interrupted"
    return "failed" if isinstance(error, AllModelsFailedError) else "rejected"
