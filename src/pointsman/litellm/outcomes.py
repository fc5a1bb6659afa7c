"""The attempt ledger: calls that LiteLLM carries out for us, by id, and what came back of each attempt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pointsman.decision import RoutingDecision
from pointsman.failover.blame import Blame
from pointsman.faults import FaultKind, classify
from pointsman.router import Router
from pointsman.types import Outcome

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
        started: when each attempt was opened, by key.
        ended: keys whose outcome is known.
    """

    decision: RoutingDecision
    blame: Blame
    started: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    @property
    def running(self) -> list[str]:
        """Keys of attempts whose outcome is not known yet."""
        return [key for key in self.started if key not in self.ended]


class Attempts:
    """Open calls and their attempts; tells the router of every outcome, once, whichever of LiteLLM's hooks knew it."""

    def __init__(self, router: Router) -> None:
        self._router = router
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

    def find(self, call_id: Any) -> OpenCall | None:
        """The call of this id, if it is one of ours; for a while after its end too, as headers are made then."""
        return (self._calls.get(call_id) or self._done.get(call_id)) if isinstance(call_id, str) else None

    def close(self, call: OpenCall, *, answered: bool) -> None:
        """A call is over: who failed is charged, and it is remembered for a moment, its prompt not for long."""
        call.blame.settle(answered=answered)
        with self._lock:
            if self._calls.pop(call.decision.id, None) is not None:
                self._done[call.decision.id] = call
                if len(self._done) > _DONE_CALLS:
                    self._done.popitem(last=False)

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

    def succeeded(self, call: OpenCall, key: str, outcome: Outcome) -> None:
        """An attempt delivered."""
        if self._end(call, key):
            self._router.observe(call.decision, outcome, model=key, blame=call.blame)
        self.close(call, answered=True)

    def failed(self, call: OpenCall, key: str, error: BaseException) -> None:
        """An attempt failed; what is nobody's fault (a cancelled call) teaches nothing."""
        cause = unwrapped(error)
        if classify(cause).kind is FaultKind.CONTROL_FLOW or not self._end(call, key):
            return
        started = call.started.get(key)
        seconds = None if started is None else max(self._router.clock.monotonic() - started, 0.0)
        self._router.observe(call.decision, Outcome(seconds=seconds, error=cause), model=key, blame=call.blame)

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


def outcome_of(kwargs: Mapping[str, Any], started: Any, ended: Any) -> Outcome:
    """Read a success event: tokens and cost as LiteLLM counted them, times as it measured them."""
    payload = kwargs.get("standard_logging_object") or {}
    cost = payload.get("response_cost")
    return Outcome(
        input_tokens=_count(payload.get("prompt_tokens")),
        output_tokens=_count(payload.get("completion_tokens")),
        seconds=_span(started, ended),
        ttft=_span(started, kwargs.get("completion_start_time")) if kwargs.get("stream") else None,
        cost=float(cost) if isinstance(cost, int | float) and cost > 0 else None,
        cached=bool(payload.get("cache_hit")),
    )


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
