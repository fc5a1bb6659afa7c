"""From a request for a virtual model to the plan that the proxy carries out, and the call that its outcomes belong to."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping
from typing import Any

from fastapi import HTTPException

from pointsman.catalog.files import Catalogue
from pointsman.catalog.spec import ModelSpec
from pointsman.config import Settings
from pointsman.decision import RoutingDecision
from pointsman.errors import (
    BudgetExceededError,
    InvalidRequestError,
    LimitReachedError,
    NoEligibleModelsError,
    PointsmanError,
    PromptTooLongError,
)
from pointsman.failover.reservations import Reservations
from pointsman.litellm.access import barred_models
from pointsman.litellm.groups import Groups
from pointsman.litellm.guard import AnswerGuard
from pointsman.litellm.outcomes import CALL_KEY, Attempts, OpenCall, metadata_of
from pointsman.litellm.requests import EMBEDDING, request_for
from pointsman.litellm.wishes import read_wishes
from pointsman.monitor import HealthMonitor
from pointsman.router import Router
from pointsman.types import Outcome, Request

AUTO = "auto"

# LiteLLM follows at most five fallbacks of a request.
_FALLBACKS = 5
# What a client may not say of a request whose models we choose.
_OURS = (
    *("fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "max_fallbacks", "disable_fallbacks"),
    *("num_retries", "max_retries", "api_base", "base_url", "api_key", "user_config", "model_list"),
)
_EMBEDDINGS = frozenset({"aembedding", "embedding", "embeddings"})
_COMPLETIONS = frozenset({"atext_completion", "text_completion"})
_CHATS = frozenset(
    (
        *("acompletion", "completion", "aresponses", "responses", "anthropic_messages", "aanthropic_messages"),
        *("agenerate_content", "agenerate_content_stream", "generate_content", "generate_content_stream"),
    )
)
# What is asked of models that answer in text or vectors; images, speech, moderation and the rest are LiteLLM's business.
_PLANNED = _CHATS | _COMPLETIONS | _EMBEDDINGS


class Planner:
    """Plans for one proxy.

    Attributes:
        groups: the proxy's models.
        attempts: what became of the plans.
        monitor: checks the models where the settings name an interval; it starts with the first request.
        ignored_wishes: how many headers and metadata entries of clients could not be read.
    """

    def __init__(self, catalogue: Catalogue, settings: Settings) -> None:
        self.groups = Groups(catalogue)
        self._settings = settings
        self.router: Router | None = None
        self.attempts: Attempts | None = None
        self.monitor: HealthMonitor | None = None
        self.ignored_wishes = 0
        self._guard: AnswerGuard | None = None

    def refresh(self, host: Any) -> None:
        """Take in what the proxy serves now.

        Raises:
            CatalogError: E4003 or E4006, if its names and the declared models cannot be matched.
        """
        self.groups.refresh(host)
        if self.router is None:
            self.router = Router.from_settings(self.groups.registry, self._settings)
            self.attempts = Attempts(self.router, learns=lambda key: key not in self.groups.shared)
            if self._settings.health.interval is not None:
                self.monitor = self.router.monitor().start()
        if self._guard is None or self._guard.host is not host:
            self._guard = AnswerGuard(host, self.gave_up, self.entering, left=self.left)
            self._guard.install()

    def call_of(self, kwargs: Mapping[str, Any]) -> OpenCall | None:
        """The call that a hook's arguments belong to, if it is one of ours."""
        return None if self.attempts is None else self.attempts.find(metadata_of(kwargs).get(CALL_KEY))

    def key_of(self, kwargs: Mapping[str, Any]) -> str | None:
        """The model that a hook's arguments speak of."""
        inner = kwargs.get("litellm_params")
        for source in (kwargs, inner if isinstance(inner, Mapping) else {}, metadata_of(kwargs)):
            info = source.get("model_info")
            if isinstance(info, Mapping) and info.get("id") is not None:
                return self.groups.key_of(info["id"])
        return None

    def entering(self, metadata: Mapping[str, Any], name: Any) -> Awaitable[None] | None:
        """What has to be awaited before LiteLLM makes an attempt: room at limits, unless that was taken with the plan."""
        call = None if self.attempts is None else self.attempts.find(metadata.get(CALL_KEY))
        spec = None if call is None else call.specs.get(name)
        if call is None or call.reservations is None or spec is None or not call.reservations.needed((spec,)):
            return None
        return self._reserve(call, call.reservations, spec)

    async def _reserve(self, call: OpenCall, reservations: Reservations, spec: ModelSpec) -> None:
        if self.attempts is not None:
            self.attempts.settle(call)
        try:
            await reservations.take(spec)
        except LimitReachedError as error:
            # LiteLLM quotes it in the message of the first failure, or raises it.
            raise HTTPException(429, f"{error.code}: {error}", _retry_after(error)) from None

    def began(self, call: OpenCall, kwargs: Mapping[str, Any]) -> None:
        """An attempt starts; what was open before it has failed.

        Responses and Messages of a chat model are two calls of LiteLLM's, one within the other, for one attempt.
        """
        key = self.key_of(kwargs)
        if key is not None and key not in call.running and self.attempts is not None:
            self.attempts.settle(call)
            self.attempts.begin(call, key)

    def failed(self, call: OpenCall, kwargs: Mapping[str, Any], error: Exception) -> None:
        """An attempt has failed."""
        key = self.key_of(kwargs)
        if key is not None and self.attempts is not None:
            self.attempts.failed(call, key, error)

    def gave_up(self, metadata: Mapping[str, Any], error: Exception, *, partial: bool) -> None:
        """What LiteLLM takes for the answer of the attempt under way is none."""
        del partial
        if self.attempts is not None and (call := self.attempts.find(metadata.get(CALL_KEY))) is not None:
            for key in call.running:
                self.attempts.failed(call, key, error)

    def left(self, metadata: Mapping[str, Any], pieces: int) -> None:
        """The caller has gone; if it got anything, LiteLLM reports a success over as much, or nothing."""
        if self.attempts is not None and (call := self.attempts.find(metadata.get(CALL_KEY))) is not None:
            self.attempts.left(call, pieces)

    def delivered(
        self, call: OpenCall, kwargs: Mapping[str, Any], outcome: Outcome, headers: Mapping[str, Any] | None = None
    ) -> None:
        """An attempt has delivered; after a fallback LiteLLM may name the wrong model, and the open one is meant."""
        running = call.running
        key = self.key_of(kwargs)
        if key not in running and running:
            key = running[-1]
        if key is not None and self.attempts is not None:
            self.attempts.succeeded(call, key, outcome, headers)

    def ended(self, call: OpenCall, error: Exception) -> None:
        """The whole request has failed, and with it the attempt that is still open."""
        if self.attempts is not None:
            for key in call.running:
                self.attempts.failed(call, key, error)
            self.attempts.close(call, answered=False)

    async def plan(self, host: Any, key: Any, data: dict[str, Any], call_type: str) -> None:
        """Put a plan in the place of a virtual model; a name that is none, or another kind of request, is left alone.

        Raises:
            HTTPException: 400, if nothing can serve the request; 429, if all models are at their limit for longer than
                the deadline, or the tenant's budget has no room.
        """
        virtual = data.get("model")
        if self.router is None or self.attempts is None or call_type not in _PLANNED:
            return
        if not self.groups.is_virtual(virtual, AUTO):
            return
        try:
            request = self._request(data, call_type, await barred_models(host, key, self.groups.name_of), key)
            self.router.check_budget(request.tenant)
            decision = self.router.decide(request)
            reservations = self.router.reservations(decision)
            specs = await self._begun(_plan(decision, embeds=call_type in _EMBEDDINGS), reservations)
        except (NoEligibleModelsError, InvalidRequestError, LimitReachedError) as error:
            raise _refusal(error) from None
        names = [self.groups.name_of[spec.key] for spec in specs]
        for name in _OURS:
            data.pop(name, None)
        data["model"], data["fallbacks"], data["num_retries"] = names[0], names[1:], 0
        self._limit_time(data, reservations.remaining, len(names))
        plan = dict(zip(names, specs, strict=True))
        self.attempts.open(OpenCall(decision, self.router.blame(), reservations, plan))
        metadata = data.setdefault("litellm_metadata" if "litellm_metadata" in data else "metadata", {})
        metadata[CALL_KEY] = decision.id
        noted = metadata.get("spend_logs_metadata")
        metadata["spend_logs_metadata"] = {
            **(noted if isinstance(noted, Mapping) else {}),
            "pointsman": {"decision": decision.id, "asked_for": virtual, "plan": names, "policy": decision.policy},
        }

    async def _begun(self, plan: tuple[ModelSpec, ...], reservations: Reservations) -> tuple[ModelSpec, ...]:
        """As much of a plan as LiteLLM follows, beginning with a model that has room."""
        first = plan[: 1 + _FALLBACKS]
        if self.router is None or not reservations.needed(first):
            return first if self.router is None else self.router.admitted(first)
        return (await reservations.begin(plan))[: 1 + _FALLBACKS]

    def _request(self, data: Mapping[str, Any], call_type: str, barred: frozenset[str], key: Any) -> Request:
        wishes = read_wishes(data)
        self.ignored_wishes += wishes.ignored
        embeds = call_type in _EMBEDDINGS
        return request_for(
            data,
            model=data["model"],
            text_input=data.get("prompt") if call_type in _COMPLETIONS else data.get("input"),
            embeds=embeds,
            needs=wishes.needs | EMBEDDING if embeds else wishes.needs,
            exclude=barred,
            max_cost=wishes.max_cost,
            max_latency=wishes.max_latency,
            session=wishes.session,
            tenant=tenant_of(key),
        )

    def _limit_time(self, data: dict[str, Any], remaining: float | None, plan: int) -> None:
        share = None if remaining is None else max(remaining, 0.0) / plan
        limits = [
            each for each in (self._settings.calls.timeout, share, data.get("timeout")) if isinstance(each, int | float)
        ]
        if limits:
            data["timeout"] = min(limits)


