"""The attempt ledger: calls that LiteLLM carries out for us, by id, and what came back of each attempt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pointsman.calls import CallLedger
from pointsman.decision import RoutingDecision
from pointsman.faults import FaultKind, classify
from pointsman.router import Router
from pointsman.types import Outcome

_OPEN_CALLS = 10_000

# In a request's metadata: which of our calls it belongs to. LiteLLM hands metadata through every retry and fallback.
CALL_KEY = "pointsman_call"


@dataclass(slots=True)
class OpenCall:
    """One call under way: its plan, what was tried, and what came of it.

    Attributes:
        decision: who was chosen.
        ledger: time and attempts that are left.
        plan: keys of models, best first.
        started: when each attempt was opened, by key.
        ended: keys whose outcome is known.
        error: what the last failed attempt raised.
        stop: set when no other model would help: the request itself is refused.
    """

    decision: RoutingDecision
    ledger: CallLedger
    plan: tuple[str, ...] = ()
    started: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    error: BaseException | None = None
    stop: bool = False


class Attempts:
    """Open calls and their attempts; tells the router of every outcome, once, whichever of LiteLLM's hooks knew it."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._lock = threading.Lock()
        self._calls: OrderedDict[str, OpenCall] = OrderedDict()

    def open(self, call_id: str, call: OpenCall) -> None:
        """Keep a call; the oldest is forgotten when there are too many."""
        with self._lock:
            self._calls[call_id] = call
            if len(self._calls) > _OPEN_CALLS:
                self._calls.popitem(last=False)

    def find(self, call_id: Any) -> OpenCall | None:
        """The call of this id, if it is one of ours."""
        return self._calls.get(call_id) if isinstance(call_id, str) else None

    def begin(self, call: OpenCall, key: str) -> None:
        """An attempt starts. One that is still open has failed: LiteLLM makes one at a time."""
        with self._lock:
            call.started.setdefault(key, self._router.clock.monotonic())
            call.ledger.attempts += 1

    def succeeded(self, call: OpenCall, key: str, outcome: Outcome) -> None:
        """An attempt delivered."""
        if self._end(call, key):
            self._router.observe(call.decision, outcome, model=key)

    def failed(self, call: OpenCall, key: str, error: BaseException) -> None:
        """An attempt failed; what is nobody's fault (a cancelled call) teaches nothing."""
        cause = unwrapped(error)
        fault = classify(cause, now=self._router.clock.time())
        if fault.kind is FaultKind.CONTROL_FLOW:
            return
        if not self._end(call, key):
            return
        call.error = cause
        if not fault.rule.fail_over:
            call.stop = fault.kind is not FaultKind.STREAM_BROKEN
        started = call.started.get(key)
        seconds = None if started is None else max(self._router.clock.monotonic() - started, 0.0)
        self._router.observe(call.decision, Outcome(seconds=seconds, error=cause), model=key)

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
