"""The Prometheus metrics themselves: one set per collector registry, however many routers report to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary, WeakMethod

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client.metrics_core import Metric

_DECISION = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.1)
_CALL = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
_FIRST_TOKEN = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Everything that is counted.

    It is a collector too, the first one of its set, so that gauges are brought up to date when somebody looks.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._before: tuple[WeakMethod[Callable[[], None]], ...] = ()
        registry.register(self)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"pointsman_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str, mode: str = "mostrecent") -> Gauge:
            return Gauge(f"pointsman_{name}", text, labels, registry=registry, multiprocess_mode=mode)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"pointsman_{name}", text, labels, registry=registry, buckets=buckets)

        self.requests = counter("requests", "Requests for which a model was chosen.", "policy")
        self.refused = counter("refused_requests", "Requests that no model could serve.", "stage")
        self.explored = counter("explored_requests", "Requests that did not go to the likeliest model.", "policy")
        self.decision_seconds = histogram("decision_seconds", "Time to choose a model.", _DECISION)
        self.calls = counter("calls", "Calls that were carried out, failover included.", "outcome")
        self.call_seconds = histogram("call_seconds", "Time of a call, failover included.", _CALL)
        self.attempts = counter("attempts", "Attempts to get an answer from a model.", "model", "outcome")
        self.failures = counter("failures", "Failed attempts by class of failure.", "model", "fault")
        self.attempt_seconds = histogram("attempt_seconds", "Time of an answered attempt.", _CALL, "model")
        self.first_token = histogram(
            "time_to_first_token_seconds", "Time to a stream's first content.", _FIRST_TOKEN, "model"
        )
        self.tokens = counter("tokens", "Tokens as providers counted them.", "model", "direction")
        self.cost = counter("cost_usd", "What attempts cost, as far as it is known.", "model")
        self.score = Summary("pointsman_score", "Scores of answers, 0 to 1.", ("model",), registry=registry)
        self.tenant_requests = counter("tenant_requests", "Requests per (hashed) tenant.", "tenant")
        self.tenant_cost = counter("tenant_cost_usd", "Cost per (hashed) tenant.", "tenant")
        self.breaker = gauge(
            "breaker_state", "The model's circuit breaker: 0 closed, 1 half open, 2 open.", "model", mode="livemax"
        )
        self.available = gauge("model_available", "1 if calls go there in their normal order.", "model", mode="livemin")
        self.headroom = gauge("limit_headroom_ratio", "What is left of a limit, 0 to 1.", "limit", mode="livemin")
        self.models = gauge("models", "Registered models.", "provider", "status")
        self.registry_version = gauge("registry_info", "1 for the version of the registry in use.", "version")
        self.reload_failures = counter("registry_reload_failures", "Reloads of the file that failed.")
        self.sunset = gauge("model_days_to_sunset", "Days until the model is gone; negative after that.", "model")

    def before_scrape(self, refresh: Callable[[], None]) -> Callable[[], None]:
        """Call this method before values are read, while its object lives; returns what ends that."""
        mine = WeakMethod(refresh)
        with self._lock:
            self._before = (*(each for each in self._before if each() is not None), mine)

        def leave() -> None:
            with self._lock:
                self._before = tuple(each for each in self._before if each is not mine)

        return leave

    def describe(self) -> Iterable[Metric]:
        """Nothing of its own."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Bring gauges up to date."""
        for each in self._before:
            refresh = each()
            if refresh is not None:
                refresh()
        return ()


_sets: WeakKeyDictionary[CollectorRegistry, Metrics] = WeakKeyDictionary()
_lock = threading.Lock()


def metrics_of(registry: CollectorRegistry) -> Metrics:
    """The set of a registry, made when it is first asked for."""
    with _lock:
        known = _sets.get(registry)
        if known is None:
            known = _sets[registry] = Metrics(registry)
        return known