def tenant_of(key: Any) -> str | None:
    """Whose request it is: the key's team, else its user; never the key."""
    for name in ("team_id", "org_id", "user_id"):
        if isinstance(value := getattr(key, name, None), str) and value:
            return value
    return None


def _plan(decision: RoutingDecision, *, embeds: bool) -> tuple[ModelSpec, ...]:
    specs = decision.specs
    if embeds:  # vectors of another model would be worse than no answer
        specs = tuple(spec for spec in specs if spec.arm == decision.spec.arm)
    return specs


def _refusal(error: PointsmanError) -> HTTPException:
    if isinstance(error, LimitReachedError):
        kind = "budget_exceeded" if isinstance(error, BudgetExceededError) else "rate_limit_exceeded"
        full = {"message": f"{error.code}: {error}", "type": kind, "param": None, "code": "429"}
        return HTTPException(status_code=429, detail=full, headers=_retry_after(error))
    code = "no_eligible_model" if isinstance(error, NoEligibleModelsError) else "invalid_request"
    if isinstance(error, PromptTooLongError):
        code = "context_length_exceeded"
    detail = {"message": f"{error.code}: {error}", "type": "invalid_request_error", "param": None, "code": code}
    return HTTPException(status_code=400, detail=detail)


def _retry_after(error: LimitReachedError) -> dict[str, str]:
    return {} if error.retry_after is None else {"retry-after": str(math.ceil(error.retry_after))}
