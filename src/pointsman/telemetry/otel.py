"""`SpanListener`: OpenTelemetry spans by the GenAI conventions, one per call with one child per attempt.

What hosts carry out themselves (the LiteLLM Proxy) has no call of ours: there each attempt is a span under whichever
span is current. No prompt, no answer and no error's words are recorded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from time import time_ns
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from pointsman._version import __version__
from pointsman.catalog.spec import ModelSpec
from pointsman.decision import RoutingDecision
from pointsman.eligibility.question import AUTO
from pointsman.failover.steps import Attempt, AttemptRecord, CallRecord
from pointsman.faults import classify
from pointsman.listeners import Listener

# The conventions' names of providers, where they differ from ours.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
_OPEN_SPANS = 10_000


class SpanListener(Listener):
    """Spans of one router; `router.listen(SpanListener())`.

    Args:
        tracer: who makes the spans; the global provider's unless given.
    """

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer or trace.get_tracer("pointsman", __version__)
        self._lock = Lock()
        self._calls: OrderedDict[str, Span] = OrderedDict()
        self._attempts: OrderedDict[tuple[str, int], Span] = OrderedDict()

    def call_began(self, decision: RoutingDecision) -> None:
        """Open the call's span under the current one."""
        asked, operation = decision.request.model or AUTO, _operation(decision)
        span = self._tracer.start_span(
            f"{operation} {asked}",
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.request.model": asked,
                "pointsman.decision.id": decision.id,
                "pointsman.policy": decision.policy,
                "pointsman.probability": decision.probability,
            },
        )
        self._keep(self._calls, decision.id, span)

    def call_ended(self, record: CallRecord, error: BaseException | None, seconds: float) -> None:
        """Close it."""
        del seconds
        span = self._take(self._calls, record.decision.id)
        if span is None:
            return
        span.set_attribute("pointsman.attempts", len(record.attempts))
        if error is None:
            span.set_attribute("gen_ai.response.model", record.spec.name)
        else:
            _fail(span, _kind_of(error))
        span.end()

    def attempt_began(self, attempt: Attempt) -> None:
        """Open the attempt's span under its call's."""
        call = self._calls.get(attempt.decision.id)
        context = None if call is None else trace.set_span_in_context(call)
        self._keep(self._attempts, (attempt.decision.id, attempt.number), self._open(attempt, context, None))

    def attempt_ended(self, record: AttemptRecord, cost: float | None) -> None:
        """Close it; one that a host began is made now, as long as it took."""
        attempt, outcome, fault = record
        span = self._take(self._attempts, (attempt.decision.id, attempt.number))
        if span is None:
            # By the tracer's own clock, whatever the router's is.
            span = self._open(attempt, None, time_ns() - int((outcome.seconds or 0.0) * 1e9))
        measured: Mapping[str, Any] = {
            "gen_ai.usage.input_tokens": outcome.input_tokens,
            "gen_ai.usage.output_tokens": outcome.output_tokens,
            "gen_ai.response.time_to_first_chunk": outcome.ttft,
            "pointsman.cost_usd": cost,
        }
        span.set_attributes({name: value for name, value in measured.items() if value is not None})
        if outcome.finish_reason is not None:
            span.set_attribute("gen_ai.response.finish_reasons", [outcome.finish_reason])
        if outcome.cached:
            span.set_attribute("pointsman.cached", value=True)
        if fault is None:
            span.set_attribute("gen_ai.response.model", attempt.spec.name)
        else:
            _fail(span, fault.kind.value)
        span.end()

    def attempt_abandoned(self, attempt: Attempt) -> None:
        """Close it as what it is."""
        span = self._take(self._attempts, (attempt.decision.id, attempt.number))
        if span is not None:
            _fail(span, "abandoned")
            span.end()

    def _open(self, attempt: Attempt, context: Any, started: int | None) -> Span:
        spec, operation = attempt.spec, _operation(attempt.decision)
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": _PROVIDERS.get(spec.provider, spec.provider),
            "gen_ai.request.model": spec.name,
            "pointsman.decision.id": attempt.decision.id,
            "pointsman.model": spec.key,
            "pointsman.attempt": attempt.number,
            **_server(spec),
        }
        if attempt.request.max_output_tokens is not None:
            attributes["gen_ai.request.max_tokens"] = attempt.request.max_output_tokens
        return self._tracer.start_span(
            f"{operation} {spec.name}",
            context=context,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=started,
        )

    def _keep(self, spans: OrderedDict[Any, Span], key: Any, span: Span) -> None:
        with self._lock:
            spans[key] = span
            forgotten = spans.popitem(last=False)[1] if len(spans) > _OPEN_SPANS else None
        if forgotten is not None:
            forgotten.end()

    def _take(self, spans: OrderedDict[Any, Span], key: Any) -> Span | None:
        with self._lock:
            return spans.pop(key, None)


def _operation(decision: RoutingDecision) -> str:
    needs = decision.question.needs
    return "embeddings" if any(need.startswith("embedding") for need in needs) else "chat"


def _server(spec: ModelSpec) -> dict[str, Any]:
    """Host and port of a model with an address of its own; never its path, which may hold a secret."""
    try:
        address = urlsplit(spec.api_base or "")
        found = {"server.address": address.hostname, "server.port": address.port}
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if value is not None}


def _kind_of(error: BaseException) -> str:
    """What kind of failure ended a call: ours by their type, a provider's by its class."""
    if not isinstance(error, Exception):
        return "abandoned"
    if type(error).__module__.startswith("pointsman."):
        return type(error).__name__
    return classify(error).kind.value


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))
