"""`Router`: what users hold. Composes chooser, failover, health, learning and store behind one set of methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from pointsman import monitor
from pointsman.calling import Calling
from pointsman.calls import CallSettings
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.catalog.spec import ModelSpec
from pointsman.chooser import Chooser
from pointsman.config import DEFAULT_POLICY, DEFAULT_STORE, Settings, load_config
from pointsman.decision import RoutingDecision
from pointsman.discovery import Discovery, DiscoverySchedule
from pointsman.failover import Failover
from pointsman.faults import classify
from pointsman.health import Health, HealthReport, HealthSettings
from pointsman.learning import Learning
from pointsman.ledger import Ledger
from pointsman.other_names import RouterNames
from pointsman.policies.base import Policy
from pointsman.policies.names import make_policy
from pointsman.question import Rules
from pointsman.registry import ModelRegistry
from pointsman.steps import Attempt, AttemptRecord
from pointsman.stores.base import Store
from pointsman.stores.urls import open_store
from pointsman.types import Clock, Outcome, Request, SystemClock
from pointsman.watch import FileWatch

# Requirements as other registries spell them.
_WISHES = {
    "capabilities": "needs",
    "exclude_models": "exclude",
    "preferred_models": "prefer",
    "preferred_providers": "prefer_providers",
}


class Router(Calling, RouterNames):
    """Chooses which model serves a request, calls it, fails over, and learns.

    Args:
        registry: the models.
        policy: a name, a mapping with options, or an object with `probabilities` and `learn`.
        store: a URL (`memory://`, `sqlite:///FILE`) or a store.
        seed: makes decisions repeatable.
        health: when models count as sick.
        calls: limits of a call.
        rules: how strictly requests are matched.
        discovery: what `discovery()` does.
        clock: where time comes from.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        policy: str | Mapping[str, Any] | Policy = DEFAULT_POLICY,
        store: str | Store = DEFAULT_STORE,
        *,
        seed: int | None = None,
        health: HealthSettings | None = None,
        calls: CallSettings | None = None,
        rules: Rules | None = None,
        discovery: DiscoverySettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._discovery = discovery
        self.registry = registry
        self.policy = make_policy(policy)
        self.store = open_store(store)
        if self.store.shared and not registry.attached:
            registry.attach(self.store)
        self.calls = calls or CallSettings()
        self.clock: Clock = clock or SystemClock()
        # Each part has a chance of its own, so that a cool-down's jitter does not move the next draw.
        self._health = Health(self.clock, Random(seed), health)
        self._chooser = Chooser(registry, self.policy, self._health, self.clock, Random(seed), rules)
        self.ledger = Ledger(self.store)
        self._learning = Learning(self._chooser, self.store, self.ledger, self.clock)
        self._failover = Failover(self._health, self._learning, self.clock, Random(seed))

    @classmethod
    def from_config(cls, path: str | Path, **changes: Any) -> Router:
        """Build registry and router from one file; keyword arguments win over the file.

        Raises:
            CatalogError: E4003, E4005 or E4006, with file and line.
        """
        registry, settings = load_config(path)
        return cls.from_settings(registry, settings, **changes)

    @classmethod
    def from_settings(cls, registry: ModelRegistry, settings: Settings, **changes: Any) -> Router:
        """Build a router from typed settings; keyword arguments win."""
        arguments: dict[str, Any] = {
            "policy": settings.policy,
            "store": settings.store,
            "seed": settings.seed,
            "health": settings.health,
            "calls": settings.calls,
            "rules": settings.rules,
            "discovery": settings.discovery,
        }
        return cls(registry, **{**arguments, **changes})

    def __repr__(self) -> str:
        return f"Router({self.registry!r}, policy={self._chooser.choice.name!r})"

    def flush(self) -> None:
        """Write what waits: decisions without an outcome yet, and what the last second taught.

        Raises:
            StoreError: E4301.
        """
        self._learning.flush()

    def close(self) -> None:
        """Write what waits and close the store."""
        self._learning.flush()
        self.store.close()

    def watch(self, interval: float = 2.0) -> FileWatch:
        """Reload the registry when its file changes, looking every so many seconds; returns what stops it."""
        return FileWatch(self.registry, interval).start()

    def discovery(self, on_found: Callable[[Discovery], None] | None = None) -> DiscoverySchedule:
        """What asks the models' servers for what they serve, as the `discovery:` section says; `start()` it."""
        return DiscoverySchedule(self.registry, self.clock, self._discovery, on_found)

    # -- choosing

    def decide(self, request: Request | str) -> RoutingDecision:
        """Choose who serves; makes no call.

        Raises:
            NoEligibleModelsError: E4101 or E4102, with the reason for every model.
            ModelNotFoundError: E4001, if the request names a model that is not registered.
        """
        decision = self._chooser.decide(Request(messages=request) if isinstance(request, str) else request)
        self._learning.decided(decision)
        return decision

    def select_model(self, requirements: Mapping[str, Any] | None = None, **keywords: Any) -> ModelSpec:
        """Choose and return just the model; `capabilities=` and `exclude_models=` are read too."""
        wishes = {**(requirements or {}), **keywords}
        return self.decide(Request(**{_WISHES.get(name, name): value for name, value in wishes.items()})).spec

    @property
    def available_models(self) -> list[ModelSpec]:
        """Models that are routable by status and well at this moment."""
        snapshot = self.registry.snapshot
        mask = snapshot.mask("status:active") | snapshot.mask("status:deprecated")
        return list(snapshot.arms(mask & ~self._health.behind(snapshot)))

    # -- learning

    def observe(self, decision: RoutingDecision, outcome: Outcome, *, model: str | None = None) -> None:
        """Tell how an attempt went that somebody else made; once per attempt, `model` if it was a fallback.

        An outcome for a model that has been removed since teaches nothing.
        """
        spec = decision.spec if model is None else self.registry.find_model(model)
        if spec is None:
            return
        fault = None if outcome.error is None else classify(outcome.error, now=self.clock.time())
        if fault is not None:
            self._health.failed(spec, fault)
        elif not outcome.cached:
            self._health.succeeded(spec, outcome.seconds)
        plan = (decision.model,) if spec.key == decision.model else decision.plan  # ranking all of them costs
        number = plan.index(spec.key) + 1 if spec.key in plan else 0
        self._learning.take_in(AttemptRecord(Attempt(decision, spec, number, None, "openai"), outcome, fault))

    def feedback(self, decision_id: str, score: float, *, source: str | None = None) -> None:
        """Score an answer in 0 to 1, once, whenever it is known: by a user, a judge, a test.

        Raises:
            InvalidFeedbackError: E4303, for a score that is no number in 0 to 1, or a second one.
            UnknownDecisionError: E4302.
        """
        self._learning.feedback(decision_id, score, source)

    def statistics(self) -> dict[str, Any]:
        """What was selected and how it went: totals, healthy models, and per arm what the policy knows."""
        learnt = self._learning.statistics()
        return {
            **self.registry.stats(),
            "healthy_models": len(self.available_models),
            "failed_writes": self._learning.failed_writes,
            "selection_stats": {
                "total_attempts": int(sum(row["attempts"] for row in learnt.values())),
                "models_tracked": len(learnt),
                "model_performance": learnt,
            },
        }

    def reset_statistics(self) -> None:
        """Forget what the policy has learnt; the ledger keeps its rows."""
        self._learning.reset()

    # -- health

    def health(self, name: str) -> HealthReport:
        """The health of one model, from the calls and checks so far.

        Raises:
            ModelNotFoundError: E4001.
        """
        return self._health.report(self.registry.get_model(name))

    async def check_health(self, names: list[str] | None = None, *, max_age: float = 0.0) -> dict[str, HealthReport]:
        """Probe models now (all of them unless named); what fails is tried last from here on.

        Args:
            names: which models.
            max_age: seconds for which an earlier check's finding is still good enough.
        """
        specs = [self.registry.get_model(name) for name in names] if names else self.registry.get_available_models()
        known = [spec for spec in specs if max_age > 0 and self._health.checked_within(spec, max_age)]
        keys = {spec.key for spec in known}
        fresh = await monitor.check([spec for spec in specs if spec.key not in keys], self._health, self.clock)
        return {spec.key: self._health.report(spec) for spec in known} | fresh

    def monitor(self, interval: float | None = None) -> monitor.HealthMonitor:
        """A monitor that checks all models at an interval; `start()` it and `stop()` it."""
        return monitor.HealthMonitor(self.registry, self._health, self.clock, interval=interval)

    def on_health_change(self, callback: Callable[[str, Any, Any], None]) -> Callable[[], None]:
        """Call back with (model, old state, new state); returns what ends the subscription."""
        return self._health.subscribe(callback)
