"""The Proxy door, plan mode: a virtual model name becomes a first model and its fallbacks, which LiteLLM carries out."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from pointsman.catalog.files import Catalogue, read_catalogue
from pointsman.config import Settings, read_settings
from pointsman.errors import CatalogError, EmptyAnswerError, PointsmanError
from pointsman.failover.calls import CallSettings
from pointsman.limits.headers import headers_of
from pointsman.litellm.answers import is_empty
from pointsman.litellm.feedback import add_route
from pointsman.litellm.headers import response_headers
from pointsman.litellm.outcomes import CALL_KEY, metadata_of, outcome_of
from pointsman.litellm.planning import Planner
from pointsman.router import Router

_log = logging.getLogger("pointsman")

CONFIG = "POINTSMAN_CONFIG"
STRICT = "POINTSMAN_STRICT"
DEFAULT_CONFIG = "pointsman.yaml"


class ProxyHandler(CustomLogger):
    """What `litellm_settings: {callbacks: ["pointsman.litellm.proxy_handler"]}` names.

    It reads `pointsman.yaml` (or what `POINTSMAN_CONFIG` names) when it is built. If that cannot be used, the proxy
    starts nevertheless and routes as if the handler were not there, unless `POINTSMAN_STRICT` is `true`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.instance_id = uuid.uuid4().hex  # LiteLLM takes two callbacks for one when their public facts agree
        self._planner: Planner | None = None
        try:
            self._planner = Planner(*_read_config())
        except PointsmanError as error:
            self._switch_off(error)
        server = sys.modules.get("litellm.proxy.proxy_server")
        if self._planner is not None and server is not None:
            add_route(server.app, self)

    @property
    def router(self) -> Router | None:
        """The pointsman router that decides and learns; None before the first request, or if its file is broken."""
        return None if self._planner is None else self._planner.router

    @property
    def ignored_wishes(self) -> int:
        """How many headers and metadata entries of clients could not be read."""
        return 0 if self._planner is None else self._planner.ignored_wishes

    # -- hooks of the proxy; LiteLLM looks for some of them in this class itself, never in a base of it

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any] | None:
        """Turn a virtual model into a plan."""
        del cache
        for name in ("metadata", "litellm_metadata"):
            if isinstance(metadata := data.get(name), dict):
                metadata.pop(CALL_KEY, None)  # only we say which call this is
        server = sys.modules.get("litellm.proxy.proxy_server")
        host = getattr(server, "llm_router", None)  # replaced when the proxy's configuration is read again
        if host is None or self._planner is None:
            return None
        try:
            self._planner.refresh(host)
        except CatalogError as error:
            self._switch_off(error)
            return None
        await self._planner.plan(host, user_api_key_dict, data, call_type)
        return data

    async def async_filter_deployments(
        self,
        model: str,
        healthy_deployments: list[Any],
        messages: Any,
        request_kwargs: dict[str, Any] | None = None,
        parent_otel_span: Any = None,
    ) -> list[Any]:
        """Note the decision where LiteLLM's logs look for it; the deployments stay as they are."""
        del messages, parent_otel_span
        call = self._planner.call_of(request_kwargs) if self._planner is not None and request_kwargs else None
        if call is not None and request_kwargs is not None:
            metadata = metadata_of(request_kwargs)
            if isinstance(metadata, dict):
                metadata["routing_decision"] = {"router_model_name": call.decision.request.model, "routed_model": model}
        return healthy_deployments

    async def async_post_call_response_headers_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: Any,
        response: Any,
        request_headers: dict[str, str] | None = None,
        litellm_call_info: dict[str, Any] | None = None,
    ) -> dict[str, str] | None:
        """Name the decision, the model and the attempts; on a stream, as far as they are known before it begins."""
        del user_api_key_dict, request_headers, litellm_call_info
        call = None if self._planner is None else self._planner.call_of(data)
        return None if call is None or self._planner is None else response_headers(call, self._planner.groups, response)

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        """The request has failed for good: so has the attempt that is still open."""
        del user_api_key_dict, traceback_str
        if self._planner is not None and (call := self._planner.call_of(request_data)) is not None:
            self._planner.ended(call, original_exception)

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> None:
        """An attempt starts, so the one before it has failed."""
        del call_type
        if self._planner is not None and (call := self._planner.call_of(kwargs)) is not None:
            self._planner.began(call, kwargs)

    async def async_post_call_failure_deployment_hook(
        self, request_data: Mapping[str, Any], exception: Exception, call_type: Any, fallback_depth: int | None = None
    ) -> None:
        """An attempt has failed; LiteLLM waits for this before it makes the next."""
        del call_type, fallback_depth
        if self._planner is not None and (call := self._planner.call_of(request_data)) is not None:
            self._planner.failed(call, request_data, exception)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """An attempt has delivered; what was empty the planner has heard of from its guard."""
        if self._planner is not None and (call := self._planner.call_of(kwargs)) is not None:
            if is_empty(response_obj):
                if not call.is_left:  # before there was any
                    self._planner.failed(call, kwargs, EmptyAnswerError("an answer without content"))
                return
            outcome = outcome_of(kwargs, start_time, end_time, response_obj)
            self._planner.delivered(call, kwargs, outcome, headers_of(response_obj))

    def _switch_off(self, error: PointsmanError) -> None:
        """Say once what is wrong and stay out of the way.

        Raises:
            PointsmanError: the error, if the operator would rather have no proxy than one without us.
        """
        self._planner = None
        if os.environ.get(STRICT, "").lower() in ("1", "true", "yes"):
            raise error
        _log.error("%s: pointsman is off, LiteLLM routes without it: %s", error.code, error)


def _read_config() -> tuple[Catalogue, Settings]:
    named = os.environ.get(CONFIG)
    path = Path(named or DEFAULT_CONFIG)
    if not named and not path.exists():
        # Nobody asked for a deadline, and LiteLLM has none.
        return Catalogue(), Settings(calls=CallSettings(deadline=None))
    catalogue = read_catalogue(path)
    return catalogue, read_settings(catalogue.sections, str(path))
