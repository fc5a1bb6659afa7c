"""Spans: one per call, one child per attempt, by the GenAI conventions, without a word of what was said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from samples import StatusError, make_spec

from pointsman import AllModelsFailedError, ModelRegistry, Outcome, Request, Router
from pointsman.telemetry.otel import SpanListener

Make = Callable[..., Router]


class Traced:
    """A router whose spans can be read."""

    def __init__(self, router: Router) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        self.router = router
        router.listen(SpanListener(self.tracer))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_call_has_a_span_with_one_child_per_attempt(make_router: Make) -> None:
    traced = Traced(make_router())

    def call(attempt: Any) -> dict[str, Any]:
        if attempt.number == 1:
            raise StatusError(503)
        return {
            "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        }

    traced.router.run(Request(messages="hello", max_output_tokens=50), call)
    failed, answered, whole = traced.spans
    assert whole.parent is None
    assert {span.parent.span_id for span in (failed, answered) if span.parent} == {whole.context.span_id}
    assert whole.name == "chat auto"
    assert told(whole)["gen_ai.response.model"] == answered.name.removeprefix("chat ")
    assert told(whole)["pointsman.attempts"] == 2
    assert told(failed)["error.type"] == "overloaded"
    assert failed.status.status_code is StatusCode.ERROR
    facts = told(answered)
    assert answered.kind is SpanKind.CLIENT
    assert facts["gen_ai.operation.name"] == "chat"
    assert facts["gen_ai.provider.name"] == "openai"
    assert facts["gen_ai.request.max_tokens"] == 50
    assert (facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"]) == (7, 3)
    assert facts["gen_ai.response.finish_reasons"] == ("stop",)
    assert answered.status.status_code is StatusCode.UNSET


def test_the_current_span_is_the_parent(make_router: Make) -> None:
    traced = Traced(make_router())
    with traced.tracer.start_as_current_span("mine") as mine:
        traced.router.run("hello", lambda _: "hi")
    whole = next(span for span in traced.spans if span.name == "chat auto")
    assert whole.parent is not None
    assert whole.parent.span_id == mine.get_span_context().span_id


def test_a_call_that_fails_for_good_says_so(make_router: Make) -> None:
    traced = Traced(make_router())

    def call(attempt: Any) -> str:
        raise StatusError(500)

    with pytest.raises(AllModelsFailedError):
        traced.router.run("hello", call, retries=0)
    whole = traced.spans[-1]
    assert told(whole)["error.type"] == "AllModelsFailedError"
    assert whole.status.status_code is StatusCode.ERROR


def test_a_stream_that_is_left_closes_its_spans(make_router: Make) -> None:
    traced = Traced(make_router())
    stream = traced.router.stream("hello", lambda _: iter("abc"))
    next(stream)
    stream.close()
    assert [told(span)["error.type"] for span in traced.spans] == ["abandoned", "abandoned"]


def test_an_attempt_that_a_host_made_is_a_span_as_long_as_it_took(make_router: Make) -> None:
    traced = Traced(make_router())
    decision = traced.router.decide("hello")
    traced.router.observe(decision, Outcome(seconds=2.0, ttft=0.5, input_tokens=1, output_tokens=1))
    (span,) = traced.spans
    assert span.start_time is not None
    assert span.end_time is not None
    assert 1.9e9 < span.end_time - span.start_time < 10e9
    assert told(span)["gen_ai.response.time_to_first_chunk"] == 0.5
    assert told(span)["pointsman.decision.id"] == decision.id


def test_prompts_answers_and_errors_words_stay_out() -> None:
    registry = ModelRegistry([make_spec(provider="gemini", api_base="http://host.test:99/secret-path/abc")])
    traced = Traced(Router(registry, "cheapest"))

    def call(attempt: Any) -> str:
        raise ValueError("you said: the secret word")

    with pytest.raises(Exception, match="no model"):
        traced.router.run("the secret word", call, retries=0)
    text = "".join(span.to_json() for span in traced.spans)
    assert "secret" not in text
    assert "secret-path" not in text
    facts = told(traced.spans[0])
    assert (facts["server.address"], facts["server.port"]) == ("host.test", 99)
    assert facts["gen_ai.provider.name"] == "gcp.gemini"


def test_embeddings_are_named_as_such() -> None:
    registry = ModelRegistry([make_spec(capabilities=["embedding.text"])])
    traced = Traced(Router(registry, "cheapest"))
    traced.router.run(Request(messages="hello", needs={"embedding.text"}), lambda _: "hi")
    assert {told(span)["gen_ai.operation.name"] for span in traced.spans} == {"embeddings"}
