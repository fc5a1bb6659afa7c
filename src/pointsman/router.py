"""`Router`: what users hold. Composes chooser, failover, health, learning and store behind one set of methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from random import Random
from types import NoneType
from typing import Any

from pointsman.arguments import expect, expect_mapping, expect_methods
from pointsman.cache import CacheSettings, ModelCache
from pointsman.calling import Calling
from pointsman.catalog.discovery_settings import DiscoverySettings
from pointsman.catalog.spec import ModelSpec, nearest
from pointsman.chooser import Chooser
from pointsman.config import DEFAULT_POLICY, DEFAULT_STORE, Settings, load_config, typed
from pointsman.decision import RoutingDecision
from pointsman.discovery import Discovery, DiscoverySchedule
from pointsman.eligibility.question import Rules
from pointsman.errors import ConfigError, InvalidFeedbackError, InvalidRequestError, PointsmanError
from pointsman.failover.blame import Blame
from pointsman.failover.calls import CallSettings, ChangedSettings
from pointsman.failover.plan import Failover
from pointsman.failover.readings import Reading
from pointsman.failover.reservations import Reservations
from pointsman.failover.steps import Attempt, AttemptRecord
from pointsman.faults import classify
from pointsman.health.states import Health, HealthSettings
from pointsman.health_checks import HealthChecks
from pointsman.learning.checks import CheckSettings
from pointsman.learning.judges import Judge, JudgeCall, Judging
from pointsman.learning.ledger import Ledger, LedgerSettings
from pointsman.learning.lessons import Learning
from pointsman.limits.buckets import Buckets
from pointsman.limits.limiter import Limits
from pointsman.limits.settings import BudgetSettings, LimitSettings
from pointsman.listeners import Audience
from pointsman.loading import LoadingSettings
from pointsman.other_names import RouterNames
from pointsman.policies.base import Policy
from pointsman.policies.names import make_policy
from pointsman.recall import Recall
from pointsman.registry.models import ModelRegistry
from pointsman.registry.overview import Statistics
from pointsman.shared.state import SharedState, kept_off_calls, shared_buckets
from pointsman.stores.base import Store
from pointsman.stores.urls import open_store
from pointsman.types import REQUEST_FIELDS, Clock, Outcome, Request, SystemClock, check_outcome
from pointsman.watch import FileWatch
from pointsman.wishes import SPELLINGS

# Seconds that `flush` and `close` wait for judges.
_LONGEST_JUDGING = 10.0


class Router(Calling, HealthChecks, RouterNames):
    """Chooses which model serves a request, calls it, fails over, and learns.

    Args:
        registry: the models.
        policy: a name, a mapping with options, or an object with `probabilities` and `learn`.
        store: a URL (`memory://`, `sqlite:///FILE`, `jsonl:///FILE`, `redis://HOST:PORT/N`) or a store.
        seed: makes decisions repeatable.
        health: when models count as sick.
        calls: limits of a call.
        retry_wait: tenacity's strategy for the pause before a model is asked again, as `retry_stop` for when to stop.
        rules: how strictly requests are matched.
        discovery: what `discovery()` does.
        ledger: how much is kept of what was decided.
        limits: rates of models and credentials.
        budget: quotas of tenants.
        buckets: where rates and quotas are counted, if not in this process.
        clock: where time comes from.
        judges: callables that score answers beside the calls; see `judge`.
        checks: what an answer's defects take of its quality; nothing is checked unless given.
        cache: what answers identical requests again: a `ModelCache`, settings, names of its levels, or `True` for one
            in memory; none unless given.
        loading: how many clients and local models are held at the same time.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        policy: str | Mapping[str, Any] | Policy = DEFAULT_POLICY,
        store: str | Store = DEFAULT_STORE,
        *,
        seed: int | None = None,
        health: HealthSettings | Mapping[str, Any] | None = None,
        calls: CallSettings | Mapping[str, Any] | None = None,
        retry_wait: Callable[[Any], float] | None = None,
        retry_stop: Callable[[Any], bool] | None = None,
        rules: Rules | None = None,
        discovery: DiscoverySettings | Mapping[str, Any] | None = None,
        ledger: LedgerSettings | Mapping[str, Any] | None = None,
        limits: LimitSettings | Mapping[str, Any] | None = None,
        budget: BudgetSettings | Mapping[str, Any] | None = None,
        buckets: Buckets | None = None,
        clock: Clock | None = None,
        cache: ModelCache | CacheSettings | str | Sequence[str] | bool | None = None,
        loading: LoadingSettings | None = None,
        judges: Sequence[Judge | JudgeCall] = (),
        checks: CheckSettings | None = None,
    ) -> None:
        if not isinstance(registry, ModelRegistry):
            raise ConfigError(f"{type(registry).__name__} is no ModelRegistry", hint="files: Router.from_config(path)")
        health, calls = typed("health", HealthSettings, health), typed("calls", CallSettings, calls)
        limits, budget = typed("limits", LimitSettings, limits), typed("budget", BudgetSettings, budget)
        loading, checks = typed("loading", LoadingSettings, loading), typed("checks", CheckSettings, checks)
        expect(seed, (int, NoneType), "seed", "a whole number")
        expect(rules, (Rules, NoneType), "rules", "pointsman.eligibility.question.Rules")
        if clock is not None:
            expect_methods(clock, ("monotonic", "time", "sleep", "asleep"), "clock", "a clock")
        if buckets is not None:
            expect_methods(buckets, ("take", "atake", "settle", "told"), "buckets", "buckets that count limits")
        self._discovery = typed("discovery", DiscoverySettings, discovery)
        self.registry = registry
        self.policy = make_policy(policy)
        self.store = kept_off_calls(open_store(store))
        if self.store.shared and not self.store.remote and not registry.attached:
            registry.attach(self.store)
        self.calls = (calls or CallSettings()).with_changes(retry_wait=retry_wait, retry_stop=retry_stop)
        self._changed = ChangedSettings()
        self.clock: Clock = clock or SystemClock()
        # Each part has a chance of its own, so that a cool-down's jitter does not move the next draw.
        self._health = Health(self.clock, Random(seed), health)
        if buckets is None:
            buckets = shared_buckets(self.store, self.clock, lambda: self.replicas)
        self._limits = Limits(self.clock, limits, budget, buckets)
        self._chooser = Chooser(registry, self.policy, self._health, self.clock, Random(seed), rules, self._limits)
        self.ledger = Ledger(self.store, typed("ledger", LedgerSettings, ledger), self.clock)
        self._audience = Audience()
        self._relays: tuple[Callable[[], None], ...] = ()
        self._learning = Learning(self._chooser, self.store, self.ledger, self.clock, self._audience)
        self._health.subscribe(self._learning.health_changed)
        self._judging = self._learning.judging = Judging(self._learning.feedback, Random(seed), judges, checks)
        self._shared: SharedState | None = None
        if self.store.shared:
            self._shared = SharedState(self.store, registry, self._health, self._learning, self.ledger, self.clock)
        self._failover = Failover(self._health, self._learning, self.clock, Random(seed), self._audience, self._limits)
        if loading is not None:
            registry.loaded.limit(loading)
        self.cache = ModelCache.opened(cache, self.clock)
        self._closes_cache = self.cache is not cache
        if self.cache is not None:
            self._recall = Recall(self.cache, registry, self._chooser.choice.name, self.clock)

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
        expect(settings, Settings, "settings", "pointsman.config.Settings (files: Router.from_config(path))")
        sections = (each.name for each in fields(settings) if each.name != "telemetry")
        arguments: dict[str, Any] = {name: getattr(settings, name) for name in sections}
        router = cls(registry, **{**arguments, **changes})
        if settings.telemetry.wanted:
            from pointsman.telemetry.attaching import attach  # noqa: PLC0415  loaded when something is measured

            attach(router, settings.telemetry)
        return router

    def __repr__(self) -> str:
        return f"Router({self.registry!r}, policy={self._chooser.choice.name!r})"

    @property
    def replicas(self) -> int:
        """How many processes share state through a Redis store, as far as was last known; else 1."""
        return 1 if self._shared is None else self._shared.count

    def flush(self) -> None:
        """Write what waits (decisions without an outcome yet, what the last second taught), and read what others wrote.

        Raises:
            StoreError: E4301.
        """
        self._judging.wait(_LONGEST_JUDGING)
        self._learning.flush()
        if self._shared is not None:
            self._shared.flush()

    def close(self) -> None:
        """Write what waits and close the store.

        Raises:
            StoreError: E4301; everything is closed all the same.
        """
        self._judging.wait(_LONGEST_JUDGING)
        try:
            if self._shared is None:
                self._learning.flush()
            else:
                self._shared.close()
        finally:
            self.store.close()
            if self.cache is not None and self._closes_cache:
                self.cache.close()

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
        asked = request if isinstance(request, Request) else Request(messages=request)
        audience = self._audience
        timed = bool(audience.decided)
        started = self.clock.monotonic() if timed else 0.0
        try:
            decision = self._chooser.decide(asked)
        except PointsmanError as error:
            if audience.refused:
                audience.tell("refused", asked, error)
            raise
        self._learning.decided(decision)
        if timed:
            audience.tell("decided", decision, self.clock.monotonic() - started)
        return decision

    def select_model(self, requirements: Mapping[str, Any] | None = None, **keywords: Any) -> ModelSpec:
        """Choose and return just the model; `capabilities=` and `exclude_models=` are read too."""
        if requirements is not None:
            expect_mapping(requirements, "requirements")
        wishes = {SPELLINGS.get(name, name): value for name, value in {**(requirements or {}), **keywords}.items()}
        for name in wishes:
            if name not in REQUEST_FIELDS:
                raise InvalidRequestError(f"{name!r} is no requirement", field=name, hint=nearest(name, REQUEST_FIELDS))
        return self.decide(Request(**wishes)).spec

    @property
    def available_models(self) -> list[ModelSpec]:
        """Models that are routable by status and well at this moment."""
        snapshot = self.registry.snapshot
        mask = snapshot.mask("status:active") | snapshot.mask("status:deprecated")
        return list(snapshot.arms(mask & ~self._health.behind(snapshot)))

    # -- learning

    def observe(
        self,
        decision: RoutingDecision,
        outcome: Outcome,
        *,
        model: str | None = None,
        blame: Blame | None = None,
        reservations: Reservations | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell how an attempt went that somebody else made; once per attempt, `model` if it was a fallback.

        An outcome for a model that is gone teaches nothing. With a call's `blame()`, what may be the request's fault is
        charged to nobody before `blame.settle` says how the call ended. With its `reservations()`, what was taken for
        the attempt is settled, else it is counted now. `headers` are the provider's, where they came with an answer.
        """
        expect(decision, RoutingDecision, "decision", "what decide() returned")
        check_outcome(outcome)
        spec = decision.spec if model is None else self.registry.find_model(model)
        if spec is None:
            return
        fault = None if outcome.error is None else classify(outcome.error, now=self.clock.time())
        if blame is not None:
            expect(blame, Blame, "blame", "what blame() returned")
        (blame or self.blame()).hear(spec, outcome, fault, waits=blame is not None)
        kind = None if fault is None else fault.kind
        if reservations is None or not reservations.settle(spec, outcome, kind):
            self._limits.observed(spec, decision.request.tenant, outcome, kind)
        if headers is not None:
            self._limits.learn_headers(spec, headers)
        else:
            self._limits.learn(spec, outcome.error)
        plan = (decision.model,) if spec.key == decision.model else decision.plan  # ranking all of them costs
        number = plan.index(spec.key) + 1 if spec.key in plan else 0
        record = AttemptRecord(Attempt(decision, spec, number, None, "openai"), outcome, fault)
        self._learning.take_in(record)
        if fault is None and outcome.score is None and outcome.finish_reason is not None:
            self._judging.answered(record, None, Reading(finish_reason=outcome.finish_reason))

    def limits(self) -> dict[str, dict[str, float]]:
        """What is left of each rate and quota that was used lately: `{"rpm|openai:gpt-4o": {"limit": 500, ...}}`.

        Keys name what is counted and of whom; values hold `limit`, `remaining` and `period` in seconds.
        """
        return self._limits.headroom()

    def reservations(self, decision: RoutingDecision) -> Reservations:
        """Room at limits for the attempts of one call that a host makes by itself; see `observe`."""
        return Reservations(self._failover, decision, self.calls)

    def check_budget(self, tenant: str | None) -> None:
        """Refuse on behalf of a host that makes the calls by itself; `run` and its siblings do so themselves.

        Raises:
            BudgetExceededError: E4208, if the tenant's budget, or that of all, is used up.
        """
        self._limits.check_budget(tenant)

    def feedback(self, decision_id: str, score: float, *, source: str | None = None) -> None:
        """Score an answer in 0 to 1, once, whenever it is known: by a user, a judge, a test.

        Raises:
            InvalidFeedbackError: E4303, for a score that is no number in 0 to 1, or a second one.
            UnknownDecisionError: E4302.
        """
        given: dict[str, Any] = {"decision_id": decision_id, "source": "" if source is None else source}
        for name, text in given.items():
            if not isinstance(text, str):
                raise InvalidFeedbackError(f"{name} is of type {type(text).__name__}; expected a text")
        self._learning.feedback(decision_id, score, source)

    def judge(
        self, call: JudgeCall, *, share: float = 1.0, weight: float = 1.0, inline: bool = False, timeout: float = 60.0
    ) -> JudgeCall:
        """Have answers scored by a callable: `call(request, answer, record)`, sync or async, from 0 to 1 or None.

        It runs beside the calls, and what it says is learnt like feedback with the source `judge`, unless somebody
        has scored the answer by then. A judge that fails is counted in `statistics` and fails no call. The keywords
        are those of `pointsman.learning.judges.Judge`; the callable is returned, so that this can decorate it.
        """
        self._judging.add(Judge(call, share, weight, inline, timeout))
        return call

    def statistics(self) -> Statistics:
        """What was selected and how it went: totals, healthy models, and per arm what the policy knows; a dict."""
        learnt = self._learning.statistics()
        return Statistics(
            **self.registry.stats(),
            healthy_models=len(self.available_models),
            failed_writes=self._learning.failed_writes,
            dropped_writes=0 if self._shared is None else self._shared.dropped_writes,
            replicas=self.replicas,
            failed_listeners=self._audience.failures,
            ignored_headers=self._limits.ignored_headers,
            **({} if self.cache is None else {"cache": self.cache.get_statistics().as_dict()}),
            judging=self._judging.statistics(),
            selection_stats={
                "total_attempts": int(sum(row["attempts"] for row in learnt.values())),
                "models_tracked": len(learnt),
                "model_performance": learnt,
            },
        )

    def reset_statistics(self) -> None:
        """Forget what the policy has learnt; the ledger keeps its rows."""
        self._learning.reset()

    # -- telling

    def listen(self, listener: object) -> Callable[[], None]:
        """Tell a listener of what happens here; see `pointsman.listeners.Listener`. Returns what ends that.

        Raises:
            TypeError: it has none of a listener's methods.
        """
        leave = self._audience.add(listener)
        if not self._relays:
            self._relays = (
                self.registry.subscribe(lambda event: self._audience.tell("registry_changed", event)),
                self._health.subscribe(lambda *change: self._audience.tell("health_changed", *change)),
            )
        return leave
