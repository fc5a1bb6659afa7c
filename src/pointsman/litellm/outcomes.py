"""The attempt ledger: calls that LiteLLM carries out for us, by id, and what came back of each attempt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.eligibility.tokens import PromptSize
from pointsman.failover.blame import Blame
from pointsman.failover.reservations import Reservations
from pointsman.faults import FaultKind, classify
from pointsman.router import Router
from pointsman.types import Outcome, Request

_OPEN_CALLS = 10_000
_DONE_CALLS = 256

# In a request's metadata: which of our calls it belongs to. LiteLLM hands metadata through every retry and fallback.
CALL_KEY = "pointsman_call"


@dataclass(slots=True)
class OpenCall:
    """One call that the proxy carries out.

    Attributes:
        decision: who was chosen.
        blame: whose account its failures go on, when it has ended.
        reservations: what is held for its attempts, if anything limits them.
        specs: the models of its plan by LiteLLM's names.
        started: when each attempt was opened, by key.
        ended: keys whose outcome is known.
        is_left: whether its caller has gone.
    """

    decision: RoutingDecision
    blame: Blame
    reservations: Reservations | None = None
    specs: Mapping[str, ModelSpec] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    is_left: bool = False

    @property
    def running(self) -> list[str]:
        """Keys of attempts whose outcome is not known yet."""
        return [key for key in self.started if key not in self.ended]


class Attempts:
    """Open calls and their attempts; tells the router of every outcome, once, whichever of LiteLLM's hooks knew it.

    Args:
        router: who is told.
        learns: whether what a provider says of its limits is true of the model with this key.
    """

    def __init__(self, router: Router, *, learns: Callable[[str], bool] = lambda _: True) -> None:
        self._router = router
        self._learns = learns
        self._lock = threading.Lock()
        self._calls: OrderedDict[str, OpenCall] = OrderedDict()
        self._done: OrderedDict[str, OpenCall] = OrderedDict()

    def open(self, call: OpenCall) -> None:
        """Keep a call; the oldest is forgotten when there are too many."""
        with self._lock:
            self._calls[call.decision.id] = call
            oldest = self._calls.popitem(last=False)[1] if len(self._calls) > _OPEN_CALLS else None
        if oldest is not None:
            oldest.blame.settle(answered=True)
            if oldest.reservations is not None:
                oldest.reservations.close()

    def find(self, call_id: Any) -> OpenCall | None:
        """The call of this id, if it is one of ours; for a while after its end too, as headers are made then."""
        return (self._calls.get(call_id) or self._done.get(call_id)) if isinstance(call_id, str) else None

    def close(self, call: OpenCall, *, answered: bool) -> None:
        """A call is over: who failed is charged, and it is remembered for a moment, its prompt not for long."""
        call.blame.settle(answered=answered)
        if call.reservations is not None:
            call.reservations.close()
        with self._lock:
            if self._calls.pop(call.decision.id, None) is not None:
                self._done[call.decision.id] = call
                if len(self._done) > _DONE_CALLS:
                    self._done.popitem(last=False)

    def left(self, call: OpenCall, pieces: int) -> None:
        """The caller has gone, after so many pieces of a stream."""
        call.is_left = True
        for spec in call.specs.values():
            if call.reservations is not None and spec.key in call.running:
                call.reservations.left(spec, pieces)
        self.close(call, answered=True)

    def begin(self, call: OpenCall, key: str) -> None:
        """An attempt starts."""
        with self._lock:
            call.started.setdefault(key, self._router.clock.monotonic())

    def settle(self, call: OpenCall) -> None:
        """Close what is open: LiteLLM makes one attempt at a time, so when it wants another the last one has failed.

        Of streams that break LiteLLM tells late, once per call, and not always of the right deployment.
        """
        for key in call.running:
            self.failed(call, key, ConnectionError("the stream broke before its first content"))

    def succeeded(self, call: OpenCall, key: str, outcome: Outcome, headers: Mapping[str, Any] | None = None) -> None:
        """An attempt delivered, with these headers of its provider."""
        if self._end(call, key):
            self._observe(call, key, outcome, headers)
        self.close(call, answered=True)

    def failed(self, call: OpenCall, key: str, error: BaseException) -> None:
        """An attempt failed; what is nobody's fault (a cancelled call) teaches nothing."""
        cause = unwrapped(error)
        if classify(cause).kind is FaultKind.CONTROL_FLOW or not self._end(call, key):
            return
        started = call.started.get(key)
        seconds = None if started is None else max(self._router.clock.monotonic() - started, 0.0)
        self._observe(call, key, Outcome(seconds=seconds, error=cause))

    def _observe(self, call: OpenCall, key: str, outcome: Outcome, headers: Mapping[str, Any] | None = None) -> None:
        if not self._learns(key):
            headers = {}
        self._router.observe(
            call.decision, outcome, model=key, blame=call.blame, reservations=call.reservations, headers=headers
        )

    def _end(self, call: OpenCall, key: str) -> bool:
        with self._lock:
            if key in call.ended:
                return False
            call.ended.add(key)
            return True


def unwrapped(error: BaseException) -> BaseException:
    """What really happened: LiteLLM wraps the errors of streams."""
    seen = 0
    while (inner := getattr(error, "original_exception", None)) is not None and seen < 5:
        if not isinstance(inner, BaseException):
            break
        error, seen = inner, seen + 1
    return error


def outcome_of(kwargs: Mapping[str, Any], started: Any, ended: Any, answer: Any = None) -> Outcome:
    """Read a success event: tokens and cost as LiteLLM counted them, times as it measured them.

    Of some streams it says that they took no tokens at all; then the prompt and the answer it has put together count.
    """
    payload = kwargs.get("standard_logging_object") or {}
    cost, cached = payload.get("response_cost"), bool(payload.get("cache_hit"))
    read_in, written = _count(payload.get("prompt_tokens")), _count(payload.get("completion_tokens"))
    if not read_in and not written and not cached:
        read_in, written = _counted(kwargs.get("messages")), _counted(_messages_in(answer))
    return Outcome(
        input_tokens=read_in,
        output_tokens=written,
        seconds=_span(started, ended),
        ttft=_span(started, kwargs.get("completion_start_time")) if kwargs.get("stream") else None,
        cost=float(cost) if isinstance(cost, int | float) and cost > 0 else None,
        cached=cached,
    )


def _counted(messages: Any) -> int | None:
    """Tokens of messages, of a prompt or an answer; None where there are none."""
    if not isinstance(messages, list) or not all(isinstance(each, Mapping) for each in messages):
        return None
    return PromptSize(Request(messages=messages)).count() if messages else None


def _messages_in(answer: Any) -> list[Any] | None:
    choices = getattr(answer, "choices", None)
    messages = [getattr(each, "message", None) for each in choices] if isinstance(choices, list) else []
    return [each.model_dump() for each in messages if each is not None and hasattr(each, "model_dump")] or None


def metadata_of(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A request's metadata where LiteLLM keeps it: in one of two places, at one of two levels."""
    inner = kwargs.get("litellm_params")
    for source in (kwargs, inner if isinstance(inner, Mapping) else {}):
        for name in ("litellm_metadata", "metadata"):
            value = source.get(name)
            if isinstance(value, Mapping) and CALL_KEY in value:
                return value
    return {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _span(started: Any, ended: Any) -> float | None:
    if isinstance(started, datetime) and isinstance(ended, datetime):
        return max((ended - started) / timedelta(seconds=1), 0.0)
    if isinstance(started, int | float) and isinstance(ended, int | float):
        return max(float(ended - started), 0.0)
    return None
