"""The SDK door: a routing strategy for `litellm.Router` that tries each eligible deployment once."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litellm.types.router import CustomRoutingStrategyBase

from pointsman.calls import CallLedger, CallSettings
from pointsman.config import Settings, load_config
from pointsman.decision import RoutingDecision
from pointsman.errors import AllModelsFailedError, DeadlineExceededError
from pointsman.litellm.deployments import Deployments
from pointsman.litellm.failover import SameGroupFailover
from pointsman.litellm.listener import OutcomeListener
from pointsman.litellm.outcomes import CALL_KEY, Attempts, OpenCall
from pointsman.litellm.requests import request_for
from pointsman.registry import ModelRegistry
from pointsman.router import Router

_METADATA = ("litellm_metadata", "metadata")


def install(
    router: Any,
    *,
    config: str | Path | None = None,
    pointsman_router: Router | None = None,
    attempts: int | None = None,
) -> PointsmanStrategy:
    """Let pointsman choose among the deployments of a `litellm.Router`, and fail over between them.

    Args:
        router: the LiteLLM router; it keeps its clients, its callbacks and everything else that is not choosing.
        config: a pointsman.yaml; what it declares of a model wins over `model_info` and LiteLLM's map.
        pointsman_router: a router of your own, instead of `config`; the deployments are added to its registry.
        attempts: deployments tried per call at most; None means each eligible one, up to 32.

    Raises:
        CatalogError: E4003, E4005 or E4006, if `config` cannot be used.
        ConfigError: E4006, if a deployment could be several of the declared models.
    """
    if pointsman_router is None:
        pointsman_router = _router_from(config)
        prune = True
    elif config is not None:
        raise TypeError("give install() either config= or pointsman_router=, not both")
    else:
        prune = False
    strategy = PointsmanStrategy(router, pointsman_router, prune=prune, attempts=attempts)
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

    def __init__(self, host: Any, router: Router, *, prune: bool = True, attempts: int | None = None) -> None:
        self._host = weakref.ref(host)
        self.router = router
        self.deployments = Deployments(host, router.registry, prune=prune)
        self.attempts = Attempts(router)
        self._failover = SameGroupFailover(host, self, limit=attempts)
        self._listener = OutcomeListener(self.attempts, lambda ident: self.deployments.key_of.get(ident))

    def install(self) -> None:
        """Put the strategy in place; `install()` the function does this."""
        self._failover.install()
        self._listener.install()

    def uninstall(self) -> None:
        """Give the router back as it was."""
        self._listener.uninstall()
        self._failover.uninstall()

    async def async_get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,  # noqa: A002  LiteLLM's name
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The deployment for the next attempt of a call."""
        if self._is_ours(model, specific_deployment):
            return self._next(model, messages, input, request_kwargs if request_kwargs is not None else {})
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
        if self._is_ours(model, specific_deployment):
            return self._next(model, messages, input, request_kwargs if request_kwargs is not None else {})
        return self._failover.original("get_available_deployment")(
            model=model,
            messages=messages,
            input=input,
            specific_deployment=specific_deployment,
            request_kwargs=request_kwargs,
        )

    # -- choosing

    def _is_ours(self, model: str, specific_deployment: bool | None) -> bool:  # noqa: FBT001  LiteLLM's flag
        """Groups, their aliases and pools are; a deployment by its id, a wildcard route and the like are LiteLLM's."""
        if specific_deployment is True:
            return False
        if self.deployments.refresh():
            self._failover.refresh()
        return self.deployments.target(model) is not None

    def _next(self, model: str, messages: Any, text_input: Any, kwargs: dict[str, Any]) -> Any:
        kwargs.pop("_excluded_deployment_ids", None)
        metadata = _metadata(kwargs)
        call = None if self._is_first(kwargs, metadata) else self.attempts.find(metadata.get(CALL_KEY))
        if call is None or call.decision.request.model != self.deployments.target(model):
            call = self._decide(model, messages, text_input, kwargs)
            self.attempts.open(call.decision.id, call)
        key = self._next_key(call)
        metadata[CALL_KEY] = call.decision.id
        self.attempts.begin(call, key)
        timeout = call.ledger.timeout(others_left=len(call.started) < len(call.plan))
        if timeout is not None:
            asked = kwargs.get("timeout")
            kwargs["timeout"] = min(timeout, asked) if isinstance(asked, int | float) else timeout
        return self.deployments.by_key[key]

    @staticmethod
    def _is_first(kwargs: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
        """Whether LiteLLM starts a call here: callers may send one metadata dictionary with many calls."""
        return not kwargs.get("fallback_depth") and not metadata.get("attempted_retries")

    def _decide(self, model: str, messages: Any, text_input: Any, kwargs: Mapping[str, Any]) -> OpenCall:
        target = self.deployments.target(model)
        embeds = messages is None and text_input is not None
        if embeds and target is not None and not self._embeds(target):
            embeds = False  # nothing in the group says what it is for, so it may be this
        request = request_for(kwargs, model=target, messages=messages, text_input=text_input, embeds=embeds)
        if self.deployments.unserved:
            request = request.replace(exclude=self.deployments.unserved)
        decision: RoutingDecision = self.router.decide(request)
        return OpenCall(decision, CallLedger(self.router.calls, self.router.clock))

    def _embeds(self, target: str) -> bool:
        snapshot = self.router.registry.snapshot
        return bool(snapshot.mask("cap:embedding.text") & snapshot.mask_of([target])) or target in snapshot.pools

    def _next_key(self, call: OpenCall) -> str:
        """The next model of the plan that was not tried yet.

        Raises:
            Exception: what the last attempt raised, when no other would help or none is left.
        """
        if not call.started:
            call.plan = (call.decision.model,)  # fallbacks are worked out only when the first choice has failed
        elif len(call.plan) == 1:
            call.plan = call.decision.plan
        if call.stop:
            raise self._gave_up(call, "fault")
        if call.ledger.expired:
            raise self._gave_up(call, "deadline")
        if call.ledger.exhausted:
            raise self._gave_up(call, "attempts")
        for key in call.plan:
            if key not in call.started and key in self.deployments.by_key and call.still_fits(key):
                return key
        raise self._gave_up(call, "plan")

    def _gave_up(self, call: OpenCall, stopped_by: str) -> BaseException:
        if call.error is not None and stopped_by != "deadline":
            return call.error
        causes = [call.error] if isinstance(call.error, Exception) else [DeadlineExceededError("no time was left")]
        return AllModelsFailedError(
            f"no deployment could answer: {len(call.started)} tried, stopped by {stopped_by}",
            causes,
            models=list(call.started)[-1:] or [call.decision.model],
            decision_id=call.decision.id,
            stopped_by=stopped_by,
        )


def _metadata(kwargs: dict[str, Any]) -> dict[str, Any]:
    for name in _METADATA:
        if isinstance(value := kwargs.get(name), dict):
            return value
    return kwargs.setdefault("metadata", {})  # type: ignore[no-any-return]


# LiteLLM fetches its map of prices from the network when it is imported, unless told otherwise.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
