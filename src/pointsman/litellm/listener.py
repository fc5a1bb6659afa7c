"""What LiteLLM tells of attempts that the strategy chose: a callback that passes outcomes on."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger

from pointsman.litellm.hosted import HostedCalls
from pointsman.litellm.outcomes import CALL_KEY, metadata_of, outcome_of


class OutcomeListener(CustomLogger):
    """Hears of every LiteLLM call in this process and passes on what belongs to its own strategy.

    Args:
        calls: where outcomes go.
        key_of: the model's key by the deployment's id; None for deployments of others.
    """

    def __init__(self, calls: HostedCalls, key_of: Callable[[str], str | None]) -> None:
        super().__init__()
        self.instance_id = uuid.uuid4().hex  # LiteLLM takes two callbacks for one when their public facts agree
        self._calls = calls
        self._key_of = key_of

    def install(self) -> None:
        """Start to listen."""
        litellm.logging_callback_manager.add_litellm_callback(self)

    def uninstall(self) -> None:
        """Listen no more."""
        litellm.logging_callback_manager.remove_callback_from_all_lists(self)

    async def async_post_call_failure_deployment_hook(
        self,
        request_data: Mapping[str, Any],
        exception: Exception,
        call_type: Any,
        fallback_depth: int | None = None,
    ) -> None:
        """An attempt has failed; LiteLLM waits for this before it makes the next."""
        del call_type, fallback_depth
        self._failed(request_data, exception)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """An attempt has delivered."""
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """An attempt has failed, as a stream may after it was opened."""
        self.log_failure_event(kwargs, response_obj, start_time, end_time)

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """An attempt has delivered."""
        metadata = metadata_of(kwargs)
        call, key = self._calls.find(metadata.get(CALL_KEY)), self._key(kwargs, metadata)
        if call is not None and key is not None:
            self._calls.delivered(call, key, outcome_of(kwargs, start_time, end_time, response_obj), response_obj)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A synchronous attempt has failed; LiteLLM waits for this before it makes the next."""
        del response_obj, start_time, end_time
        error = kwargs.get("exception")
        if isinstance(error, Exception):
            self._failed(kwargs, error)

    def gave_up(self, metadata: Mapping[str, Any], error: Exception, *, partial: bool) -> None:
        """What LiteLLM takes for an answer is none."""
        call = self._calls.find(metadata.get(CALL_KEY))
        if call is not None:
            call.gave_up(error, partial=partial)

    def left(self, metadata: Mapping[str, Any], pieces: int) -> None:
        """The caller of an attempt has gone, after so many pieces of a stream."""
        call = self._calls.find(metadata.get(CALL_KEY))
        if call is not None:
            self._calls.left(call, pieces)

    def _failed(self, kwargs: Mapping[str, Any], error: Exception) -> None:
        metadata = metadata_of(kwargs)
        call, key = self._calls.find(metadata.get(CALL_KEY)), self._key(kwargs, metadata)
        if call is not None and key is not None:
            call.failed(key, error)

    def _key(self, kwargs: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
        inner = kwargs.get("litellm_params")
        for source in (kwargs, inner if isinstance(inner, Mapping) else {}, metadata):
            info = source.get("model_info")
            ident = info.get("id") if isinstance(info, Mapping) else None
            if ident is not None:
                return self._key_of(str(ident))
        return None
