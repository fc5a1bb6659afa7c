"""The SDK door: a routing strategy for `litellm.Router` that tries each eligible deployment once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import litellm
from litellm.types.router import CustomRoutingStrategyBase

from pointsman.arguments import expect
from pointsman.config import Settings, load_config
from pointsman.decision import RoutingDecision
from pointsman.errors import ConfigError, ModelNotFoundError, NoEligibleModelsError
from pointsman.failover.calls import CallSettings
from pointsman.failover.steps import Attempt, Reserve
from pointsman.litellm.deployments import Deployments
from pointsman.litellm.failover import SameGroupFailover
from pointsman.litellm.guard import AnswerGuard
from pointsman.litellm.hosted import HostedCall, HostedCalls
from pointsman.litellm.listener import OutcomeListener
from pointsman.litellm.outcomes import CALL_KEY
from pointsman.litellm.requests import EMBEDDING, request_for
from pointsman.registry.models import ModelRegistry
from pointsman.router import Router
from pointsman.types import Request

_METADATA = ("litellm_metadata", "metadata")
# Where a LiteLLM router keeps its strategy.
_PLACE = "_pointsman_strategy"


def install(
    router: Any,
    *,
    config: str | Path | None = None,
    pointsman_router: Router | None = None,
    attempts: int | None = None,
    respect_cooldowns: bool = False,
) -> PointsmanStrategy:
    """Let pointsman choose among the deployments of a `litellm.Router`, and fail over between them.

    Args:
        router: the LiteLLM router; it keeps its clients, its callbacks and everything else that is not choosing.
        config: a pointsman.yaml; what it declares of a model wins over `model_info` and LiteLLM's map.
        pointsman_router: a router of your own, instead of `config`; the deployments are added to its registry.
        attempts: deployments tried per call at most; None means each eligible one, up to 32. Of a group with a single
            deployment that one is asked again, as `calls.retries` says.
        respect_cooldowns: whether LiteLLM's cool-downs stay on, and what is cooling down is left out while anything
            else can serve. Otherwise they are switched off: health has one owner.

    Raises:
        CatalogError: E4003, E4005 or E4006, if `config` cannot be used.
        ConfigError: E4006, if a deployment could be several of the declared models.
        TypeError: `router` is no LiteLLM router.
    """
    expect(router, litellm.Router, "router", "a litellm.Router (pointsman's own is given as pointsman_router=)")
    if pointsman_router is not None:
        expect(pointsman_router, Router, "pointsman_router", "a pointsman.Router")
    wanted: Any = attempts
    if wanted is not None and (not isinstance(wanted, int) or wanted < 1):
        raise ConfigError(f"attempts is {attempts!r}; expected a whole number from 1 up, or None")
    if pointsman_router is None:
        pointsman_router = _router_from(config)
        prune = True
    elif config is not None:
        raise TypeError("give install() either config= or pointsman_router=, not both")
    else:
        prune = False
    strategy = PointsmanStrategy(
        router, pointsman_router, prune=prune, attempts=attempts, respect_cooldowns=respect_cooldowns
    )
    strategy.install()
    return strategy


def _router_from(config: str | Path | None) -> Router:
    if config is not None:
        registry, settings = load_config(config)
        return Router.from_settings(registry, settings)
    # Without a configuration nobody asked for a deadline, and LiteLLM has none.
    return Router.from_settings(ModelRegistry(), Settings(calls=CallSettings(deadline=None)))


class PointsmanStrategy(CustomRoutingStrategyBase):
    """Chooses deployments; made by `install`.

    Attributes:
        router: the pointsman router that decides and learns; `router.feedback(...)`, `router.health(...)`.
        deployments: the LiteLLM deployments by key.
    """

    def __init__(
        self,
        host: Any,
        router: Router,
        *,
        prune: bool = True,
        attempts: int | None = None,
        respect_cooldowns: bool = False,
    ) -> None:
        self.router = router
        self._host = host
        self.deployments = Deployments(host, router.registry, prune=prune)
        self.calls = HostedCalls()
        self._failover = SameGroupFailover(
            host, self, self.deployments, router.calls, attempts, cooldowns=respect_cooldowns
        )
        self.listener = OutcomeListener(self.calls, self._key_of)
        self._guard = AnswerGuard(host, self.listener.gave_up, left=self.listener.left)

    def _key_of(self, ident: str) -> str | None:
        return self.deployments.key_of.get(ident)

    def install(self) -> None:
        """Put the strategy in place, and out of it the one that was there; `install()` the function does this."""
        if (former := getattr(self._host, _PLACE, None)) is not None:
            former.uninstall()
        setattr(self._host, _PLACE, self)
        self._failover.install()
        self._guard.install()
        self.listener.install()

    def uninstall(self) -> None:
        """Give the router back as it was; nothing happens if another strategy has taken the place of this one."""
        if getattr(self._host, _PLACE, None) is not self:
            return
        delattr(self._host, _PLACE)
        self.listener.uninstall()
        self._guard.uninstall()
        self._failover.uninstall()
        self.calls.close()

    async def async_get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,  # noqa: A002  LiteLLM's name
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The deployment for the next attempt of a call."""
        target = self._target(model, specific_deployment)
        if target is not None:
            kwargs = request_kwargs if request_kwargs is not None else {}
            resting = await self._failover.aresting()
            call = self._call(target, messages, input, kwargs, resting)
            while not isinstance(step := call.next(), Attempt):
                if isinstance(step, Reserve):
                    call.reserved(await step.buckets.atake(step.takes))
                else:
                    await self.router.clock.asleep(step.seconds)
            return self._deployment(step, kwargs)
        return await self._failover.original("async_get_available_deployment")(
            model=model,
            messages=messages,
            input=input,
            specific_deployment=specific_deployment,
            request_kwargs=request_kwargs,
        )

    def get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,  # noqa: A002  LiteLLM's name
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The deployment for the next attempt of a call."""
        target = self._target(model, specific_deployment)
        if target is not None:
            kwargs = request_kwargs if request_kwargs is not None else {}
            resting = self._failover.resting()
            call = self._call(target, messages, input, kwargs, resting)
            while not isinstance(step := call.next(), Attempt):
                if isinstance(step, Reserve):
                    call.reserved(step.buckets.take(step.takes))
                else:
                    self.router.clock.sleep(step.seconds)
            return self._deployment(step, kwargs)
        return self._failover.original("get_available_deployment")(
            model=model,
            messages=messages,
            input=input,
            specific_deployment=specific_deployment,
            request_kwargs=request_kwargs,
        )

    # -- choosing

    def _target(self, model: str, specific_deployment: bool | None) -> str | None:
        """What to ask for where the choice is ours: groups, their aliases and pools.

        A deployment by its id, a wildcard route and the like are LiteLLM's.
        """
        if specific_deployment is True:
            return None
        if self.deployments.refresh():
            self._failover.refresh()
        return self.deployments.target(model)

    def _call(
        self, target: str, messages: Any, text_input: Any, kwargs: dict[str, Any], resting: Iterable[str]
    ) -> HostedCall:
        """The call that LiteLLM wants a deployment for: one under way, or a new one."""
        kwargs.pop("_excluded_deployment_ids", None)  # ours; see `failover`
        metadata, trace = _metadata(kwargs), kwargs.get("litellm_trace_id")
        call = self.calls.find(metadata.get(CALL_KEY))
        # Callers may send one metadata dictionary with many calls, and before 1.106 LiteLLM starts a synchronous stream
        # that broke from the beginning.
        starts = not kwargs.get("fallback_depth") and not metadata.get("attempted_retries")
        if call is not None and starts and (call.is_over or call.trace != trace):
            call = None
        if call is None or call.decision.request.model != target:
            call = self._decide(target, messages, text_input, kwargs, resting)
            call.trace = trace
            self.calls.open(call)
            metadata[CALL_KEY] = call.decision.id
        return call

    def _deployment(self, attempt: Attempt, kwargs: dict[str, Any]) -> Any:
        deployment = self.deployments.by_key.get(attempt.model)
        if deployment is None:
            raise ModelNotFoundError(attempt.model)
        if attempt.timeout is not None:
            asked = kwargs.get("timeout")
            kwargs["timeout"] = min(attempt.timeout, asked) if isinstance(asked, int | float) else attempt.timeout
        return deployment

    def _decide(
        self, target: str, messages: Any, text_input: Any, kwargs: Mapping[str, Any], resting: Iterable[str]
    ) -> HostedCall:
        # The Responses API has an `input` as well; its calls keep their metadata elsewhere.
        embeds = messages is None and text_input is not None and "litellm_metadata" not in kwargs
        is_pool = embeds and target in self.router.registry.snapshot.pools
        request = request_for(
            kwargs,
            model=target,
            messages=messages,
            text_input=text_input,
            embeds=embeds,
            needs=EMBEDDING if is_pool else self.deployments.kind_of(target),
            exclude=self.deployments.unserved,
        )
        decision = self._well(request, resting) or self.router.decide(request)
        # Failover has to end where LiteLLM stops to ask, or what failed last would stay open.
        alone = len(decision.arms) == 1 and not decision.behind
        steps = self.router.steps(decision, attempts=self._failover.attempts, retries=None if alone else 0)
        return HostedCall(decision, steps, self.router.clock)

    def _well(self, request: Request, resting: Iterable[str]) -> RoutingDecision | None:
        """A decision among what is not cooling down; None if that leaves nobody."""
        keys = {key for ident in resting if (key := self.deployments.key_of.get(ident)) is not None}
        if not keys:
            return None
        try:
            return self.router.decide(request.replace(exclude=keys.union(request.exclude)))
        except NoEligibleModelsError:
            return None


def _metadata(kwargs: dict[str, Any]) -> dict[str, Any]:
    for name in _METADATA:
        if isinstance(value := kwargs.get(name), dict):
            return value
    return kwargs.setdefault("metadata", {})  # type: ignore[no-any-return]
